'use strict';
// The chat client: requests and the outbox, against a server that the test speaks itself.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Script, loadClient, meet, codeOf, settle, page, transcripts } = require('./client/script.js');

test('it says hello with its name and its wish for a heartbeat, and is open when that is answered', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('https://chat.example/talk', script.options({ name: 'Ann', heartbeatMs: 9000 }));
  t.after(() => chat.close());
  assert.equal(script.socket.url, 'wss://chat.example/talk');
  assert.equal(script.socket.protocol, 'klatsch.v1');
  assert.equal(chat.state, 'connecting');
  const { id, ...hello } = script.open();
  assert.deepEqual(hello, { do: 'hello', name: 'Ann', heartbeat_ms: 9000 });
  script.welcome({ id });
  assert.deepEqual([chat.state, chat.user, chat.name, chat.color], ['open', 'u7', 'Ann', 'red']);
  assert.equal(chat.limits.max_text_bytes, 16_384);
});

test('an option that does not exist, and a place without WebSockets, are refused', async () => {
  const { Chat } = await loadClient();
  const script = new Script();
  assert.throws(() => new Chat('ws://chat.example/', script.options({ nmae: 'Ann' })), /no option nmae/);
  assert.throws(() => new Chat('ws://chat.example/', script.options({ constructor: 1 })), /no option constructor/);
  assert.throws(() => new Chat('ws://chat.example/', { ...script.options(), WebSocket: null }), /no WebSocket/);
});

test('every request is written as the transcripts have it, and gives the fields of its reply', async (t) => {
  const { chat, script } = await meet(t);
  const { request: to, reply } = transcripts();
  const cases = [
    ['join', () => chat.join('lobby', { history: 2 })],
    ['send', () => chat.send('lobby', 'hello')],
    ['send-to-user', () => chat.send({ to: 'u8' }, 'see 👀', { reply_to: 1, data: { link: ['https://example.org/', 1.5] } })],
    ['edit', () => chat.edit('lobby', 59, 'hello!')],
    ['delete', () => chat.delete('lobby', 59)],
    ['delete-why', () => chat.delete('lobby', 58, { reason: 'advertising' })],
    ['react', () => chat.react('lobby', 58, '👍')],
    ['rooms', () => chat.rooms({ limit: 2 })],
    ['history', () => chat.history('lobby')],
    ['history-before', () => chat.history('lobby', { before: 59, limit: 50 })],
    ['history-around', () => chat.history('lobby', { around: 30, limit: 20 })],
    ['history-after', () => chat.history('den', { after: 0, limit: 100 })],
    ['search', () => chat.search('coffee', { room: 'lobby', from_user: 'u8', limit: 10 })],
    ['members', () => chat.members('lobby', { limit: 1 })],
    ['read', () => chat.read('lobby', 58)],
    ['typing', () => chat.typing('lobby')],
    ['typing-done', () => chat.typing('lobby', false)],
    ['tell', () => chat.tell('lobby', { x: 3, y: 4 })],
    ['tell-user', () => chat.tell({ to: 'u8' }, 'ring')],
    ['rename', () => chat.rename('Ann B.')],
    ['kick', () => chat.moderate('lobby', 'kick', { user: 'u9' })],
    ['mute', () => chat.moderate('lobby', 'mute', { user: 'u9', seconds: 600 })],
    ['topic', () => chat.moderate('lobby', 'topic', { value: '' })],
    ['clear', () => chat.moderate('lobby', 'clear')],
    ['block', () => chat.block('u9')],
    ['call', () => chat.call('weather', ['Wien'])],
    ['refresh', () => chat.refresh('n3w3r')],
    ['leave', () => chat.leave('lobby')],
  ];
  for (const [name, ask] of cases) {
    const asked = ask();
    await settle();
    const { id, mid, ...request } = script.sent()[0];
    const { id: _, mid: anyMid, ...wanted } = to(name);
    assert.deepEqual(request, wanted, name);
    assert.equal(typeof mid, typeof anyMid, name);
    const ok = reply(name)?.ok ?? {};
    script.ok({ id }, ok);
    assert.deepEqual(await asked, ok, name);
  }
});

