// The tutorial's chat on npm websocket, the library of the tutorial: node websocket.js PORT
'use strict';

const { server: WebSocketServer } = require('websocket');

const chat = require('./chat.js');

const clients = new Set();

new WebSocketServer({ httpServer: chat.listen(), autoAcceptConnections: false }).on('request', (request) => {
  const connection = request.accept(null, request.origin);
  let name, color;
  clients.add(connection);
  if (chat.history.length) connection.sendUTF(JSON.stringify({ type: 'history', data: chat.history }));
  connection.on('message', ({ type, utf8Data }) => {
    if (type !== 'utf8') return;
    if (name === undefined) {
      name = chat.escape(utf8Data);
      color = chat.nextColor();
      connection.sendUTF(JSON.stringify({ type: 'color', data: color }));
      return;
    }
    const text = JSON.stringify({ type: 'message', data: chat.record(utf8Data, name, color) });
    for (const client of clients) client.sendUTF(text);
  });
  connection.on('close', () => clients.delete(connection));
});
