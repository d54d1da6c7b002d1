'use strict';
// What a host finds out about those who read too slowly, and how many threads serve them.
const assert = require('node:assert/strict');
const { readFileSync, readdirSync } = require('node:fs');
const { test } = require('node:test');

const { Engine } = require('..');
const { startEngine, heard, settled, Client } = require('./helpers.js');

test('each broadcast to a room has one receipt, which says how many had it at once', async (t) => {
  const { engine, url } = await startEngine(t, { receipts: true, shardCount: 2 });
  const receipts = [];
  engine.on('receipt', (receipt) => receipts.push(receipt));
  const ann = await Client.open(`${url}/?room=tea`, 'Ann');
  await Client.open(`${url}/?room=tea`, 'Ben');
  await Client.open(`${url}/?room=coffee`, 'Cy');
  const last = heard(engine, 'receipt', ({ room }) => room === 'attic');
  const position = engine.broadcast('tea', 'one');
  engine.send('tea', 'dora', 'two');
  engine.broadcastAll('three');
  await ann.says('three');
  const nobodys = engine.broadcast('attic', 'four');
  await last;
  assert.deepEqual(receipts, [
    { room: 'tea', position, connectionCount: 2, sentCount: 2, queuedCount: 0, laggingCount: 0 },
    { room: 'attic', position: nobodys, connectionCount: 0, sentCount: 0, queuedCount: 0, laggingCount: 0 },
  ]);
});

test('without the option there are no receipts', async (t) => {
  const { engine } = await startEngine(t);
  engine.on('receipt', () => assert.fail('a receipt'));
  const last = heard(engine, 'message', ({ text }) => text === 'two');
  engine.broadcast('tea', 'one');
  engine.broadcast('tea', 'two');
  await last;
});

test('the figures count connections, rooms and bytes, and are refused while the engine does not run', async (t) => {
  const { engine, url } = await startEngine(t);
  // Whether `started` still waits is a matter of luck.
  const { memoryBytes, eventCount, ...before } = engine.stats();
  assert.deepEqual([typeof memoryBytes, typeof eventCount], ['number', 'number']);
  assert.deepEqual(before, {
    connectionCount: 0,
    handshakeCount: 0,
    laggingCount: 0,
    tooSlowCount: 0,
    roomCount: 0,
    receivedBytes: 0,
    sentBytes: 0,
    waitingBytes: 0,
    historyBytes: 0,
    slowest: [],
  });
  const ann = await Client.open(`${url}/?room=tea`, 'Ann');
  engine.broadcast('tea', 'x'.repeat(1_000));
  await ann.says('x'.repeat(1_000));
  const { connectionCount, roomCount, historyBytes, receivedBytes, sentBytes } = engine.stats();
  assert.deepEqual({ connectionCount, roomCount }, { connectionCount: 1, roomCount: 1 });
  assert.ok(historyBytes > 1_000 && receivedBytes > 0 && sentBytes > 0);
  await engine.stop({ graceMs: 0 });
  assert.throws(() => engine.stats(), { code: 'not_running' });
});

test('who reads too slowly lags, is named by the figures, and is caught up', async (t) => {
  const { engine, url } = await startEngine(t, { receipts: true, lagBytes: 1_024, history: 0, deflate: false });
  const slow = await Client.open(url, 'Slow');
  const [{ connection }] = engine.members('lobby');
  slow.socket.pause();
  let count = 0;
  let receipt;
  do {
    const told = heard(engine, 'receipt');
    engine.broadcast('lobby', `${count++} ${'x'.repeat(16_000)}`);
    receipt = await told;
    assert.equal(receipt.sentCount + receipt.queuedCount + receipt.laggingCount, 1);
  } while (receipt.laggingCount === 0);
  await settled(() => engine.stats().slowest.map((one) => one.connection), [connection], 'the slowest');
  const [{ waitingBytes, laggingMs }] = engine.stats().slowest;
  assert.ok(waitingBytes > 0 && laggingMs >= 0);
  await settled(() => engine.stats().laggingCount, 1, 'the lagging');
  slow.socket.resume();
  const texts = () => slow.received.filter(({ type }) => type === 'message').map(({ data }) => parseInt(data.text, 10));
  await settled(() => texts().length, count, 'what it was shown');
  assert.deepEqual(texts(), Array.from({ length: count }, (_, index) => index));
  await settled(() => engine.stats().laggingCount, 0, 'the lagging');
});

test('an engine has one thread, or as many as shardCount says', { skip: process.platform !== 'linux' }, async (t) => {
  const threads = () => {
    const names = readdirSync('/proc/self/task').map((task) => {
      try {
        return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
      } catch {
        return ''; // It has just ended.
      }
    });
    return names.filter((name) => /^klatsch(-\d+)?$/.test(name)).sort();
  };
  for (const [options, right] of [
    [{}, ['klatsch']],
    [{ shardCount: 0 }, ['klatsch']],
    [{ shardCount: 3 }, ['klatsch', 'klatsch-1', 'klatsch-2']],
  ]) {
    const engine = new Engine({ listen: 0, ...options });
    t.after(() => engine.stop({ graceMs: 0 }));
    await engine.start();
    await settled(threads, right, 'the threads');
    await engine.stop({ graceMs: 0 });
    await settled(threads, [], 'the threads');
  }
});
