// A host with a raw path that sends every message back, and closes whoever asks for it: run by websocket.test.mjs.
// Prints where it listens.

import { createRequire } from 'node:module';

const { Engine } = createRequire(import.meta.url)('../../../node');

const engine = new Engine({ listen: '127.0.0.1:0', raw: { '/echo': '' }, maxMessageBytes: 2 << 20, outboxBytes: 8 << 20 });
engine.on('received', ({ connection, data }) => {
  if (data === 'kick me') engine.kick(connection, 'as you like');
  else engine.tell(connection, data);
});
engine.on('started', ({ addresses }) => console.log(`listening on http://${addresses[0]}`));
await engine.start();
