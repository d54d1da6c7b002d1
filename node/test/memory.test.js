'use strict';
// Run with --expose-gc.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Engine } = require('..');
const { startEngine, heard, within } = require('./helpers.js');

const MIB = 1024 * 1024;

async function collected() {
  for (let index = 0; index < 3; index++) {
    global.gc();
    await new Promise(setImmediate);
  }
  return process.memoryUsage();
}

test('a hundred thousand messages leave the heap as it was', async (t) => {
  const { engine } = await startEngine(t);
  let handled = 0;
  engine.on('message', () => handled++);
  const send = async (count) => {
    for (let batch = 0; batch < count / 1_000; batch++) {
      const last = heard(engine, 'message', ({ text }) => text === 'last');
      for (let index = 0; index < 999; index++) engine.broadcast('lobby', 'a message of ordinary length');
      engine.broadcast('lobby', 'last');
      await last;
    }
  };
  await send(20_000);
  const before = await collected();
  await send(100_000);
  const after = await collected();
  assert.equal(handled, 120_000);
  assert.ok(after.heapUsed < before.heapUsed + MIB, `${before.heapUsed} bytes before, ${after.heapUsed} after`);
  assert.ok(after.rss < before.rss + 16 * MIB, `${before.rss} bytes resident before, ${after.rss} after`);
});

test('a blocked event loop costs bounded memory, however much happens', async (t) => {
  const { engine } = await startEngine(t, { historyKept: 100 });
  engine.on('message', () => {});
  const text = 'x'.repeat(1_000);
  for (let index = 0; index < 20_000; index++) engine.broadcast('lobby', text);
  const before = await collected();
  // Those that the queue of 8,192 does not hold.
  const missed = heard(engine, 'missed', ({ count }) => count > 150_000);
  // Two hundred megabytes, and no turn of the loop in which one event could be taken.
  for (let index = 0; index < 200_000; index++) engine.broadcast('lobby', text);
  const { rss } = process.memoryUsage();
  assert.ok(rss < before.rss + 64 * MIB, `${before.rss} bytes resident before, ${rss} while blocked`);
  await missed;
});

test('engines that nobody holds are collected: never started, failed, or stopped', async (t) => {
  const { url } = await startEngine(t);
  let collectedCount = 0;
  const registry = new FinalizationRegistry(() => collectedCount++);
  const signal = new AbortController().signal;
  const use = async () => {
    const idle = new Engine({ listen: 0, signal });
    idle.on('message', () => idle);
    registry.register(idle);
    const failed = new Engine({ listen: url.slice('ws://'.length) });
    failed.on('message', () => failed);
    registry.register(failed);
    await assert.rejects(failed.start());
    const stopped = new Engine({ listen: 0, signal });
    stopped.on('message', () => stopped);
    registry.register(stopped);
    await stopped.start();
    await stopped.stop();
  };
  for (let index = 0; index < 20; index++) await use();
  const all = async () => {
    // All but what the last round's stack may still show.
    while (collectedCount < 57) await collected();
  };
  await within(all(), 'the engines to be collected');
});

test('a running engine is not collected, though nobody holds it', async (t) => {
  const heardAll = new Promise((resolve) => {
    let engine = new Engine({ listen: 0 });
    // Holds the engine no more strongly than this test's end needs.
    const held = new WeakRef(engine);
    t.after(() => held.deref()?.stop({ graceMs: 0 }));
    engine.on('joined', ({ name }) => resolve(name));
    engine.start().then(([address]) => {
      engine = null;
      void collected().then(() => {
        const WebSocket = require('ws');
        const socket = new WebSocket(`ws://${address}`);
        socket.on('open', () => socket.send('Ann'));
        t.after(() => socket.terminate());
      });
    });
  });
  assert.equal(await within(heardAll, 'the event of a forgotten engine'), 'Ann');
});
