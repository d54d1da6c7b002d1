'use strict';
// The chat client's connection: heartbeat, the way back, tokens, states; against a server that the test speaks itself.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Script, WELCOME, loadClient, meet, codeOf, settle, page, said, collect, transcripts } = require('./client/script.js');

test('a heartbeat is sent when nothing else was for heartbeat_ms', async (t) => {
  const { script } = await meet(t, {}, { heartbeat_ms: 10_000 });
  script.clock.turn(9_999);
  assert.deepEqual(script.sent(), []);
  script.clock.turn(1);
  assert.deepEqual(script.sent(), [{}]);
  script.clock.turn(9_999);
  assert.deepEqual(script.sent(), []);
});

test('whoever says something needs no heartbeat', async (t) => {
  const { chat, script } = await meet(t, {}, { heartbeat_ms: 10_000 });
  script.clock.turn(6000);
  chat.typing('lobby');
  script.clock.turn(6000);
  assert.deepEqual(script.sent().map((request) => request.do), ['typing']);
  script.clock.turn(4000);
  assert.deepEqual(script.sent(), [{}]);
});

test('where timers sleep, what the server says brings the heartbeat out', async (t) => {
  const { script } = await meet(t, {}, { heartbeat_ms: 10_000 });
  script.clock.time += 20_000; // no timer runs
  script.say({});
  assert.deepEqual(script.sent(), [{}]);
  script.say({});
  assert.deepEqual(script.sent(), []);
});

test('a server that is silent for a heartbeat and the patience more is dead', async (t) => {
  const { chat, script } = await meet(t, {}, { heartbeat_ms: 10_000 });
  script.clock.turn(15_000);
  script.say({});
  script.clock.turn(19_999);
  assert.equal(chat.state, 'open');
  script.clock.turn(1);
  assert.equal(chat.state, 'waiting');
  assert.equal(script.socket.closedWith, 1000);
});

test('a clock that is set back makes neither side silent for longer', async (t) => {
  const { chat, script } = await meet(t, {}, { heartbeat_ms: 10_000 });
  script.clock.turn(5000);
  script.clock.skew = -3_600_000;
  script.clock.turn(5000);
  assert.deepEqual(script.sent(), [{}]);
  script.clock.turn(19_999);
  assert.equal(chat.state, 'open');
  script.clock.turn(1);
  assert.equal(chat.state, 'waiting');
});

test('what a dead connection still says is not heard', async (t) => {
  const { chat, script } = await meet(t);
  await script.join(chat, 'lobby');
  const heard = collect(chat, 'message');
  const { onmessage, onclose } = script.socket;
  script.drop();
  onmessage({ data: JSON.stringify(said(1, 'late')) });
  onclose({ code: 4002, reason: '' });
  assert.deepEqual(heard, []);
  assert.equal(chat.state, 'waiting');
});

test('a connection that is not open in time is left', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ helloTimeoutMs: 5000 }));
  t.after(() => chat.close());
  script.open();
  script.clock.turn(4999);
  assert.equal(chat.state, 'connecting');
  script.clock.turn(1);
  assert.equal(chat.state, 'waiting');
});

test('the waits between tries double to the maximum, each anywhere below', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ random: () => 1, reconnectMinMs: 100, reconnectMaxMs: 1500 }));
  t.after(() => chat.close());
  const waits = [];
  for (let at = 0; at < 6; at++) {
    script.drop();
    waits.push(chat.retryAt - script.clock.time);
    script.clock.turn(chat.retryAt - script.clock.time);
  }
  assert.deepEqual(waits, [100, 200, 400, 800, 1500, 1500]);
  script.greet();
  script.drop(); // at once: that was no good connection
  assert.equal(chat.retryAt - script.clock.time, 1500);
  script.clock.turn(1500);
  script.greet();
  script.clock.turn(10_000);
  script.drop();
  assert.equal(chat.retryAt - script.clock.time, 100);
});

