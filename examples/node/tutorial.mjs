// The classic "Node.js & WebSocket: simple chat" tutorial's server, with the engine in place of its own logic.
// Run it: npm install && node tutorial.mjs [PORT], then open http://127.0.0.1:1337 in two windows.

import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Engine } from 'klatsch';

process.title = 'node-chat';

const port = Number(process.argv[2] ?? 1337);
const frontend = fileURLToPath(new URL('frontend/', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

const log = (words) => console.log(`${new Date()} ${words}`);

// The page is ours to serve, on the same port.
const server = createServer((request, response) => {
  const name = request.url === '/' ? 'index.html' : request.url.slice(1);
  const type = types[extname(name)];
  // One folder, plain names: nothing else can be asked for.
  if (request.method !== 'GET' || type === undefined || !/^[a-z-]+\.[a-z]+$/.test(name)) {
    response.writeHead(404).end();
    return;
  }
  const file = createReadStream(join(frontend, name));
  file.once('open', () => response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }));
  file.once('error', () => !response.headersSent && response.writeHead(404).end());
  pipeline(file, response, () => {});
});

// Colours, history, escaping and who is who: the tutorial's chat, without a line of it here.
const engine = new Engine({ adoptOnly: true });
const addresses = new Map();

engine.on('connected', ({ connection, address }) => {
  addresses.set(connection, address);
  log(`Connection accepted from ${address}.`);
});
engine.on('named', ({ name, color }) => log(`User is known as: ${name} with ${color} color.`));
engine.on('message', ({ name, text }) => log(`Received Message from ${name}: ${text}`));
engine.on('disconnected', ({ connection }) => {
  log(`Peer ${addresses.get(connection)} disconnected.`);
  addresses.delete(connection);
});
engine.on('refused', ({ address, error }) => log(`Connection from ${address} refused: ${error.message}`));
engine.on('error', (error) => log(`Error: ${error.message}`));

await engine.start();
engine.attach(server);
server.listen(port, '127.0.0.1', () => {
  log(`Server is listening on port ${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close();
    engine.stop({ graceMs: 5000 });
  });
}
