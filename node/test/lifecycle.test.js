'use strict';
const assert = require('node:assert/strict');
const { readdirSync, readlinkSync } = require('node:fs');
const { test } = require('node:test');

const { Engine } = require('..');
const { startEngine, heard, settled, within, runScript, Client } = require('./helpers.js');

const EXIT_MS = 5_000;

test('stop closes every connection, tells stopped last, and start works again', async (t) => {
  const { engine, url } = await startEngine(t);
  const story = [];
  for (const kind of ['started', 'disconnected', 'left', 'stopped']) engine.on(kind, () => story.push(kind));
  const ann = await Client.open(url, 'Ann');
  story.length = 0;
  await engine.stop();
  assert.deepEqual(story, ['left', 'disconnected', 'stopped']);
  assert.equal((await within(ann.closed, 'the close')).code, 1001);
  assert.deepEqual(engine.addresses, []);
  assert.throws(() => engine.rooms(), { code: 'not_running' });
  const [address] = await engine.start();
  const ben = await Client.open(`ws://${address}`, 'Ben');
  ben.socket.send('again');
  await ben.says('again');
});

test('a second stop is the same promise, and stopping what does not run is no error', async () => {
  const engine = new Engine({ listen: 0 });
  await engine.stop();
  await engine.start();
  const first = engine.stop();
  assert.equal(engine.stop({ graceMs: 0 }), first);
  await first;
  assert.equal(engine.stop(), first);
  await assert.rejects(engine.stop({ grace: 5 }), { code: 'invalid_argument' });
  await assert.rejects(engine.stop({ graceMs: -1 }), { code: 'invalid_argument' });
  await assert.rejects(engine.stop({ graceMs: '5' }), { code: 'invalid_argument' });
});

test('stop may be called in a listener, and start in the one of stopped', async (t) => {
  const { engine } = await startEngine(t);
  let restarted;
  const again = new Promise((resolve) => (restarted = resolve));
  engine.once('stopped', () => restarted(engine.start()));
  engine.once('message', () => engine.stop({ graceMs: 0 }));
  engine.broadcast('lobby', 'stop now');
  const [address] = await within(again, 'the second start');
  assert.deepEqual(engine.addresses, [address]);
});

test('start says what is wrong', async (t) => {
  const { engine, url } = await startEngine(t);
  await assert.rejects(engine.start(), { name: 'KlatschError', code: 'already_running' });
  const other = new Engine({ listen: url.slice('ws://'.length) });
  await assert.rejects(other.start(), { code: 'cannot_listen', number: 302 });
  const stopping = engine.stop();
  await assert.rejects(engine.start(), { code: 'already_running' });
  await stopping;
  await other.start();
  await other.stop();
});

test('several engines in one process know nothing of one another', async (t) => {
  const engines = await Promise.all([0, 1, 2].map(() => startEngine(t)));
  const clients = await Promise.all(engines.map(({ url }, index) => Client.open(url, `N${index}`)));
  engines.forEach(({ engine }, index) => engine.broadcast('lobby', `to ${index}`));
  for (const [index, client] of clients.entries()) {
    await client.says(`to ${index}`);
    assert.equal(client.received.filter(({ type }) => type === 'message').length, 1);
  }
  await engines[0].engine.stop({ graceMs: 0 });
  engines[1].engine.broadcast('lobby', 'still here');
  await clients[1].says('still here');
});

test('a signal that is aborted stops the engine; one that was aborted keeps it from starting', async (t) => {
  const controller = new AbortController();
  const { engine } = await startEngine(t, { signal: controller.signal });
  const stopped = heard(engine, 'stopped');
  controller.abort(new Error('enough'));
  await stopped;
  await assert.rejects(engine.start(), { message: 'enough' });
});

test('an engine can be disposed of', async () => {
  const engine = new Engine({ listen: 0 });
  await engine.start();
  await engine[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
  assert.deepEqual(engine.addresses, []);
});

test('fifty starts and stops leave no descriptor and no thread behind', { skip: process.platform !== 'linux' }, async () => {
  const engine = new Engine({ listen: 0 });
  const counts = () => ({
    descriptors: readdirSync('/proc/self/fd').filter((name) => {
      // The listing's own descriptor is gone again.
      try {
        return readlinkSync(`/proc/self/fd/${name}`) !== '';
      } catch {
        return false;
      }
    }).length,
    threads: readdirSync('/proc/self/task').length,
  });
  await engine.start();
  await engine.stop();
  const before = counts();
  for (let index = 0; index < 50; index++) {
    const [address] = await engine.start();
    const client = await Client.open(`ws://${address}`, 'Ann');
    await engine.stop();
    await within(client.closed, 'the close');
  }
  await settled(counts, before, 'what is open');
});

test('a running engine keeps the process alive until it is stopped', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 });
    engine.start().then(() => console.log('running'));
    process.stdin.once('data', () => engine.stop().then(() => console.log('stopped')));
    process.stdin.unref();
    process.on('beforeExit', () => console.log('beforeExit'));
  `);
  await script.printed(/running/);
  const tooSoon = await Promise.race([script.ended, new Promise((resolve) => setTimeout(resolve, 300, 'alive'))]);
  assert.equal(tooSoon, 'alive');
  script.child.stdin.end('stop\n');
  const { code, stdout } = await within(script.ended, 'the process to end', EXIT_MS);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'running\nstopped\nbeforeExit\n' });
});

test('an idle engine that was unrefed lets the process end', async (t) => {
  for (const when of ['engine.unref(); engine.start()', 'engine.start().then(() => engine.unref())']) {
    const script = runScript(t, `const engine = new klatsch.Engine({ listen: 0 }); ${when};`);
    const { code, signal, stderr } = await within(script.ended, 'the process to end', EXIT_MS);
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, when);
  }
});

test('the process waits for a stop that was asked for, though the engine was unrefed', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 }).unref();
    engine.start().then(() => engine.stop()).then(() => console.log('stopped'));
  `);
  const { code, stdout } = await within(script.ended, 'the process to end', EXIT_MS);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'stopped\n' });
});

test('an engine that never started, or was forgotten, does not keep the process alive', async (t) => {
  const script = runScript(t, `new klatsch.Engine({ listen: 0 }); new klatsch.Engine({ listen: 0 }).stop();`);
  assert.equal((await within(script.ended, 'the process to end', EXIT_MS)).code, 0);
});

test('process.exit with events waiting and clients connected ends with its code, every time', async (t) => {
  const runs = Array.from({ length: 20 }, async () => {
    const script = runScript(t, `
      const engine = new klatsch.Engine({ listen: 0 });
      engine.on('message', () => {});
      engine.start().then(([address]) => {
        const socket = new WebSocket('ws://' + address);
        socket.on('open', () => {
          socket.send('Ann');
          for (let index = 0; index < 5000; index++) engine.broadcast('lobby', 'hi');
          process.exit(7);
        });
      });
    `);
    const { code, signal, stderr } = await within(script.ended, 'the process to end');
    assert.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
  });
  await Promise.all(runs);
});

test('the clients of a process that exits are told that it goes', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0 });
    engine.on('message', () => process.exit(0));
    engine.start().then(([address]) => console.log(address));
  `);
  const [address] = await script.printed(/\S+:\d+(?=\n)/);
  const ann = await Client.open(`ws://${address}`, 'Ann');
  ann.socket.send('go');
  assert.equal((await within(ann.closed, 'the close')).code, 1001);
});
