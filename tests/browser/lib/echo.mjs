// A host with a raw path that sends every message back, and closes whoever asks for it: run by websocket.test.mjs.
// Prints where it listens; with the argument `tls` it speaks TLS there.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Engine } = require('../../../node');

const secure = process.argv[2] === 'tls';
const engine = new Engine({
  listen: '127.0.0.1:0', raw: { '/echo': '' }, maxMessageBytes: 2 << 20, outboxBytes: 8 << 20,
  ...(secure ? { tlsPem: require('../../../node/test/certificate.js') } : {}),
});
engine.on('received', ({ connection, data }) => {
  if (data === 'kick me') engine.kick(connection, 'as you like');
  else if (data === 'stop') void engine.stop();
  else engine.tell(connection, data);
});
engine.on('started', ({ addresses }) => console.log(`listening on ${secure ? 'https' : 'http'}://${addresses[0]}`));
await engine.start();
