'use strict';
// The chat client's rooms when something is missing: gaps, resumes, and what a log has lost.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { EPOCH, enter, texts, offsets, bare, page, message, said, changed, collect } = require('./client/script.js');

const RECORDS = ['message', 'edit', 'delete', 'react', 'moderation', 'rename'];
const LATER = EPOCH + 9;

test('behind a gap nothing is told, and what is missing is asked for', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS, 'typing', 'leave');
  const leave = { on: 'leave', room: 'lobby', user: 'u9', name: 'Dan', member_count: 4 };
  script.say(said(4, 'four'), leave, said(5, 'five'));
  const { room: name, after } = script.one('history');
  assert.deepEqual([name, after], ['lobby', 1]);
  assert.deepEqual(heard, []);
  assert.equal(room.position.offset, 1);
});

test('a gap is filled page by page', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS, 'leave');
  const leave = { on: 'leave', room: 'lobby', user: 'u9', name: 'Dan', member_count: 4 };
  script.say(said(5, 'five'), leave);
  script.ok(script.one('history'), { records: [bare(said(2, 'two'))], epoch: EPOCH, offset: 5, more: true });
  script.say(said(6, 'six'));
  const second = script.one('history');
  assert.equal(second.after, 2);
  script.ok(second, { records: [3, 4, 5, 6].map((offset) => bare(said(offset))), epoch: EPOCH, offset: 6, more: false });
  assert.deepEqual(heard.map(({ offset, on }) => offset ?? on), [2, 3, 4, 5, 6, 'leave']);
  assert.equal(room.memberCount, 4);
  assert.deepEqual(offsets(room.messages), [1, 2, 3, 4, 5, 6]);
  assert.ok(heard.every((event) => event.room === 'lobby'));
});

test('other rooms go on while one has a gap', async (t) => {
  const { chat, script } = await enter(t, { texts: ['one'] });
  await script.join(chat, 'den');
  const heard = collect(chat, 'message');
  script.say(said(9, 'nine'), said(1, 'here', {}, 'den'));
  assert.deepEqual(heard.map(({ room }) => room), ['den']);
});

test('the event gap leads to the same', async (t) => {
  const { chat, script } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.say({ on: 'gap', room: 'lobby', from: { epoch: EPOCH, offset: 1 }, to: { epoch: EPOCH, offset: 3 } }, said(4, 'four'));
  script.ok(script.one('history'), { records: [bare(said(2)), bare(said(3))], epoch: EPOCH, offset: 3, more: false });
  assert.deepEqual(offsets(heard), [2, 3, 4]);
});

test('where the log does not reach back any more, the room is begun anew', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS, 'reset');
  script.say(said(900, 'far'));
  script.ok(script.one('history'), { records: [bare(said(500))], epoch: EPOCH, offset: 900, more: true });
  const newest = script.one('history');
  assert.deepEqual([newest.after, newest.limit], [undefined, 50]);
  script.say(said(901, 'more'));
  script.ok(newest, { ...page(['a', 'b'], 901), more: true });
  script.say(said(902, 'after'));
  assert.deepEqual(heard.map(({ on, offset }) => offset ?? on), ['reset', 902]);
  assert.deepEqual(texts(room), ['a', 'b', 'after']);
  assert.deepEqual(heard[0].messages.map(({ text }) => text), ['a', 'b']);
});

test('a gap that cannot be filled for now is filled later', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.say(said(3, 'three'));
  script.refuse(script.one('history'), 'rate_limited', { retry_after_ms: 700 });
  script.clock.turn(699);
  assert.deepEqual(script.sent(), []);
  script.clock.turn(1);
  script.ok(script.one('history'), { records: [bare(said(2)), bare(said(3))], epoch: EPOCH, offset: 3, more: false });
  assert.deepEqual(offsets(heard), [2, 3]);
  assert.equal(room.position.offset, 3);
});

test('a connection that breaks while a gap is filled loses nothing and doubles nothing', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.say(said(3, 'three'));
  script.drop();
  const records = [2, 3, 4].map((offset) => bare(said(offset)));
  const hello = script.comeBack({ rooms: { lobby: { ...page([], 4), messages: undefined, recovered: true, records } } });
  assert.deepEqual(hello.resume.rooms, { lobby: { epoch: EPOCH, offset: 1 } });
  assert.deepEqual(offsets(heard), [2, 3, 4]);
  assert.deepEqual(offsets(room.messages), [1, 2, 3, 4]);
});

