'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Engine } = require('..');
const { startEngine, heard, within, runScript, Client } = require('./helpers.js');

/** Keeps the event loop from everything else. */
function block(milliseconds) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('events come in the order in which they happened, however many there are', async (t) => {
  const { engine } = await startEngine(t);
  const offsets = [];
  engine.on('message', ({ position }) => offsets.push(position.offset));
  const last = heard(engine, 'message', ({ text }) => text === '4999');
  for (let index = 0; index < 5_000; index++) engine.broadcast('lobby', String(index));
  await last;
  assert.deepEqual(offsets, Array.from({ length: 5_000 }, (_, index) => index + 1));
});

test('a host that is slower than the events is told how many it missed, and loses none in silence', async (t) => {
  const { engine } = await startEngine(t, { eventQueueCount: 100 });
  let heardCount = 0;
  let missedCount = 0;
  engine.on('message', () => heardCount++);
  engine.on('missed', ({ count }) => (missedCount += count));
  const last = heard(engine, 'message', ({ text }) => text === 'last');
  for (let index = 0; index < 1_000; index++) engine.broadcast('lobby', 'while the loop is blocked');
  // Other events come in between, so the queue has room again only when they are taken.
  await heard(engine, 'missed');
  engine.broadcast('lobby', 'last');
  await last;
  assert.ok(missedCount >= 850, `missed ${missedCount}`);
  assert.equal(heardCount + missedCount, 1_001);
  assert.equal(engine.history('lobby', { limit: 2_000 }).length, 1_000);
});

test('clients are served while the event loop is blocked', async (t) => {
  const { engine, url } = await startEngine(t, { limits: 'load-test' });
  // A process of its own, because this one is blocked: it notes when each of its messages came back.
  const client = runScript(
    t,
    `const socket = new WebSocket(args[0]);
     const times = [];
     socket.on('open', () => { socket.send('Ann'); socket.send('hi'); });
     socket.on('message', (data) => {
       if (JSON.parse(data).type !== 'message') return;
       times.push(Date.now());
       socket.send('hi');
     });
     process.stdin.once('data', () => { console.log(JSON.stringify(times)); socket.terminate(); process.stdin.destroy(); });`,
    { args: [url] }
  );
  await heard(engine, 'message');
  const begin = Date.now();
  block(1_000);
  const end = Date.now();
  client.child.stdin.end('enough\n');
  const { stdout } = await within(client.ended, 'the client to end');
  const during = JSON.parse(stdout).filter((time) => time > begin + 200 && time < end);
  assert.ok(during.length > 10, `${during.length} messages came back while the loop was blocked`);
});

test('a throwing listener is an uncaught exception, and the events behind it still arrive', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 });
    const seen = [];
    process.on('uncaughtException', (error) => seen.push(error.message));
    engine.on('message', ({ text }) => {
      seen.push(text);
      if (text === 'two') throw new Error('from a listener');
      if (text === 'three') { console.log(JSON.stringify(seen)); engine.stop(); }
    });
    engine.start().then(() => { for (const text of ['one', 'two', 'three']) engine.broadcast('lobby', text); });
  `);
  const { code, stdout, stderr } = await within(script.ended, 'the script');
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), ['one', 'two', 'from a listener', 'three']);
});

test('a throwing listener that nobody catches ends the process as any exception does', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 });
    engine.on('started', () => { throw new Error('from a listener'); });
    engine.start();
  `);
  const { code, stderr } = await within(script.ended, 'the script');
  assert.equal(code, 1);
  assert.match(stderr, /Error: from a listener/);
});

test('an async listener that rejects is an unhandled rejection, not swallowed', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 });
    process.on('unhandledRejection', (error) => { console.log(error.message); engine.stop(); });
    engine.on('started', async () => { throw new Error('from an async listener'); });
    engine.start();
  `);
  const { code, stdout } = await within(script.ended, 'the script');
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'from an async listener\n' });
});

test('timers and sockets get their turn while events keep coming', async (t) => {
  const { engine } = await startEngine(t, { eventQueueCount: 100_000 });
  let handled = 0;
  engine.on('message', () => {
    handled++;
    block(0.2);
  });
  const last = heard(engine, 'message', ({ text }) => text === 'last');
  for (let index = 0; index < 2_000; index++) engine.broadcast('lobby', 'hi');
  engine.broadcast('lobby', 'last');
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns++;
    if (!isOver) setTimeout(turn, 0);
  };
  turn();
  await last;
  isOver = true;
  assert.equal(handled, 2_001);
  // 400 ms of work in turns of 8 ms.
  assert.ok(turns >= 10, `${turns} turns`);
});

test('an engine is an EventEmitter like any other', async (t) => {
  const { EventEmitter, once } = require('node:events');
  const engine = new Engine({ listen: 0 });
  t.after(() => engine.stop({ graceMs: 0 }));
  assert.ok(engine instanceof EventEmitter);
  const started = once(engine, 'started');
  const addresses = await engine.start();
  assert.deepEqual(await within(started, 'started'), [{ addresses }]);
  assert.deepEqual(engine.addresses, addresses);
  const client = await Client.open(`ws://${addresses[0]}`, 'Ann');
  const disconnected = heard(engine, 'disconnected');
  await client.close();
  await disconnected;
});