test('the waits are spread over the whole range', async (t) => {
  const { Chat } = await loadClient();
  const waits = [];
  for (let at = 0; at < 10; at++) {
    const script = new Script();
    const chat = new Chat('ws://chat.example/', script.options({ random: () => at / 10, reconnectMinMs: 1000 }));
    script.drop();
    waits.push(chat.retryAt - script.clock.time);
    chat.close();
  }
  assert.deepEqual(waits, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
});

test('after bye it comes back in the window that was given', async (t) => {
  const { chat, script } = await meet(t, { random: () => 0.5 });
  script.say(transcripts().event('bye'));
  script.drop(4202, 'restart');
  assert.equal(chat.retryAt - script.clock.time, 4250);
});

for (const [codes, state] of [
  [[4000, 4002, 4003, 4004, 4099, 1002, 1003, 1007, 1008, 1009], 'closed'],
  [[4100, 4102, 4199, 4200, 4204, 4299, 1000, 1001, 1005, 1006, 1011, 1012, 1013], 'waiting'],
]) {
  for (const code of codes) {
    test(`after ${code} it is ${state}`, async (t) => {
      const { chat, script } = await meet(t);
      const states = collect(chat, 'state');
      script.drop(code, 'why');
      assert.equal(chat.state, state);
      assert.deepEqual(states.map((event) => [event.state, event.code, event.reason]), [[state, code, 'why']]);
      if (state === 'closed') assert.deepEqual(chat.closed, { code, reason: 'why', error: undefined });
      script.clock.turn(state === 'closed' ? 60_000 : chat.retryAt - script.clock.time);
      assert.equal(script.sockets.length, state === 'closed' ? 1 : 2);
    });
  }
}

test('after 4100 it waits about as long as it ever does', async (t) => {
  for (const [random, wait] of [[0, 15_000], [1, 30_000]]) {
    const { chat, script } = await meet(t, { random: () => random });
    script.drop(4100);
    assert.equal(chat.retryAt - script.clock.time, wait);
  }
});

test('a fresh token is asked for at every hello', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  let count = 0;
  const chat = new Chat('ws://chat.example/', script.options({ token: async () => `t${++count}` }));
  t.after(() => chat.close());
  await settle();
  assert.equal(script.greet().token, 't1');
  script.drop();
  script.clock.turn(1000);
  await settle();
  assert.equal(script.open().token, 't2');
});

test('a token that cannot be had is told, and asked for again later', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  let count = 0;
  const token = () => {
    if (++count === 1) throw new Error('the shop is closed');
    return 'good';
  };
  const chat = new Chat('ws://chat.example/', script.options({ token }));
  t.after(() => chat.close());
  const errors = collect(chat, 'error');
  await settle();
  assert.equal(errors[0].error.message, 'the shop is closed');
  assert.equal(chat.state, 'waiting');
  script.clock.turn(1000);
  await settle();
  assert.equal(script.open().token, 'good');
});

test('with a token function 4001 is tried once anew, and then it is the end', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ token: () => 'same' }));
  t.after(() => chat.close());
  await settle();
  script.greet();
  script.drop(4001, 'the token has ended');
  assert.equal(chat.state, 'waiting');
  script.clock.turn(1000);
  await settle();
  script.open();
  script.drop(4001);
  assert.equal(chat.state, 'closed');
});

test('without a token function 4001 is the end', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ token: 'text' }));
  script.open();
  script.drop(4001);
  assert.equal(chat.state, 'closed');
});

test('a session that is not valid any more is forgotten, and the rooms are joined anew', async (t) => {
  const { chat, script } = await meet(t);
  await script.join(chat, 'lobby', page(['one']));
  script.drop();
  script.clock.turn(1000);
  const hello = script.open();
  assert.equal(hello.resume.session, 's3cr3t');
  script.refuse(hello, 'unauthorized');
  script.clock.turn(1000);
  const fresh = script.open();
  assert.equal(fresh.resume, undefined);
  script.welcome(fresh, { session: 'n3w' });
  const { since, room } = script.one('join');
  assert.deepEqual([room, since.offset], ['lobby', 1]);
});