test('a refusal is an error with the code, the name and the fields of the wire', async (t) => {
  const { chat, script } = await meet(t);
  const asked = chat.join('attic');
  const { error } = transcripts().refusal('not_member');
  script.say({ id: script.one('join').id, error });
  await assert.rejects(asked, ({ name, code, message }) => name === 'not_member' && code === 204 && message === error.message);
});

test('what is asked before there is a connection is sent when there is one, in order', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options());
  t.after(() => chat.close());
  chat.join('lobby');
  const sent = chat.send('lobby', 'first');
  chat.send('lobby', 'second');
  script.greet();
  const requests = script.sent();
  assert.deepEqual(requests.map((request) => request.text ?? request.do), ['join', 'first', 'second']);
  script.ok(requests[0], page());
  script.ok(requests[1], { room: 'lobby', offset: 1 });
  assert.equal((await sent).offset, 1);
});

test('what is worth nothing later is not kept for later', async (t) => {
  const { chat, script } = await meet(t);
  const typing = chat.typing('lobby');
  script.drop();
  assert.equal(await codeOf(typing), 'uncertain');
  assert.equal(await codeOf(chat.typing('lobby')), 'closed');
  assert.equal(await codeOf(chat.tell('lobby', 1)), 'closed');
});

test('a question without a reply is asked again, and what twice is not the same is told to be uncertain', async (t) => {
  const { chat, script } = await meet(t);
  const history = chat.history('lobby');
  const call = chat.call('pay', 5);
  assert.deepEqual(script.sent().map((request) => request.do), ['history', 'call']);
  script.drop();
  assert.equal(await codeOf(call), 'uncertain');
  script.comeBack();
  const again = script.one('history');
  script.ok(again, page(['one']));
  assert.equal((await history).messages.length, 1);
});

test('what twice is not the same waits while there is no connection', async (t) => {
  const { chat, script } = await meet(t);
  script.drop();
  const call = chat.call('pay', 5);
  script.comeBack();
  script.ok(script.one('call'), { paid: true });
  assert.deepEqual(await call, { paid: true });
});

test('leave waits for what was said in the room', async (t) => {
  const { chat, script } = await meet(t);
  await script.join(chat, 'lobby');
  chat.send('lobby', 'goodbye');
  const left = chat.leave('lobby');
  await settle();
  script.ok(script.one('send'), { room: 'lobby', offset: 1 });
  await settle();
  script.ok(script.one('leave'));
  await left;
  assert.equal(chat.room('lobby'), undefined);
});

// ---- the outbox