// ---- resumes

test('a resume tells what was missed, once and in order', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one', 'two'] });
  const heard = collect(chat, ...RECORDS, 'reset');
  script.drop();
  const records = [bare(said(3, 'three')), bare(changed('edit', 4, 1, { text: 'ONE' }))];
  script.comeBack({ rooms: { lobby: { ...page([], 4), messages: undefined, recovered: true, records, member_count: 5, unread_count: 1 } } });
  script.say(said(4, 'no: it was an edit'), said(5, 'five'));
  assert.deepEqual(offsets(heard), [3, 4, 5]);
  assert.deepEqual(texts(room), ['ONE', 'two', 'three', 'five']);
  assert.deepEqual([room.memberCount, room.unreadCount], [5, 2]);
});

test('a resume that has not all goes on with history', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.drop();
  const answer = { ...page([], 4), messages: undefined, recovered: true, records: [bare(said(2))], more: true };
  script.comeBack({ rooms: { lobby: answer } });
  script.say(said(5));
  const { id, after } = script.one('history');
  assert.equal(after, 2);
  script.ok({ id }, { records: [3, 4, 5].map((offset) => bare(said(offset))), epoch: EPOCH, offset: 5, more: false });
  assert.deepEqual(offsets(heard), [2, 3, 4, 5]);
  assert.equal(room.position.offset, 5);
});

test('a room that is not recovered is begun anew', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS, 'reset');
  script.drop();
  script.comeBack({ rooms: { lobby: page(['x', 'y'], 70) } });
  assert.deepEqual(heard.map(({ on }) => on), ['reset']);
  assert.deepEqual([texts(room), room.position.offset], [['x', 'y'], 70]);
});

test('a room that cannot be gone on with is left, with the reason', async (t) => {
  const { chat, script, room } = await enter(t);
  const removed = collect(chat, 'removed');
  script.drop();
  script.comeBack({ rooms: { lobby: { error: { code: 210, name: 'banned', message: 'you are banned' } } } });
  assert.deepEqual(removed, [{ on: 'removed', room: 'lobby', reason: 'banned', code: 210, message: 'you are banned' }]);
  assert.equal(chat.room('lobby'), undefined);
  assert.equal(room.getSnapshot().isJoined, false);
});

test('a quiet room resumes, too, and one with the strangest name', async (t) => {
  const { chat, script } = await enter(t);
  await script.join(chat, '__proto__');
  script.drop();
  const hello = script.comeBack({ rooms: JSON.parse(`{"lobby":${JSON.stringify(page())},"__proto__":${JSON.stringify(page(['x'], 3))}}`) });
  assert.deepEqual(Object.entries(hello.resume.rooms).map(([name, { offset }]) => [name, offset]), [['lobby', 0], ['__proto__', 0]]);
  assert.deepEqual(texts(chat.room('__proto__')), ['x']);
  script.say(said(4, 'y', {}, '__proto__'));
  assert.deepEqual(texts(chat.room('__proto__')), ['x', 'y']);
  assert.equal(chat.room('constructor'), undefined);
});

test('a room that the session did not bring back is joined anew from its position', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.drop();
  script.comeBack();
  const join = script.one('join');
  assert.deepEqual([join.room, join.since], ['lobby', { epoch: EPOCH, offset: 1 }]);
  script.refuse(join, 'rate_limited', { retry_after_ms: 100 });
  script.clock.turn(100);
  const records = [bare(said(2, 'two'))];
  script.ok(script.one('join'), { ...page([], 2), messages: undefined, room: 'lobby', recovered: true, records });
  assert.deepEqual(offsets(heard), [2]);
  assert.deepEqual(texts(room), ['one', 'two']);
});

// ---- rollbacks

