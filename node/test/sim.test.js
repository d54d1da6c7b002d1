'use strict';
// The simulator's face for JavaScript: sockets like the browser's, a clock, and lines that break.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Sim } = require('../sim.js');

/** A tutorial client that remembers what it was told. */
function join(sim, name, path = '/?room=lobby') {
  const socket = new sim.WebSocket(`ws://localhost${path}`);
  const client = { socket, said: [], codes: [] };
  socket.onopen = () => socket.send(name);
  socket.onmessage = ({ data }) => {
    const { type, data: message } = JSON.parse(data);
    if (type === 'message') client.said.push(message.text);
    if (type === 'history') client.said.push(...message.map(({ text }) => text));
  };
  socket.onclose = ({ code }) => client.codes.push(code);
  return client;
}

test('a conversation goes on over a cut line and a hung one, in virtual time', async () => {
  const sim = new Sim({ seed: 7, options: { messageRate: 0 } });
  const [ann, bob] = [join(sim, 'Ann'), join(sim, 'Bob')];
  await sim.advance(1_000);
  assert.equal(sim.members('lobby').length, 2);
  ann.socket.send('one');
  await sim.advance(100);
  sim.cut(bob.socket);
  await sim.advance(1_000);
  assert.deepEqual([bob.codes, sim.members('lobby').length], [[1006], 1]);
  ann.socket.send('two');
  await sim.advance(100);
  const back = join(sim, 'Bob');
  await sim.advance(1_000);
  assert.deepEqual([bob.said, back.said, ann.said], [['one'], ['one', 'two'], ['one', 'two']]);
  sim.hang(back.socket);
  await sim.advance(200_000);
  assert.equal(sim.members('lobby').length, 1);
  assert.deepEqual([back.codes, back.socket.readyState], [[], 1]);
  assert.ok(sim.now > 200_000);
});

test('the same seed gives the same run, another seed another', async () => {
  const run = async (seed) => {
    const sim = new Sim({ seed, options: { messageRate: 0 }, link: { delayMs: [1, 500] } });
    const clients = ['Ann', 'Bob', 'Cy'].map((name) => join(sim, name));
    await sim.advance(3_000);
    const heard = [];
    for (const { socket } of clients) socket.addEventListener('message', ({ data }) => heard.push([sim.now, data]));
    for (let at = 0; at < 20; at++) {
      await sim.advance(100);
      clients[Math.floor(sim.random() * 3)].socket.send(`message ${at}`);
    }
    await sim.advance(5_000);
    return heard;
  };
  const first = await run(1);
  assert.ok(first.length > 40);
  assert.deepEqual(await run(1), first);
  assert.notDeepEqual(await run(2), first);
});