test('at most 8 changes are on their way, and the others follow in order', async (t) => {
  const { chat, script } = await meet(t);
  for (let at = 0; at < 20; at++) chat.send('lobby', `m${at}`);
  const first = script.sent('send');
  assert.deepEqual(first.map(({ text }) => text), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']);
  script.ok(first[1]);
  script.ok(first[0]);
  assert.deepEqual(script.sent('send').map(({ text }) => text), ['m8', 'm9']);
  assert.equal(chat.outbox.length, 18);
});

test('a change without a reply is sent again after a resume with the same mid, in order', async (t) => {
  const { chat, script } = await meet(t);
  const sends = ['a', 'b', 'c'].map((text) => chat.send('lobby', text));
  const before = script.sent('send');
  script.ok(before[1], { room: 'lobby', offset: 2 });
  script.drop();
  script.comeBack();
  const again = script.sent('send');
  assert.deepEqual(again.map(({ text, mid }) => [text, mid]), [before[0], before[2]].map(({ text, mid }) => [text, mid]));
  for (const request of again) script.ok(request, { room: 'lobby', offset: 1, duplicate: true });
  assert.deepEqual((await Promise.all(sends)).map(({ duplicate }) => duplicate), [true, undefined, true]);
  assert.equal(chat.outbox.length, 0);
});

test('every mid is another, in every client', async (t) => {
  const { Chat } = await loadClient();
  const mids = new Set();
  for (let client = 0; client < 20; client++) {
    const script = new Script();
    const chat = new Chat('ws://chat.example/', { WebSocket: script.WebSocket, clock: script.clock });
    script.greet();
    for (let at = 0; at < 5; at++) chat.send('lobby', 'x');
    for (const { mid } of script.sent('send')) {
      assert.ok(Buffer.byteLength(mid) <= 64);
      mids.add(mid);
    }
    chat.close();
  }
  assert.equal(mids.size, 100);
});

/** What is sent one after the other, each when the one before is answered. */
function sentOneByOne(script, count) {
  const sent = [];
  while (sent.length < count) {
    script.clock.turn(1);
    const [request, ...others] = script.sent();
    assert.deepEqual(others, []);
    sent.push(request);
    script.ok(request);
  }
  return sent;
}

test('on rate_limited nothing more is sent until retry_after_ms, and then it goes on in order', async (t) => {
  const { chat, script } = await meet(t);
  const sends = ['a', 'b', 'c'].map((text) => chat.send('lobby', text));
  const requests = script.sent('send');
  for (const request of requests) script.refuse(request, 'rate_limited', { retry_after_ms: 1500 });
  chat.edit('lobby', 1, 'later');
  script.clock.turn(1499);
  assert.deepEqual(script.sent(), []);
  const again = sentOneByOne(script, 4);
  assert.deepEqual(again.map(({ text, mid }) => [text, mid]), [...requests.map(({ text, mid }) => [text, mid]), ['later', again[3].mid]]);
  await Promise.all(sends);
});

test('while something may still be refused, nothing overtakes it', async (t) => {
  const { chat, script } = await meet(t);
  for (const text of ['a', 'b']) chat.send('lobby', text);
  const [a, b] = script.sent('send');
  script.refuse(a, 'rate_limited', { retry_after_ms: 10 });
  chat.send('lobby', 'c');
  script.clock.turn(10);
  assert.deepEqual(script.sent(), []);
  script.refuse(b, 'rate_limited', { retry_after_ms: 5 });
  script.clock.turn(4);
  assert.deepEqual(sentOneByOne(script, 3).map(({ text }) => text), ['a', 'b', 'c']);
});

test('of several waits for the rate the longest counts', async (t) => {
  const { chat, script } = await meet(t);
  for (const text of ['a', 'b']) chat.send('lobby', text);
  const [a, b] = script.sent('send');
  script.refuse(a, 'rate_limited', { retry_after_ms: 1000 });
  script.refuse(b, 'rate_limited', { retry_after_ms: 10 });
  script.clock.turn(999);
  assert.deepEqual(script.sent(), []);
  assert.deepEqual(sentOneByOne(script, 2).map(({ text }) => text), ['a', 'b']);
});

test('what is over the rate goes at the rate, one at a time, until nothing waits', async (t) => {
  const { chat, script } = await meet(t, {}, { limits: { message_rate: 4 } });
  for (let at = 0; at < 12; at++) chat.send('lobby', String(at));
  for (const request of script.sent('send')) script.refuse(request, 'rate_limited', { retry_after_ms: 10 });
  script.clock.turn(10);
  for (let at = 0; at < 12; at++) {
    const request = script.one('send');
    assert.equal(request.text, String(at));
    script.ok(request);
    script.clock.turn(249);
    assert.deepEqual(script.sent(), []);
    script.clock.turn(1);
  }
  for (let at = 0; at < 12; at++) chat.send('lobby', 'again');
  assert.equal(script.sent('send').length, 8);
});

test('what could not be stored is sent again with the same mid', async (t) => {
  const { chat, script } = await meet(t);
  const sent = chat.send('lobby', 'a');
  const { mid, ...request } = script.one('send');
  script.refuse(request, 'store_unavailable', { open: true, position: { epoch: 1, offset: 1 } });
  script.clock.turn(1000);
  const again = script.one('send');
  assert.equal(again.mid, mid);
  script.ok(again, { offset: 1, duplicate: true });
  assert.equal((await sent).duplicate, true);
});

test('past dedupe_ms a change is uncertain and not sent again', async (t) => {
  const { chat, script } = await meet(t, {}, { limits: { dedupe_ms: 60_000 } });
  const sent = chat.send('lobby', 'a');
  script.drop();
  const waiting = chat.send('lobby', 'never sent before');
  script.clock.time += 60_000;
  script.comeBack({ limits: { dedupe_ms: 60_000 } });
  assert.deepEqual(script.sent('send').map(({ text }) => text), ['never sent before']);
  assert.equal(await codeOf(sent), 'uncertain');
  assert.equal(chat.outbox.length, 1);
  chat.close();
  assert.equal(await codeOf(waiting), 'uncertain');
});

test('dedupe_ms counts from the first time that it was sent', async (t) => {
  const { chat, script } = await meet(t, {}, { limits: { dedupe_ms: 60_000 } });
  const sent = chat.send('lobby', 'a');
  script.drop();
  script.clock.time += 40_000;
  script.comeBack({ limits: { dedupe_ms: 60_000 } });
  assert.equal(script.sent('send').length, 1);
  script.drop();
  script.clock.time += 40_000;
  script.comeBack({ limits: { dedupe_ms: 60_000 } });
  assert.deepEqual(script.sent('send'), []);
  assert.equal(await codeOf(sent), 'uncertain');
});

test('just before dedupe_ms it is sent again', async (t) => {
  const { chat, script } = await meet(t, { reconnectMinMs: 0 }, { limits: { dedupe_ms: 60_000 } });
  chat.send('lobby', 'a');
  script.drop();
  script.clock.time += 59_999;
  script.comeBack({ limits: { dedupe_ms: 60_000 } });
  assert.equal(script.sent('send').length, 1);
});

test('under another user a change is uncertain and not sent again', async (t) => {
  const { chat, script } = await meet(t);
  const sent = chat.send('lobby', 'a');
  script.drop();
  const written = chat.send('lobby', 'b');
  script.comeBack({ user: 'u12', name: 'Ann 2' });
  assert.deepEqual(script.sent('send'), []);
  assert.deepEqual([await codeOf(sent), await codeOf(written)], ['uncertain', 'uncertain']);
  assert.deepEqual(chat.outbox, []);
});

test('more than maxOutboxCount changes are refused with busy', async (t) => {
  const { chat, script } = await meet(t, { maxOutboxCount: 2 });
  script.drop();
  chat.send('lobby', 'a');
  chat.send('lobby', 'b');
  await assert.rejects(chat.send('lobby', 'c'), ({ name, code }) => name === 'busy' && code === 212);
  assert.deepEqual(chat.outbox.map(({ text, isSent }) => [text, isSent]), [['a', false], ['b', false]]);
});

test('a closed chat refuses, and what was on its way is uncertain', async (t) => {
  const { chat, script } = await meet(t);
  const sent = chat.send('lobby', 'a');
  const asked = chat.rooms();
  script.refuse(script.sent('send')[0], 'rate_limited', { retry_after_ms: 1000 });
  const waiting = chat.send('lobby', 'b');
  chat.close();
  assert.deepEqual(await Promise.all([sent, asked, waiting, chat.send('lobby', 'c'), chat.rooms()].map(codeOf)),
    ['uncertain', 'closed', 'closed', 'closed', 'closed']);
  assert.equal(script.socket.closedWith, 1000);
  assert.equal(script.clock.timerCount, 0);
});