test('what the log lost is dropped and told', async (t) => {
  const { chat, script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), said(3, 'three'));
  const heard = collect(chat, 'rollback', 'message');
  script.say({ on: 'rollback', room: 'lobby', to: { epoch: EPOCH, offset: 1 } });
  assert.deepEqual(heard.map(({ to, dropped }) => [to, offsets(dropped)]), [[{ epoch: EPOCH, offset: 1 }, [2, 3]]]);
  script.say(said(70_000, 'again', { epoch: LATER, prev: { epoch: EPOCH, offset: 1 } }));
  assert.deepEqual(texts(room), ['one', 'again']);
  assert.deepEqual(script.sent(), []);
});

test('a record whose predecessor is earlier shows the loss, too', async (t) => {
  const { chat, script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'));
  const heard = collect(chat, 'rollback', 'message');
  script.say(said(70_000, 'again', { epoch: LATER, prev: { epoch: EPOCH, offset: 1 } }));
  assert.deepEqual(heard.map(({ on }) => on), ['rollback', 'message']);
  script.say(said(80_000, 'anew', { epoch: LATER + 1, prev: null }));
  assert.deepEqual(heard.at(-2).dropped.map(({ text }) => text), ['one', 'again']);
  assert.deepEqual(texts(room), ['anew']);
});

test('a rollback among the records of a resume, and a lower position in its reply, are taken', async (t) => {
  const { chat, script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), said(3, 'three'));
  const heard = collect(chat, 'rollback', 'message');
  script.drop();
  const records = [{ on: 'rollback', to: { epoch: EPOCH, offset: 2 } }, bare(said(70_000, 'x', { epoch: LATER, prev: { epoch: EPOCH, offset: 2 } }))];
  script.comeBack({ rooms: { lobby: { ...page([], 70_000, { epoch: LATER }), messages: undefined, recovered: true, records } } });
  assert.deepEqual(heard.map(({ on }) => on), ['rollback', 'message']);
  script.sent();
  script.drop();
  script.comeBack({ rooms: { lobby: { ...page([], 1), messages: undefined, recovered: true, records: [] } } });
  assert.deepEqual(heard.at(-1).dropped.map(({ text }) => text), ['two', 'x']);
  assert.deepEqual([texts(room), room.position], [['one'], { epoch: EPOCH, offset: 1 }]);
});

test('a message that shows a change which was lost is shown as the log has it', async (t) => {
  const { script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), changed('edit', 3, 1, { text: 'lost' }));
  assert.deepEqual(texts(room), ['lost', 'two']);
  script.say({ on: 'rollback', room: 'lobby', to: { epoch: EPOCH, offset: 2 } });
  script.ok(script.one('history'), page(['one', 'two']));
  assert.deepEqual(texts(room), ['one', 'two']);
});

test('a message that shows a change which the log lost before it was told is looked up again', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  // The page shows an edit at 5 that is told to nobody: the log loses it, and goes on behind 3 in a new epoch.
  script.say(said(4));
  const shown = { ...message(2, 'edited'), revision: 1 };
  script.ok(script.one('history'), { records: [{ ...bare(said(2)), message: shown }, bare(said(3))], epoch: EPOCH, offset: 5, more: true });
  script.one('history');
  script.drop();
  const next = bare(said(70_000, 'on', { epoch: LATER, prev: { epoch: EPOCH, offset: 3 } }));
  script.comeBack({ rooms: { lobby: { ...page([], 70_000, { epoch: LATER }), messages: undefined, recovered: true, records: [next] } } });
  script.ok(script.one('history'), { ...page([]), messages: [message(1, 'one'), message(2), message(3), next.message], epoch: LATER, offset: 70_000 });
  assert.deepEqual(room.messages.map(({ text, revision }) => [text, revision]), [['one', undefined], ['m2', undefined], ['m3', undefined], ['on', undefined]]);
});

test('such a change is noticed, too, where nothing came after it', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  script.say(said(4));
  const shown = { ...message(2, 'edited'), revision: 1 };
  script.ok(script.one('history'), { records: [{ ...bare(said(2)), message: shown }, bare(said(3))], epoch: EPOCH, offset: 5, more: true });
  script.one('history');
  script.drop();
  script.comeBack({ rooms: { lobby: { ...page([], 3), messages: undefined, recovered: true, records: [] } } });
  script.ok(script.one('history'), page(['one', 'm2', 'm3']));
  assert.deepEqual(texts(room), ['one', 'm2', 'm3']);
});