test('timers keep virtual time, and what awaits them goes on before the next', async () => {
  const sim = new Sim();
  const { setTimeout, clearTimeout, now } = sim.clock;
  const began = now();
  const done = [];
  setTimeout((word) => done.push([word, now() - began]), 3_600_000, 'late');
  setTimeout(async () => {
    done.push(['early', now() - began]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    done.push(['later', now() - began]);
  }, 500);
  clearTimeout(setTimeout(() => done.push(['never']), 700));
  await sim.advance(3_600_000);
  assert.deepEqual(done, [['early', 500], ['later', 1_500], ['late', 3_600_000]]);
});

test('a socket is what browsers have', async () => {
  const sim = new Sim({ options: { raw: [{ path: '/echo', subprotocol: 'echo' }] } });
  const socket = new sim.WebSocket('wss://example.org/echo?x=1', ['other', 'echo']);
  assert.deepEqual([socket.readyState, socket.url], [sim.WebSocket.CONNECTING, 'wss://example.org/echo?x=1']);
  assert.throws(() => socket.send('x'), { name: 'InvalidStateError' });
  assert.throws(() => socket.close(1005), { name: 'InvalidAccessError' });
  await sim.advance(100);
  assert.deepEqual([socket.readyState, socket.protocol], [1, 'echo']);
  socket.send('text');
  socket.send(new Uint8Array([1, 2]));
  assert.ok(socket.bufferedAmount > 0);
  await sim.advance(100);
  assert.equal(socket.bufferedAmount, 0);
  const received = sim.events().filter(({ type }) => type === 'received');
  assert.equal(received.length, 2);
  const closed = new Promise((resolve) => socket.addEventListener('close', resolve));
  socket.close(1000, 'bye');
  assert.equal(socket.readyState, 2);
  await sim.advance(100);
  const { code, wasClean } = await closed;
  assert.deepEqual([code, wasClean, socket.readyState, sim.sockets.length], [1000, true, 3, 0]);
  const refused = new sim.WebSocket('ws://localhost/nowhere');
  const codes = [];
  refused.onclose = ({ code }) => codes.push(code);
  await sim.advance(100);
  assert.deepEqual(codes, [1006]);
});

test('the engine restarts, and keeps what was said', async () => {
  const sim = new Sim();
  const ann = join(sim, 'Ann');
  await sim.advance(1_000);
  sim.broadcast('lobby', 'before');
  await sim.advance(100);
  sim.restart({ downMs: 2_000 });
  await sim.advance(1_000);
  assert.deepEqual(ann.codes, [1001]);
  assert.throws(() => sim.broadcast('lobby', 'x'), { code: 'not_running' });
  await sim.advance(2_000);
  const back = join(sim, 'Ann');
  await sim.advance(1_000);
  assert.deepEqual(back.said, ['before']);
  assert.equal(sim.history('lobby').length, 1);
});

test('what is no option, no line and no socket is refused with words', () => {
  assert.throws(() => new Sim({ sed: 1 }), { code: 'invalid_argument' });
  assert.throws(() => new Sim({ options: { hystory: 1 } }), { code: 'invalid_option' });
  assert.throws(() => new Sim({ options: { admit: () => {} } }), /asks nobody/);
  assert.throws(() => new Sim({ link: { delay: 1 } }), /delayMs/);
  const sim = new Sim();
  assert.throws(() => sim.cut({}), { code: 'invalid_argument' });
  assert.throws(() => new sim.WebSocket('ws://localhost/', 'a b').url && sim.cut(null), { code: 'invalid_argument' });
});

/** Chat clients that come back quickly, in the lobby. */
async function talkers(sim, ...names) {
  const { Chat } = await import('../client.mjs');
  const { WebSocket, clock, random } = sim;
  const chats = names.map((name) => new Chat('ws://localhost/', { name, WebSocket, clock, random, reconnectMaxMs: 2_000 }));
  for (const chat of chats) chat.join('lobby');
  await sim.advance(2_000);
  return chats;
}

const texts = (chat) => chat.room('lobby').messages.map(({ text }) => text);

test('chat clients come back over cut and hung lines, and nothing is lost or said twice', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const sim = new Sim({ seed, options: { messageRate: 0 }, link: { delayMs: [1, 300] } });
    const [ann, bob, cy] = await talkers(sim, 'Ann', 'Bob', 'Cy');
    const sent = [];
    for (let at = 0; at < 30; at++) {
      const chat = [ann, bob, cy][Math.floor(sim.random() * 3)];
      const dice = sim.random();
      const socket = sim.sockets[Math.floor(sim.random() * sim.sockets.length)];
      if (dice < 0.1 && socket) sim.cut(socket);
      else if (dice < 0.15 && socket) sim.hang(socket);
      else if (dice < 0.18) sim.restart({ clean: sim.random() < 0.5 });
      else sent.push(chat.send('lobby', `message ${at}`));
      await sim.advance(Math.floor(sim.random() * 1_500));
    }
    sim.sockets.forEach((socket) => sim.heal(socket));
    await sim.advance(120_000);
    const positions = await Promise.all(sent);
    assert.equal(new Set(positions.map(({ offset }) => offset)).size, sent.length, `seed ${seed}`);
    assert.equal(texts(ann).length, sent.length, `seed ${seed}`);
    assert.deepEqual([texts(bob), texts(cy)], [texts(ann), texts(ann)], `seed ${seed}`);
    assert.deepEqual(sim.judge('lobby'), [], `seed ${seed}`);
  }
});

test('a slow reader has everything in the end', async () => {
  const sim = new Sim({ seed: 3, options: { messageRate: 0, lagBytes: 4_096 } });
  const [ann, bob] = await talkers(sim, 'Ann', 'Bob');
  sim.slow(sim.sockets[1], 500);
  for (let at = 0; at < 100; at++) ann.send('lobby', `${at} ${'x'.repeat(200)}`);
  await sim.advance(10_000);
  assert.ok(texts(bob).length < 100);
  sim.slow(sim.sockets[1], Infinity);
  await sim.advance(10_000);
  assert.deepEqual(texts(bob), texts(ann));
  assert.deepEqual(sim.judge('lobby'), []);
});