test('the token is refreshed before it ends', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  let count = 0;
  const chat = new Chat('ws://chat.example/', script.options({ token: () => `t${++count}`, heartbeatMs: 1e9 }));
  t.after(() => chat.close());
  await settle();
  script.greet({ heartbeat_ms: 1e9, expires_at: script.clock.time + 100_000 });
  script.clock.turn(80_000);
  await settle();
  const { id, token } = script.one('refresh');
  assert.equal(token, 't2');
  script.ok({ id }, { expires_at: script.clock.time + 50_000 });
  script.clock.turn(40_000);
  await settle();
  assert.equal(script.one('refresh').token, 't3');
});

test('a token is not refreshed while there is no connection', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  let count = 0;
  const chat = new Chat('ws://chat.example/', script.options({ token: () => `t${++count}`, reconnectMinMs: 1e9, reconnectMaxMs: 1e9 }));
  t.after(() => chat.close());
  await settle();
  script.greet({ expires_at: script.clock.time + 10_000 });
  script.drop();
  script.clock.turn(8000);
  await settle();
  assert.equal(count, 1);
});

test('a program may close the chat wherever it hears something', async () => {
  const { Chat } = await loadClient();
  for (const kind of ['state', 'message', 'reset']) {
    const script = new Script();
    const chat = new Chat('ws://chat.example/', script.options());
    script.greet();
    await script.join(chat, 'lobby');
    await script.join(chat, 'den');
    chat.send('lobby', 'x');
    script.drop();
    script.clock.turn(1000);
    chat.on(kind, () => chat.close());
    const heard = collect(chat, 'message', 'reset', 'state');
    const hello = script.open();
    const { on: _, room: __, ...record } = { ...said(1, 'one'), on: 'message' };
    const recovered = { ...page([], 2), messages: undefined, recovered: true, records: [{ on: 'message', ...record }, { on: 'message', ...said(2, 'two') }] };
    script.welcome(hello, { rooms: { lobby: recovered, den: page(['y'], 3) } });
    assert.equal(chat.state, 'closed', kind);
    assert.equal(script.clock.timerCount, 0, kind);
    assert.deepEqual(script.sent(), [], kind);
    assert.equal(heard.filter(({ on }) => on === kind).length, kind === 'state' ? 2 : 1, kind);
  }
});

test('a chat that is closed by what it hears says nothing more', async (t) => {
  const { chat, script } = await meet(t);
  await script.join(chat, 'lobby');
  chat.on('typing', () => chat.close());
  script.clock.turn(20_000); // a heartbeat would be due with the next frame
  script.say({ on: 'typing', room: 'lobby', user: 'u8', state: 'active' });
  assert.deepEqual(script.sent(), []);
});

test('a connection that is not allowed is told, and tried again', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  let isAllowed = false;
  const WebSocket = class extends script.WebSocket {
    constructor(...args) {
      if (!isAllowed) throw new DOMException('not here', 'SecurityError');
      super(...args);
    }
  };
  for (const token of ['text', () => 'made']) {
    isAllowed = false;
    const chat = new Chat('ws://chat.example/', script.options({ WebSocket, token }));
    t.after(() => chat.close());
    await settle();
    assert.deepEqual([chat.state, script.sockets.length], ['waiting', 0]);
    const errors = collect(chat, 'error');
    script.clock.turn(chat.retryAt - script.clock.time);
    await settle();
    assert.deepEqual(errors.map(({ error }) => error.name), ['SecurityError']);
    isAllowed = true;
    script.clock.turn(chat.retryAt - script.clock.time);
    await settle();
    assert.equal(script.sockets.splice(0).length, 1);
    chat.close();
  }
});

