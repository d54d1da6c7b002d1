'use strict';
// The chat client and the engine, over real sockets, some of which are cut.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');

const { startEngine, settled, within, Client } = require('./helpers.js');

const client = import('../client.mjs');

/** Short waits, so that a test does not wait for them. */
const QUICK = { reconnectMinMs: 10, reconnectMaxMs: 50 };

async function open(t, url, options) {
  const { Chat } = await client;
  const chat = new Chat(url, { ...QUICK, ...options });
  t.after(() => chat.close());
  return chat;
}

/** Listens on a free port and passes bytes on to a WebSocket's address, until it is told to cut. */
async function startProxy(t, url) {
  const { port } = new URL(url);
  const sockets = new Set();
  const fars = new Set();
  let isRefusing = false;
  const server = net.createServer((near) => {
    if (isRefusing) return near.destroy();
    const far = net.connect(Number(port), '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    fars.add(far);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    cut,
    /** Nothing more is read from the engine until it goes on. */
    stall(on) {
      for (const far of fars) on ? far.pause() : far.resume();
    },
    refuse(on) {
      isRefusing = on;
      if (on) cut();
    },
  };
}

const texts = (chat, room = 'lobby') => chat.room(room)?.messages.map(({ text }) => text);

/** Waits until a chat shows these texts. */
const shows = (chat, wanted, room) => settled(() => texts(chat, room), wanted, `the messages of ${chat.name}`);

function remembered(chat, ...kinds) {
  const events = [];
  for (const kind of kinds) chat.on(kind, (event) => events.push(event));
  return events;
}

test('two talk, change what they said, and see the same', async (t) => {
  const { url } = await startEngine(t);
  const [ann, bob] = [await open(t, url, { name: 'Ann' }), await open(t, url, { name: 'Bob' })];
  await ann.join('lobby');
  await bob.join('lobby');
  const heard = remembered(ann, 'message', 'edit', 'react', 'delete');
  const { offset } = await bob.send('lobby', 'hello', { data: { mood: [1.5, null] } });
  await ann.send('lobby', 'hi', { reply_to: offset });
  await bob.edit('lobby', offset, 'hello!');
  await ann.react('lobby', offset, '👍');
  const gone = await ann.send('lobby', 'oops');
  await ann.delete('lobby', gone.offset);
  await settled(() => bob.room('lobby').position, ann.room('lobby').position, 'the position of Bob');
  assert.deepEqual(ann.room('lobby').messages, bob.room('lobby').messages);
  const [first, second, third] = bob.room('lobby').messages;
  assert.deepEqual([first.text, first.revision, first.reactions, first.data], ['hello!', 1, { '👍': [ann.user] }, { mood: [1.5, null] }]);
  assert.deepEqual([second.reply_to, third.deleted], [offset, true]);
  assert.deepEqual(heard.map(({ offset }) => offset), [1, 2, 3, 4, 5, 6]);
  const late = await open(t, url, { name: 'Cy' });
  await late.join('lobby');
  assert.deepEqual(late.room('lobby').messages, bob.room('lobby').messages);
});

test('who was cut off comes back and has missed nothing, nor have the others', async (t) => {
  const { url } = await startEngine(t);
  const proxy = await startProxy(t, url);
  const [ann, bob] = [await open(t, proxy.url, { name: 'Ann' }), await open(t, url, { name: 'Bob' })];
  await ann.join('lobby');
  await bob.join('lobby');
  const { offset } = await ann.send('lobby', 'one');
  const heard = remembered(ann, 'message', 'edit', 'reset', 'rollback');
  const presence = remembered(bob, 'join', 'leave');
  proxy.refuse(true);
  await settled(() => ann.state === 'open', false, 'the connection of Ann to be there');
  const waiting = [ann.send('lobby', 'said offline'), ann.edit('lobby', offset, 'ONE')];
  assert.equal(ann.outbox.length, 2);
  await bob.send('lobby', 'two');
  await bob.send('lobby', 'three');
  proxy.refuse(false);
  const [sent] = await within(Promise.all(waiting), 'what was said offline');
  assert.equal(sent.duplicate, false);
  await shows(bob, ['ONE', 'two', 'three', 'said offline']);
  await shows(ann, ['ONE', 'two', 'three', 'said offline']);
  assert.deepEqual(ann.room('lobby').messages, bob.room('lobby').messages);
  assert.deepEqual(heard.map(({ on, offset }) => [on, offset]), [['message', 2], ['message', 3], ['message', 4], ['edit', 5]]);
  assert.deepEqual(presence, []);
});

test('a full outbox is no flood: it goes at the rate, and the line stays', async (t) => {
  const { url } = await startEngine(t, { messageRate: 30, messageBurst: 5 });
  const chat = await open(t, url, { name: 'Ann' });
  await chat.join('lobby');
  const states = remembered(chat, 'state');
  const said = Array.from({ length: 90 }, (_, at) => chat.send('lobby', String(at)));
  await within(Promise.all(said), 'every message to be answered');
  assert.deepEqual(texts(chat), said.map((_, at) => String(at)));
  assert.deepEqual(states, []);
});

test('through many cuts everything is said once, and in order', async (t) => {
  const { url } = await startEngine(t, { limits: 'load-test' });
  const [left, right] = [await startProxy(t, url), await startProxy(t, url)];
  const chats = [await open(t, left.url, { name: 'Ann' }), await open(t, right.url, { name: 'Bob' })];
  const heard = chats.map((chat) => remembered(chat, 'message'));
  for (const chat of chats) await chat.join('lobby');
  const said = [];
  for (let at = 0; at < 200; at++) {
    said.push(...chats.map((chat) => chat.send('lobby', `${chat.name} ${at}`)));
    if (at % 20 === 7) left.cut();
    if (at % 20 === 15) right.cut();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await within(Promise.all(said), 'every message to be answered');
  await settled(() => chats.map((chat) => texts(chat).length), [400, 400], 'the number of messages');
  assert.deepEqual(chats[0].room('lobby').messages, chats[1].room('lobby').messages);
  for (const { name } of chats) {
    const own = texts(chats[0]).filter((text) => text.startsWith(name));
    assert.deepEqual(own, Array.from({ length: 200 }, (_, at) => `${name} ${at}`));
  }
  for (const events of heard) assert.deepEqual(events.map(({ offset }) => offset), Array.from({ length: 400 }, (_, at) => at + 1));
});

for (const [what, historyKept, resets] of [['misses nothing', 20_000, 0], ['begins anew where the log does not reach back', 50, 1]]) {
  test(`who reads too slowly ${what}`, async (t) => {
    const { engine, url } = await startEngine(t, { historyKept, deflate: false });
    const proxy = await startProxy(t, url);
    const ann = await open(t, proxy.url, { name: 'Ann', keptMessageCount: 20_000 });
    await ann.join('lobby');
    const heard = remembered(ann, 'message');
    const anew = remembered(ann, 'reset');
    proxy.stall(true);
    // More than sockets and buffers on the way can hold.
    const text = 'x'.repeat(2000);
    let count = 0;
    while (engine.stats().laggingCount === 0) {
      for (let at = 0; at < 100; at++) engine.broadcast('lobby', `${++count} ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.ok(count < 15_000, 'nobody lags');
    }
    for (let at = 0; at < 1000; at++) engine.broadcast('lobby', `${++count} ${text}`);
    proxy.stall(false);
    await settled(() => ann.room('lobby').position.offset, count, 'the position');
    engine.broadcast('lobby', `${++count} and on`);
    await settled(() => ann.room('lobby').position.offset, count, 'the position');
    assert.equal(anew.length > 0, resets > 0);
    const offsets = heard.map(({ offset }) => offset);
    assert.deepEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b));
    const kept = ann.room('lobby').messages;
    assert.deepEqual(kept.map(({ offset }) => offset), Array.from(kept, (_, at) => count - kept.length + 1 + at));
    if (!resets) assert.deepEqual([offsets.length, kept.length], [count, count]);
  });
}

test('a second chat with the same session takes it over, and the first does not come back', async (t) => {
  const { url } = await startEngine(t);
  let state;
  const store = { load: () => state, save: (saved) => { state = structuredClone(saved); } };
  const first = await open(t, url, { name: 'Ann', store });
  await first.join('lobby');
  await first.send('lobby', 'one');
  await settled(() => state.rooms[0]?.[1].offset, 1, 'the position in the store');
  const over = new Promise((resolve) => first.on('state', ({ state }) => state === 'closed' && resolve()));
  const second = await open(t, url, { name: 'Ann', store: { load: () => state, save() {} } });
  await within(over, 'the first to be closed');
  assert.equal(first.closed.code, 4003);
  await settled(() => [second.state, second.user, texts(second)], ['open', first.user, ['one']], 'the second');
  assert.equal((await second.send('lobby', 'two')).offset, 2);
});

test('tutorial clients and this one talk in the same room', async (t) => {
  const { engine, url } = await startEngine(t);
  const ann = await open(t, url, { name: 'Ann' });
  await ann.join('lobby');
  const tom = await Client.open(url, 'Tom');
  tom.socket.send('from the tutorial');
  await shows(ann, ['from the tutorial']);
  await ann.send('lobby', 'from <v1>');
  assert.equal((await tom.says('from &lt;v1&gt;')).author, 'Ann');
  engine.broadcast('lobby', 'from the host');
  await shows(ann, ['from the tutorial', 'from <v1>', 'from the host']);
  assert.deepEqual(ann.room('lobby').messages.map(({ name, user }) => (user === 'host' ? 'host' : name)), ['Tom', 'Ann', 'host']);
  await tom.close();
});

test('an engine that was started anew begins the rooms anew', async (t) => {
  const { engine, url } = await startEngine(t);
  const { port } = new URL(url);
  const proxy = await startProxy(t, url);
  const ann = await open(t, proxy.url, { name: 'Ann' });
  await ann.join('lobby');
  await ann.send('lobby', 'before');
  const resets = remembered(ann, 'reset');
  proxy.refuse(true);
  const kept = ann.send('lobby', 'after');
  await engine.stop({ graceMs: 0 });
  const { Engine } = require('..');
  const again = new Engine({ listen: Number(port) });
  t.after(() => again.stop({ graceMs: 0 }));
  await again.start();
  proxy.refuse(false);
  // Who Ann is the new engine does not know: she may be another user now, and then what she said is uncertain.
  const outcome = await within(kept.then(() => 'said', ({ name }) => name), 'the outcome');
  assert.ok(['said', 'uncertain'].includes(outcome), outcome);
  await settled(() => [ann.state, resets.length], ['open', 1], 'the chat');
  await ann.send('lobby', 'and on');
  await shows(ann, outcome === 'said' ? ['after', 'and on'] : ['and on']);
});

test('what is gone when it is over comes to those who are there', async (t) => {
  const { url } = await startEngine(t);
  const [ann, bob] = [await open(t, url, { name: 'Ann' }), await open(t, url, { name: 'Bob' })];
  await ann.join('lobby');
  await bob.join('lobby');
  const heard = remembered(bob, 'typing', 'tell', 'read');
  await ann.typing('lobby');
  await ann.tell('lobby', { x: 3 });
  const { offset } = await bob.send('lobby', 'hi');
  await shows(ann, ['hi']);
  assert.equal(ann.room('lobby').unreadCount, 1);
  assert.deepEqual(await ann.read('lobby'), { offset });
  assert.equal(ann.room('lobby').unreadCount, 0);
  await settled(() => heard.map(({ on, user }) => [on, user]), ['typing', 'tell', 'read'].map((on) => [on, ann.user]), 'what Bob heard');
  const page = await ann.members('lobby');
  assert.deepEqual(page.members.map(({ name }) => name).sort(), ['Ann', 'Bob']);
  const direct = await ann.send({ to: bob.user }, 'psst');
  await shows(bob, ['psst'], direct.room);
  assert.equal(bob.room(direct.room).getSnapshot().with, ann.user);
  await ann.leave('lobby');
  assert.equal(ann.room('lobby'), undefined);
  await assert.rejects(ann.send('lobby', 'too late'), { name: 'not_member', code: 204 });
});

test('a long log is paged through, back to its beginning', async (t) => {
  const { url, engine } = await startEngine(t, { history: 500 });
  for (let at = 1; at <= 120; at++) engine.broadcast('lobby', `m${at}`);
  const ann = await open(t, url, { name: 'Ann', history: 50 });
  await ann.join('lobby');
  const room = ann.room('lobby');
  assert.deepEqual([room.messages.length, room.getSnapshot().more], [50, true]);
  while (room.getSnapshot().more) await ann.history('lobby', { before: room.messages[0].offset, limit: 30 });
  assert.deepEqual(texts(ann), Array.from({ length: 120 }, (_, at) => `m${at + 1}`));
});

test('an engine that stops says bye, and the chat comes back in the time that was given', async (t) => {
  const { engine, url } = await startEngine(t);
  const ann = await open(t, url, { name: 'Ann' });
  await ann.join('lobby');
  const states = remembered(ann, 'state');
  await engine.stop();
  await settled(() => ann.state, 'waiting', 'the state');
  const { code } = states.find(({ state }) => state === 'waiting');
  assert.ok([4200, 4202].includes(code), String(code));
});
