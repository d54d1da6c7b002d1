'use strict';
// The WebSocket that Node 20 lacks, over the native client, against the engine and against what breaks.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readdirSync } = require('node:fs');
const net = require('node:net');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');

const { WebSocketServer } = require('ws');

const { WebSocket } = require('../lib/websocket.js');
const { startEngine, heard, settled, within, runScript } = require('./helpers.js');

/** Where it is, for scripts of their own. */
const PATH = JSON.stringify(require.resolve('../lib/websocket.js'));

/** The next event of that kind. */
const event = (socket, kind) =>
  within(new Promise((resolve) => socket.addEventListener(kind, resolve, { once: true })), `the event ${kind}`);

/** An engine that says everything back on the raw path /echo. */
async function startEcho(t) {
  const { engine, url } = await startEngine(t, { raw: { '/echo': 'echo.v1' } });
  engine.on('received', ({ connection, data }) => engine.tell(connection, data));
  return { engine, url: `${url}/echo` };
}

async function open(url, protocols) {
  const socket = new WebSocket(url, protocols);
  await event(socket, 'open');
  return socket;
}

test('texts and bytes go there and come back, whole and in order', async (t) => {
  const { url } = await startEcho(t);
  const socket = await open(url.replace('ws:', 'http:'), ['other', 'echo.v1']);
  assert.deepEqual([socket.url, socket.protocol, socket.readyState, socket.binaryType], [url, 'echo.v1', 1, 'arraybuffer']);
  const sent = ['hi', '', '👀 "x"\n', 'x'.repeat(10_000), Uint8Array.of(0, 255, 7), Uint8Array.of(1, 2, 3, 4).subarray(1, 3)];
  const received = [];
  const all = new Promise((resolve) => {
    socket.onmessage = ({ data }) => received.push(data) === sent.length && resolve();
  });
  for (const data of sent) socket.send(data);
  await within(all, 'the echoes');
  const readable = (data) => (typeof data === 'string' ? data : [...new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength)]);
  assert.deepEqual(received.map(readable), sent.map(readable));
  assert.ok(received[4] instanceof ArrayBuffer);
  socket.close(1000, 'good night');
  const { code, reason, wasClean } = await event(socket, 'close');
  assert.deepEqual([code, wasClean, socket.readyState], [1000, true, 3]);
  assert.equal(typeof reason, 'string');
});

test('code and reason go to the server and come from it', async (t) => {
  const { engine, url } = await startEcho(t);
  const mine = await open(url, 'echo.v1');
  const gone = heard(engine, 'disconnected');
  mine.close(4321, 'bye');
  assert.equal((await gone).code, 4321);
  const connected = heard(engine, 'connected');
  const theirs = await open(url, 'echo.v1');
  engine.kick((await connected).connection, 'too loud');
  const { code, reason, wasClean } = await event(theirs, 'close');
  assert.deepEqual([code, reason, wasClean], [1008, 'too loud', true]);
});

test('a server that is not there, or is none, is an error and a close with 1006', async (t) => {
  const silent = net.createServer((socket) => socket.end('no HTTP\r\n\r\n'));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address();
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port: nowhere } = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  for (const url of [`ws://127.0.0.1:${port}/`, `ws://127.0.0.1:${nowhere}/`]) {
    const socket = new WebSocket(url);
    const kinds = [];
    socket.onopen = socket.onerror = ({ type }) => kinds.push(type);
    const { code, wasClean } = await event(socket, 'close');
    assert.deepEqual([code, wasClean, kinds], [1006, false, ['error']]);
  }
});

test('one that is closed before it is open is given up at once', async (t) => {
  const deaf = net.createServer(() => {}); // takes the connection and says nothing
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  t.after(() => deaf.close());
  const connected = once(deaf, 'connection');
  const socket = new WebSocket(`ws://127.0.0.1:${deaf.address().port}/`);
  const [peer] = await connected;
  t.after(() => peer.destroy());
  assert.throws(() => socket.send('x'), { name: 'InvalidStateError' });
  socket.close();
  assert.equal(socket.readyState, 2);
  assert.equal((await event(socket, 'close')).code, 1006);
});

test('a line that breaks is told as 1006, and what is sent then is nothing', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  t.after(() => server.close());
  const connection = once(server, 'connection');
  const socket = await open(`ws://127.0.0.1:${server.address().port}/`);
  (await connection)[0].terminate();
  assert.equal((await event(socket, 'close')).code, 1006);
  socket.send('x');
  socket.close();
  assert.equal(socket.bufferedAmount, 0);
});

