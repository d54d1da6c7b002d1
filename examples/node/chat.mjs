// A chat server in one screenful: rooms, history and who is here, in your own program.
// Run it: npm install && node chat.mjs [ADDRESS:PORT], then open the address it prints.

import { Engine } from 'klatsch';

const engine = new Engine({ listen: process.argv[2] ?? '127.0.0.1:1337' });

engine.on('started', ({ addresses }) => {
  console.log(`listening on http://${addresses[0]}`);
});

engine.on('joined', ({ room, name, memberCount }) => {
  console.log(`+ ${name} joined ${room} (${memberCount} here)`);
  engine.broadcast(room, `Welcome, ${name}!`);
});

engine.on('left', ({ room, name, memberCount }) => {
  console.log(`- ${name} left ${room} (${memberCount} here)`);
});

engine.on('message', ({ room, name, text }) => {
  console.log(`${room} ${name}: ${text}`);
});

engine.on('missed', ({ count }) => {
  console.error(`${count} events were missed`);
});

engine.on('error', (error) => {
  console.error(`error: ${error.message}`);
});

engine.on('stopped', () => {
  console.log('stopped');
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => engine.stop({ graceMs: 5000 }));
}

try {
  await engine.start();
} catch (error) {
  console.error(`cannot start: ${error.message}`);
  process.exitCode = 1;
}
