'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readdirSync } = require('node:fs');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');

const { Engine } = require('..');
const { startEngine, settled, within, Client } = require('./helpers.js');

/** An engine in a worker that talks to itself until it is ended. */
const SOURCE = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { Engine } = require(workerData.klatsch);
  const engine = new Engine({ listen: 0, limits: 'load-test' });
  engine.on('message', ({ text }) => text.length);
  engine.start().then(([address]) => {
    const talk = () => {
      for (let index = 0; index < 200; index++) engine.broadcast('lobby', 'hi');
      setImmediate(talk);
    };
    talk();
    parentPort.postMessage(address);
  });
`;

async function startWorker() {
  const worker = new Worker(SOURCE, { eval: true, workerData: { klatsch: require.resolve('..') } });
  const [address] = await within(once(worker, 'message'), 'the worker to start');
  return { worker, url: `ws://${address}` };
}

test('workers that are terminated under traffic leave no thread and harm nobody', async (t) => {
  const { engine, url } = await startEngine(t);
  // Inflating is done by threads of Node's own, which would be counted below.
  const plain = { perMessageDeflate: false };
  const own = await Client.open(url, 'Own', plain);
  // The first worker brings threads that stay with the process.
  await (await startWorker()).worker.terminate();
  const threads = () => readdirSync('/proc/self/task').length;
  const before = process.platform === 'linux' ? threads() : 0;
  for (let round = 0; round < 5; round++) {
    const started = await Promise.all(Array.from({ length: 4 }, startWorker));
    const clients = await Promise.all(started.map(({ url }, index) => Client.open(url, `N${index}`, plain)));
    await Promise.all(clients.map((client) => client.says('hi')));
    await Promise.all(started.map(({ worker }) => worker.terminate()));
    // Nothing of theirs is left that could hold the address.
    for (const { url } of started) {
      const successor = new Engine({ listen: url.slice('ws://'.length) });
      await successor.start();
      await successor.stop();
    }
    for (const client of clients) await within(client.closed, 'a connection of a terminated worker to close');
  }
  if (process.platform === 'linux') await settled(threads, before, 'the number of threads');
  engine.broadcast('lobby', 'still here');
  await own.says('still here');
});

test('a worker whose engine is stopped ends by itself', async () => {
  const source = `
    const { workerData } = require('node:worker_threads');
    const { Engine } = require(workerData.klatsch);
    const engine = new Engine({ listen: 0 });
    engine.start().then(() => engine.stop());
  `;
  const worker = new Worker(source, { eval: true, workerData: { klatsch: require.resolve('..') } });
  assert.deepEqual(await within(once(worker, 'exit'), 'the worker to end'), [0]);
});