test('a hello that is refused is the end, with the reason and what is suggested', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ name: 'Ann' }));
  const waiting = chat.send('lobby', 'hi');
  const { error } = transcripts().refusal('name_taken');
  script.say({ id: script.open().id, error });
  assert.equal(chat.state, 'closed');
  assert.deepEqual([chat.closed.error.name, chat.closed.error.suggestion], ['name_taken', 'Ann 2']);
  assert.equal(await codeOf(waiting), 'name_taken');
});

test('a hello that is refused for now is tried again, not before the time that was given', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options());
  t.after(() => chat.close());
  script.refuse(script.open(), 'rate_limited', { retry_after_ms: 90_000 });
  assert.equal(chat.retryAt - script.clock.time, 90_000);
});

test('a name that one holds oneself by an older connection is waited for', async (t) => {
  const { chat, script } = await meet(t);
  script.drop();
  script.clock.turn(1000);
  script.refuse(script.open(), 'name_taken', { suggestion: 'Ann 2' });
  assert.equal(chat.state, 'waiting');
});

test('coming online ends the wait, unless the server has set it', async (t) => {
  const listeners = new Set();
  globalThis.addEventListener = (kind, listener) => kind === 'online' && listeners.add(listener);
  globalThis.removeEventListener = (kind, listener) => listeners.delete(listener);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const { chat, script } = await meet(t);
  const online = () => [...listeners].forEach((listener) => listener());
  online();
  assert.equal(script.sockets.length, 1);
  script.drop();
  online();
  assert.equal(script.sockets.length, 2);
  script.greet();
  script.drop(4100);
  online();
  assert.equal(script.sockets.length, 2);
  chat.reconnect(); // people may
  assert.equal(script.sockets.length, 3);
  chat.close();
  assert.equal(listeners.size, 0);
});

test('the states are told, in order, to those who listen and to those who iterate', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options());
  const iterated = (async () => {
    const states = [];
    for await (const { on, state } of chat) if (on === 'state') states.push(state);
    return states;
  })();
  const heard = collect(chat, 'state');
  await settle();
  script.greet();
  script.drop();
  script.clock.turn(500);
  chat.close();
  assert.deepEqual(heard.map(({ state }) => state), ['open', 'waiting', 'connecting', 'closed']);
  assert.deepEqual(await iterated, ['connecting', 'open', 'waiting', 'connecting', 'closed'].slice(1));
});

test('a listener that throws harms nobody else', async (t) => {
  const { chat, script } = await meet(t);
  await script.join(chat, 'lobby');
  const thrown = [];
  const original = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (error) => thrown.push(error.message));
  chat.on('message', () => { throw new Error('mine'); });
  const heard = collect(chat, 'message');
  script.say(said(1, 'one'), said(2, 'two'));
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error.message));
  await settle();
  process.removeAllListeners('uncaughtException');
  for (const listener of original) process.on('uncaughtException', listener);
  assert.equal(heard.length, 2);
  assert.deepEqual(thrown, ['mine', 'mine']);
});

test('what is no JSON, or has no meaning, is told or ignored, and the chat goes on', async (t) => {
  const { chat, script } = await meet(t);
  const errors = collect(chat, 'error');
  script.socket.onmessage({ data: '{' });
  script.say({}, { on: 'news', room: 'lobby' }, { id: 99, ok: {} }, { on: 'message', room: 'nowhere', epoch: 1, offset: 1 });
  script.say({ error: { code: 120, name: 'bad_request', message: 'no' } });
  assert.deepEqual(errors.map(({ error }) => error.name), ['SyntaxError', 'bad_request']);
  assert.equal(chat.state, 'open');
});

test('WELCOME is what the transcripts say', () => {
  const { time, ...ok } = transcripts().reply('hello').ok;
  assert.deepEqual(WELCOME, ok);
});
