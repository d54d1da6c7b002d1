// npm ws as a server: sends every message back, and closes with 4002 when it is asked to.
// Run: node ws_server.mjs plain|deflate|forgetful; it prints its address.

import { packageNamed } from './lib/scenario.mjs';

const { WebSocketServer } = packageNamed('ws');

const perMessageDeflate = {
  plain: false,
  deflate: { threshold: 0 },
  forgetful: {
    threshold: 0,
    clientNoContextTakeover: true,
    serverNoContextTakeover: true,
    clientMaxWindowBits: 10,
    serverMaxWindowBits: 10,
  },
}[process.argv[2]];

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate, maxPayload: 2 << 20 });
server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}/`));
server.on('connection', (socket) => {
  socket.on('error', () => {}); // It is closed with its code, which is the client's to look at.
  socket.on('message', (data, isBinary) => {
    if (String(data) === 'close') socket.close(4002, 'tschüs');
    else socket.send(data, { binary: isBinary });
  });
});
