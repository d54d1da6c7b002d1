'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const tls = require('node:tls');

const WebSocket = require('ws');

const { Engine } = require('..');
const { startEngine, heard, within, Client } = require('./helpers.js');
const { key, cert } = require('./certificate.js');

/** Starts a server of the host's own, with the engine behind its upgrades. */
async function attached(t, { engineOptions = {}, attachOptions, where = [0, '127.0.0.1'] } = {}) {
  const engine = new Engine({ adoptOnly: true, ...engineOptions });
  t.after(() => engine.stop({ graceMs: 0 }));
  await engine.start();
  const server = http.createServer((request, response) => response.end(`page ${request.url}`));
  t.after(() => server.close());
  const detach = engine.attach(server, attachOptions);
  server.listen(...where);
  await once(server, 'listening');
  const { port } = server.address();
  return { engine, server, detach, port, url: `ws://127.0.0.1:${port}`, page: `http://127.0.0.1:${port}` };
}

/** Sends bytes and gives the whole answer, which ends with the connection. */
async function answerTo(socket, text) {
  let answer = '';
  socket.setEncoding('latin1').on('data', (data) => (answer += data));
  socket.write(text);
  await within(once(socket, 'close'), 'the connection to close');
  return answer;
}

const upgrade = (path = '/') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

test("the engine chats on the port of the host's own HTTP server, which goes on serving pages", async (t) => {
  const { engine, url, page } = await attached(t);
  const joined = heard(engine, 'joined');
  const ann = await Client.open(`${url}/?room=tea`, 'Ann');
  assert.equal((await joined).room, 'tea');
  const ben = await Client.open(`${url}/?room=tea`, 'Ben');
  assert.equal(await (await fetch(`${page}/x`)).text(), 'page /x');
  ann.socket.send('hi');
  assert.equal((await ben.says('hi')).author, 'Ann');
  assert.equal(await (await fetch(page)).text(), 'page /');
  const gone = heard(engine, 'disconnected');
  assert.equal((await ann.close()).code, 1005);
  await gone;
});

test('what the client sent right behind its request is not lost', async (t) => {
  const { engine, port } = await attached(t, { engineOptions: { raw: { '/echo': '' } } });
  engine.on('received', ({ connection, data }) => engine.tell(connection, `${data}!`));
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  // A masked text frame "hi" in the same segment.
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  socket.write(Buffer.concat([Buffer.from(upgrade('/echo')), frame]));
  const chunks = [];
  const answered = new Promise((resolve) => {
    socket.on('data', (data) => {
      chunks.push(data);
      if (Buffer.concat(chunks).includes('hi!')) resolve();
    });
  });
  await within(answered, 'the echo');
  assert.match(String(Buffer.concat(chunks)), /^HTTP\/1\.1 101 /);
});

test('server.close does not wait for connections that were taken over, and they live on', async (t) => {
  const { engine, server, url } = await attached(t);
  const ann = await Client.open(url, 'Ann');
  assert.equal(await new Promise((resolve) => server.getConnections((_, count) => resolve(count))), 0);
  await within(new Promise((resolve) => server.close(resolve)), 'the server to close');
  engine.broadcast('lobby', 'still here');
  await ann.says('still here');
});

test('a Unix socket is taken over too', { skip: process.platform === 'win32' }, async (t) => {
  const path = join(tmpdir(), `klatsch-${process.pid}.sock`);
  const { engine } = await attached(t, { where: [path] });
  const connected = heard(engine, 'connected');
  const ann = await Client.open(`ws+unix:${path}:/?room=tea`, 'Ann');
  assert.equal((await connected).address, null);
  ann.socket.send('hi');
  await ann.says('hi');
});

test('with a path the engine takes that path only, and other listeners get the others', async (t) => {
  const { engine, server, url } = await attached(t, {
    engineOptions: { path: '/chat' },
    attachOptions: { path: '/chat' },
  });
  const own = new WebSocket.Server({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/own') own.handleUpgrade(request, socket, head, (client) => client.send('"from ws"'));
  });
  const ann = await Client.open(`${url}/chat?room=tea`, 'Ann');
  const other = await Client.open(`${url}/own`);
  assert.equal(await other.until((message) => message === 'from ws'), 'from ws');
  engine.broadcast('tea', 'hi');
  await ann.says('hi');
  other.socket.terminate();
});