test('what the network has not taken is counted', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, maxPayload: 1 << 27 });
  await once(server, 'listening');
  t.after(() => server.close());
  const connection = once(server, 'connection');
  const socket = await open(`ws://127.0.0.1:${server.address().port}/`);
  const [peer] = await connection;
  peer.pause();
  const block = new Uint8Array(1 << 20);
  for (let at = 0; at < 32; at++) socket.send(block);
  assert.ok(socket.bufferedAmount > 0);
  peer.resume();
  await settled(() => socket.bufferedAmount, 0, 'bufferedAmount');
  socket.close();
  await event(socket, 'close');
});

test('a flood that is read slowly comes whole', async (t) => {
  const { engine, url } = await startEcho(t);
  const connected = heard(engine, 'connected');
  const socket = await open(url, 'echo.v1');
  const { connection } = await connected;
  let count = 0;
  const all = new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      assert.equal(data, String(count++));
      if (count === 3000) resolve();
    };
  });
  for (let at = 0; at < 3000; at++) engine.tell(connection, String(at));
  await within(all, 'the flood');
  socket.close();
  await event(socket, 'close');
});

test('what is no address, no subprotocol, no code and no reason is refused as browsers do', async (t) => {
  for (const url of ['nonsense', 'ftp://x/', 'ws://x/#fragment']) assert.throws(() => new WebSocket(url), { name: 'SyntaxError' });
  for (const protocols of [['a', 'a'], 'a b', ['']]) assert.throws(() => new WebSocket('ws://127.0.0.1:1/', protocols), { name: 'SyntaxError' });
  const { url } = await startEcho(t);
  const socket = await open(url, 'echo.v1');
  for (const code of [999, 1001, 1006, 2999, 5000]) assert.throws(() => socket.close(code), { name: 'InvalidAccessError' });
  assert.throws(() => socket.close(1000, 'x'.repeat(124)), { name: 'SyntaxError' });
  socket.close();
  await event(socket, 'close');
});

test('a handler is one listener, replaced by the next and taken away by null', async (t) => {
  const { url } = await startEcho(t);
  const socket = await open(url, 'echo.v1');
  const calls = [];
  const first = () => calls.push('first');
  socket.onmessage = first;
  assert.equal(socket.onmessage, first);
  socket.onmessage = () => calls.push('second');
  socket.addEventListener('message', () => calls.push('listener'));
  socket.send('x');
  await event(socket, 'message');
  socket.onmessage = null;
  assert.equal(socket.onmessage, null);
  socket.send('x');
  await event(socket, 'message');
  assert.deepEqual(calls, ['second', 'listener', 'listener']);
  socket.close();
  await event(socket, 'close');
});

test('an open one keeps the process alive, and a closed one lets it end', async (t) => {
  const { engine, url } = await startEcho(t);
  const connected = heard(engine, 'connected');
  const script = runScript(t, `
    const socket = new (require(${PATH}).WebSocket)(args[0], 'echo.v1');
    socket.onmessage = () => { socket.close(); socket.onclose = () => console.log('closed'); };
    socket.onopen = () => console.log('open');
  `, { args: [url] });
  const { connection } = await connected;
  await script.printed(/open/);
  engine.tell(connection, 'now');
  const { code, stdout } = await within(script.ended, 'the process to end');
  assert.deepEqual([code, stdout], [0, 'open\nclosed\n']);
});

test('a process may exit while one is open, and a worker may be ended', { skip: process.platform !== 'linux' }, async (t) => {
  const { engine, url } = await startEcho(t);
  const left = runScript(t, `
    new (require(${PATH}).WebSocket)(args[0], 'echo.v1').onopen = () => process.exit(7);
  `, { args: [url] });
  assert.equal((await within(left.ended, 'the process to end')).code, 7);

  // Loaded here too, so that ending the worker unloads nothing.
  const own = await open(url, 'echo.v1');
  const threads = () => readdirSync('/proc/self/task').length;
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { WebSocket } = require(${PATH});
    const socket = new WebSocket(workerData, 'echo.v1');
    socket.onopen = () => { parentPort.postMessage('open'); setInterval(() => socket.send('x'), 1); };
  `;
  const start = async () => {
    const worker = new Worker(source, { eval: true, workerData: url });
    await within(once(worker, 'message'), 'the worker');
    return worker;
  };
  await (await start()).terminate();
  const before = threads();
  for (let round = 0; round < 5; round++) {
    const gone = heard(engine, 'disconnected');
    await (await start()).terminate();
    await gone;
  }
  await settled(threads, before, 'the number of threads');
  own.close();
  await event(own, 'close');
});
