// The tutorial's chat on npm ws: node ws.js PORT [deflate | tls CERT KEY]
'use strict';

const { WebSocket, WebSocketServer } = require('ws');

const chat = require('./chat.js');

const perMessageDeflate = chat.deflates ? { threshold: 0 } : false;
const sockets = new WebSocketServer({ server: chat.listen(), perMessageDeflate });

sockets.on('connection', (socket) => {
  let name, color;
  socket.on('error', () => {});
  if (chat.history.length) socket.send(JSON.stringify({ type: 'history', data: chat.history }));
  socket.on('message', (data) => {
    if (name === undefined) {
      name = chat.escape(data);
      color = chat.nextColor();
      socket.send(JSON.stringify({ type: 'color', data: color }));
      return;
    }
    const text = Buffer.from(JSON.stringify({ type: 'message', data: chat.record(data, name, color) }));
    for (const other of sockets.clients) {
      if (other.readyState === WebSocket.OPEN) other.send(text, { binary: false });
    }
  });
});