test('a path that nobody serves is answered 404', async (t) => {
  const { port } = await attached(t, { engineOptions: { path: '/chat' }, attachOptions: { path: '/chat' } });
  assert.match(await answerTo(net.connect(port, '127.0.0.1'), upgrade('/nowhere')), /^HTTP\/1\.1 404 .*no WebSocket at \/nowhere/s);
});

test('the engine answers what is no right request itself', async (t) => {
  const { port } = await attached(t);
  const request = upgrade().replace('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 12');
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: false });
  assert.match(await answerTo(socket, request), /^HTTP\/1\.1 426 /);
});

test('two engines share a server by path', async (t) => {
  const { server, url } = await attached(t, { engineOptions: { path: '/a' }, attachOptions: { path: '/a' } });
  const second = new Engine({ adoptOnly: true, path: '/b' });
  t.after(() => second.stop({ graceMs: 0 }));
  await second.start();
  second.attach(server, { path: '/b' });
  await Client.open(`${url}/a`, 'Ann');
  const joined = heard(second, 'joined');
  await Client.open(`${url}/b`, 'Ben');
  assert.equal((await joined).name, 'Ben');
});

test('while the engine does not run, upgrades are answered 503 and told', async (t) => {
  const { engine, port, url } = await attached(t);
  await engine.stop();
  const refused = heard(engine, 'refused');
  assert.match(await answerTo(net.connect(port, '127.0.0.1'), upgrade()), /^HTTP\/1\.1 503 /);
  const { error, address } = await refused;
  assert.equal(error.code, 'not_running');
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  await engine.start();
  await Client.open(url, 'Ann');
});

test('after detaching nothing is taken', async (t) => {
  const { engine, server, detach, url } = await attached(t);
  const ann = await Client.open(url, 'Ann');
  detach();
  detach();
  assert.equal(server.listenerCount('upgrade'), 0);
  // Without a listener Node treats an upgrade as any request.
  const socket = new WebSocket(url);
  socket.on('error', () => {});
  const [, response] = await within(once(socket, 'unexpected-response'), 'an answer');
  assert.equal(response.statusCode, 200);
  socket.terminate();
  engine.broadcast('lobby', 'still here');
  await ann.says('still here');
});

test('an https.Server is refused with what to do', async (t) => {
  const { engine } = await startEngine(t);
  const server = https.createServer({ key, cert });
  assert.throws(() => engine.attach(server), { name: 'KlatschError', code: 'cannot_adopt', message: /end TLS in front/ });
  assert.equal(server.listenerCount('upgrade'), 0);
});

test('a TLS socket that comes to an http.Server is answered 501 inside TLS, and told', async (t) => {
  const { engine, server } = await attached(t);
  const front = tls.createServer({ key, cert }, (socket) => server.emit('connection', socket));
  t.after(() => front.close());
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const refused = heard(engine, 'refused');
  const socket = tls.connect({ port: front.address().port, host: '127.0.0.1', rejectUnauthorized: false });
  assert.match(await answerTo(socket, upgrade()), /^HTTP\/1\.1 501 .*TLS/s);
  assert.equal((await refused).error.code, 'cannot_adopt');
});

test('five hundred connections come and go through a server without a descriptor left', { skip: process.platform !== 'linux' }, async (t) => {
  const { engine, url } = await attached(t, { engineOptions: { limits: 'load-test' } });
  const { readdirSync } = require('node:fs');
  const count = () => readdirSync('/proc/self/fd').length;
  const gone = async () => {
    const client = await Client.open(url, 'Ann');
    const { connection } = engine.members('lobby').at(-1);
    const disconnected = heard(engine, 'disconnected', (event) => event.connection === connection);
    await client.close();
    await disconnected;
  };
  for (let index = 0; index < 5; index++) await gone();
  const before = count();
  for (let index = 0; index < 500; index++) await gone();
  assert.ok(count() <= before + 1, `${before} descriptors before, ${count()} after`);
});