test('a stale room that loses its connection before it is looked up is looked up on the next one', async (t) => {
  const { script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), changed('edit', 3, 1, { text: 'lost' }), { on: 'rollback', room: 'lobby', to: { epoch: EPOCH, offset: 2 } });
  script.one('history');
  script.drop();
  script.comeBack({ rooms: { lobby: { ...page([], 2), messages: undefined, recovered: true, records: [] } } });
  script.ok(script.one('history'), page(['one', 'two']));
  assert.deepEqual(texts(room), ['one', 'two']);
});

test('a loss that shows while a gap is filled is looked up when it is', async (t) => {
  const { script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), changed('edit', 3, 1, { text: 'lost' }));
  script.say(said(70_002, 'far', { epoch: LATER }));
  const records = [said(70_000, 'a', { epoch: LATER, prev: { epoch: EPOCH, offset: 2 } }), said(70_001, 'b', { epoch: LATER }), said(70_002, 'far', { epoch: LATER })];
  script.ok(script.one('history'), { records: records.map(bare), epoch: LATER, offset: 70_002, more: false });
  const again = script.one('history');
  assert.equal(again.after, undefined);
  script.ok(again, { messages: [message(1, 'one'), message(2, 'two'), ...records.map((record) => record.message)], epoch: LATER, offset: 70_002, more: false });
  assert.deepEqual(texts(room), ['one', 'two', 'a', 'b', 'far']);
});

test('a loss that shows while a gap is filled behind which nothing came is looked up, too', async (t) => {
  const { script } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two'), changed('edit', 3, 1, { text: 'lost' }));
  script.say({ on: 'gap', room: 'lobby', from: { epoch: EPOCH, offset: 3 }, to: { epoch: LATER, offset: 70_000 } });
  const records = [bare(said(70_000, 'a', { epoch: LATER, prev: { epoch: EPOCH, offset: 2 } }))];
  script.ok(script.one('history'), { records, epoch: LATER, offset: 70_000, more: false });
  assert.equal(script.one('history').after, undefined);
});

test('what was held back on a connection that broke is not told on the next one', async (t) => {
  const { chat, script } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'leave', 'message');
  script.say(said(3), { on: 'leave', room: 'lobby', user: 'u9', name: 'Dan', member_count: 4 });
  script.drop();
  script.comeBack(); // without the room
  const join = script.one('join');
  script.ok(join, { ...page([], 3), messages: undefined, room: 'lobby', recovered: true, records: [bare(said(2)), bare(said(3))] });
  assert.deepEqual(heard.map(({ on }) => on), ['message', 'message']);
});

test('where a newer page came meanwhile, a record that is older leaves no hole before it', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'], options: { keptMessageCount: 3 } });
  script.say(said(6)); // a gap
  const fill = script.one('history');
  const newest = chat.history('lobby', { limit: 3 });
  script.ok(script.one('history'), { messages: [4, 5, 6].map((offset) => message(offset)), epoch: EPOCH, offset: 6, more: true });
  await newest;
  script.ok(fill, { records: [2, 3, 4, 5, 6].map((offset) => bare(said(offset))), epoch: EPOCH, offset: 6, more: false });
  assert.deepEqual(offsets(room.messages), [4, 5, 6]);
});

test('a log that has nothing behind the position, and a later one of its own, is begun anew', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const resets = collect(chat, 'reset');
  script.say(said(5));
  script.ok(script.one('history'), { records: [], epoch: EPOCH, offset: 5, more: false });
  script.ok(script.one('history'), page(['five'], 5));
  assert.deepEqual([resets.length, texts(room), room.position.offset], [1, ['five'], 5]);
});

test('a gap that the engine will not fill is closed by joining anew, and what was held back comes then', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, 'message');
  script.say(said(3));
  script.refuse(script.one('history'), 'not_available');
  const join = script.one('join');
  assert.deepEqual(join.since, { epoch: EPOCH, offset: 1 });
  script.say(said(4));
  script.ok(join, { ...page([], 3), messages: undefined, room: 'lobby', recovered: true, records: [bare(said(2)), bare(said(3))] });
  assert.deepEqual(offsets(heard), [2, 3, 4]);
  assert.deepEqual(offsets(room.messages), [1, 2, 3, 4]);
});
