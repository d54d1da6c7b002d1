'use strict';
// Which events come to JavaScript: those of kinds that somebody listens to, and no others.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { native } = require('../lib/error.js');
const { startEngine, heard, settled, within, runScript, Client } = require('./helpers.js');

/** Notes what comes over from the native half, call by call, as long as the test `t` runs. */
function crossings(t) {
  const { drain } = native.NativeEngine.prototype;
  t.after(() => (native.NativeEngine.prototype.drain = drain));
  const calls = [];
  native.NativeEngine.prototype.drain = function (limit) {
    const batch = drain.call(this, limit);
    calls.push(JSON.parse(batch).map(([kind]) => kind));
    return batch;
  };
  return calls;
}

test('no JavaScript runs for what nobody listens to', async (t) => {
  const calls = crossings(t);
  const { engine, url } = await startEngine(t);
  const ann = await Client.open(url, 'Ann');
  ann.socket.send('hi');
  for (let index = 0; index < 1_000; index++) engine.broadcast('lobby', String(index));
  await ann.says('999');
  await ann.says('hi');
  assert.equal(engine.stats().eventCount, 0);
  assert.deepEqual(calls, []);
  // The queue keeps the order: whatever had waited would come before this.
  const message = heard(engine, 'message');
  engine.broadcast('lobby', 'who listens');
  assert.equal((await message).text, 'who listens');
  await ann.close();
  assert.deepEqual(calls.flat(), ['message']);
});

test('listeners of one kind have nothing of another kind come', async (t) => {
  const calls = crossings(t);
  const { engine, url } = await startEngine(t);
  const joined = heard(engine, 'joined');
  const left = heard(engine, 'left');
  const ann = await Client.open(url, 'Ann');
  await joined;
  ann.socket.send('hi');
  await ann.says('hi');
  await ann.close();
  await left;
  assert.deepEqual(calls.flat(), ['joined', 'left']);
});

for (const add of ['on', 'addListener', 'once', 'prependListener', 'prependOnceListener']) {
  test(`what ${add} listens to comes from then on, also while the engine runs`, async (t) => {
    const { engine } = await startEngine(t);
    const texts = [];
    engine.broadcast('lobby', 'too early');
    assert.equal(engine[add]('message', ({ text }) => texts.push(text)), engine);
    engine.broadcast('lobby', 'one');
    assert.equal(engine.stats().eventCount, 1);
    await settled(() => texts, ['one'], 'what was heard');
  });
}

for (const [words, remove] of [
  ['off', (engine, listener) => engine.off('message', listener)],
  ['removeListener', (engine, listener) => engine.removeListener('message', listener)],
  ['removeAllListeners of its kind', (engine) => engine.removeAllListeners('message')],
  ['removeAllListeners', (engine) => engine.removeAllListeners()],
]) {
  test(`after ${words} one more event comes at the most, and a new listener hears again`, async (t) => {
    const calls = crossings(t);
    const { engine } = await startEngine(t);
    const texts = [];
    const listener = ({ text }) => texts.push(text);
    engine.on('message', listener);
    engine.broadcast('lobby', 'one');
    await settled(() => texts, ['one'], 'what was heard');
    remove(engine, listener);
    engine.broadcast('lobby', 'two');
    await settled(() => engine.stats().eventCount, 0, 'the events that wait');
    for (let index = 0; index < 100; index++) engine.broadcast('lobby', 'to nobody');
    assert.equal(engine.stats().eventCount, 0);
    engine.on('message', listener);
    engine.broadcast('lobby', 'three');
    await settled(() => texts, ['one', 'three'], 'what was heard');
    assert.deepEqual(calls.flat(), ['message', 'message', 'message']);
  });
}

test('a once in a once misses nothing in between', async (t) => {
  const { engine } = await startEngine(t);
  const offsets = [];
  const next = ({ position }) => {
    offsets.push(position.offset);
    engine.once('message', next);
  };
  engine.once('message', next);
  const right = Array.from({ length: 1_000 }, (_, index) => index + 1);
  for (let index = 0; index < right.length; index++) {
    engine.broadcast('lobby', 'hi');
    if (index % 100 === 0) await new Promise(setImmediate);
  }
  await settled(() => offsets, right, 'what was heard');
});

test('what raw connections send is read and forgotten while nobody listens to it', async (t) => {
  const { engine, url } = await startEngine(t, { raw: { '/raw': '' }, eventQueueCount: 16, eventQueueBytes: 65_536 });
  const client = await Client.open(`${url}/raw`);
  for (let index = 0; index < 1_000; index++) client.socket.send(Buffer.alloc(1_000));
  client.socket.ping();
  await within(new Promise((resolve) => client.socket.once('pong', resolve)), 'an answer behind them');
  assert.equal(engine.stats().eventCount, 0);
  const received = heard(engine, 'received');
  client.socket.send('now');
  assert.equal((await received).data, 'now');
});

test('an engine without listeners starts, stops and starts again, and its questions are asked', async (t) => {
  const { engine } = await startEngine(t, { admit: ({ query }) => query === 'ann' });
  for (let run = 0; run < 3; run++) {
    await Client.open(`ws://${engine.addresses[0]}/?ann`, 'Ann');
    await engine.stop({ graceMs: 0 });
    await engine.start();
  }
});

test('what is no event of the engine is no business of its', async (t) => {
  const { engine } = await startEngine(t);
  const seen = [];
  engine.on('newListener', (kind) => seen.push(kind));
  engine.on('of the host', (value) => seen.push(value));
  engine.emit('of the host', 7);
  assert.throws(() => engine.on('message', 'no function'), { code: 'ERR_INVALID_ARG_TYPE' });
  engine.broadcast('lobby', 'to nobody');
  assert.equal(engine.stats().eventCount, 0);
  assert.deepEqual(seen, ['of the host', 7]);
});

test('an error that nobody listens to is an uncaught exception, also after its listener has gone', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0, maySend: () => 'x'.repeat(1_000_000) });
    process.on('uncaughtException', ({ code }) => { console.log(code); engine.stop(); });
    const listener = () => {};
    engine.on('error', listener).off('error', listener);
    engine.start().then(([address]) => {
      const socket = new WebSocket('ws://' + address);
      socket.on('open', () => { socket.send('Ann'); socket.send('hi'); }).on('close', () => {});
    });
  `);
  const { code, stdout } = await within(script.ended, 'the script');
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'too_long\n' });
});
