'use strict';
// The chat client's rooms: positions, messages as they stand now, pages, counts and snapshots.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { EPOCH, enter, texts, offsets, bare, settle, page, message, said, changed, collect, transcripts } = require('./client/script.js');

const RECORDS = ['message', 'edit', 'delete', 'react', 'moderation', 'rename'];
const LATER = EPOCH + 9;

test('a room has what the reply to join says', async (t) => {
  const { chat, script } = await enter(t);
  const joined = chat.join('den');
  const { ok } = transcripts().reply('join');
  script.ok(script.one('join'), { ...ok, room: 'den' });
  await joined;
  const { messages, position, memberCount, read, unreadCount, more, isJoined } = chat.room('den').getSnapshot();
  assert.deepEqual(messages, ok.messages);
  assert.deepEqual([position, memberCount, read, unreadCount, more, isJoined], [{ epoch: EPOCH, offset: 58 }, 12, 55, 1, true, true]);
  assert.deepEqual(chat.joined.map(({ name }) => name), ['lobby', 'den']);
});

test('records come as events in order, and move the position', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS);
  const events = [
    said(2, 'two'), changed('edit', 3, 1, { text: 'ONE' }), changed('react', 4, 2, { emoji: '👍', add: true }), changed('delete', 5, 1),
    { on: 'moderation', room: 'lobby', epoch: EPOCH, offset: 6, act: 'slow', value: 10, at: 1 },
    { on: 'rename', room: 'lobby', epoch: EPOCH, offset: 7, user: 'u9', name: 'Dan', color: 'blue', at: 1 },
  ];
  script.say(...events);
  assert.deepEqual(heard, events);
  assert.equal(room.position.offset, 7);
});

test('a record that is known already is ignored', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one', 'two'] });
  const heard = collect(chat, ...RECORDS);
  script.say(said(1, 'one'), said(2, 'two'), said(3, 'three'), said(3, 'three'), said(2, 'two'));
  assert.deepEqual(offsets(heard), [3]);
  assert.deepEqual(texts(room), ['one', 'two', 'three']);
});

test('a record of a kind that nobody knows has its place and is not told', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const heard = collect(chat, ...RECORDS, 'poll');
  script.say({ on: 'poll', room: 'lobby', epoch: EPOCH, offset: 2 }, said(3, 'three'));
  assert.deepEqual(offsets(heard), [3]);
  assert.equal(room.position.offset, 3);
});

test('the first record of an empty log, and the first of a new epoch, follow on', async (t) => {
  const { chat, script, room } = await enter(t);
  const heard = collect(chat, 'message', 'rollback');
  script.say(said(1, 'one', { prev: null }), said(70_000, 'two', { epoch: LATER, prev: { epoch: EPOCH, offset: 1 } }));
  assert.deepEqual(texts(room), ['one', 'two']);
  assert.deepEqual(heard.map(({ on }) => on), ['message', 'message']);
  assert.deepEqual(room.position, { epoch: LATER, offset: 70_000 });
  assert.deepEqual(script.sent(), []);
});

// ---- folding

test('edits, deletions and reactions change the messages, as the transcripts show them', async (t) => {
  const { script, room } = await enter(t);
  script.say(said(1, 'one'), said(2, 'two', { reply_to: 1, data: { x: 1 } }));
  const before = room.messages[0];
  script.say(changed('edit', 3, 1, { text: 'ONE' }), changed('edit', 4, 1, { text: 'One' }));
  script.say(changed('react', 5, 1, { emoji: '👍', add: true, user: 'u2' }), changed('react', 6, 1, { emoji: '👍', add: true, user: 'u3' }));
  assert.deepEqual(room.messages[0], { ...message(1, 'One'), revision: 2, reactions: { '👍': ['u2', 'u3'] } });
  assert.deepEqual(before, message(1, 'one'), 'a message that was given out is never changed');
  script.say(changed('react', 7, 1, { emoji: '👍', add: false, user: 'u2' }), changed('react', 8, 1, { emoji: '👍', add: false, user: 'u3' }));
  assert.deepEqual(room.messages[0], { ...message(1, 'One'), revision: 2 });
  script.say(changed('delete', 9, 2), changed('edit', 10, 2, { text: 'back?' }), changed('react', 11, 2, { emoji: 'x', add: true }));
  const { text, ...rest } = message(2);
  assert.deepEqual(room.messages[1], { ...rest, reply_to: 1, deleted: true });
  script.say(changed('edit', 12, 77, { text: 'of what is not kept' }));
  assert.equal(room.messages.length, 2);
});

test('an emoji may be called as JavaScript calls things', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  for (const [at, emoji] of ['__proto__', 'constructor', 'toString'].entries()) {
    script.say(changed('react', 2 + at, 1, { emoji, add: true, user: 'u2' }));
  }
  assert.deepEqual(Object.entries(room.messages[0].reactions), [['__proto__', ['u2']], ['constructor', ['u2']], ['toString', ['u2']]]);
  assert.equal(Object.getPrototypeOf(room.messages[0].reactions), Object.prototype);
});

test('clear takes the messages of one user away, or all that came before', async (t) => {
  const { script, room } = await enter(t);
  const clear = (offset, user) => ({ on: 'moderation', room: 'lobby', epoch: EPOCH, offset, act: 'clear', user, at: 1 });
  script.say(said(1, 'bob'), said(2, 'dan', { user: 'u9' }), clear(3, 'u9'));
  assert.deepEqual(texts(room), ['bob', undefined]);
  script.say(clear(4), said(5, 'after'));
  assert.deepEqual(room.messages.map(({ deleted, text }) => text ?? deleted), [true, true, 'after']);
});

test('topic sets the topic', async (t) => {
  const { script, room } = await enter(t);
  script.say({ on: 'moderation', room: 'lobby', epoch: EPOCH, offset: 1, act: 'topic', value: 'Everything', at: 1 });
  assert.equal(room.topic, 'Everything');
});

test('a new name changes no message, and one\'s own name', async (t) => {
  const { chat, script, room } = await enter(t);
  script.say(said(1, 'hi', { user: 'u7', name: 'Ann' }));
  script.say({ on: 'rename', room: 'lobby', epoch: EPOCH, offset: 2, user: 'u7', name: 'Ann B.', color: 'blue', at: 1 });
  assert.deepEqual([chat.name, chat.color, room.messages[0].name], ['Ann B.', 'blue', 'Ann']);
});

test('a message among records that shows later changes already is not changed by them again', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  script.say(said(5));
  const shown = { ...message(2, 'third'), revision: 2, reactions: { x: ['u2'] } };
  const records = [
    { on: 'message', epoch: EPOCH, offset: 2, message: shown },
    bare(changed('edit', 3, 2, { text: 'second' })),
    bare(changed('edit', 4, 2, { text: 'third' })),
    bare(said(5)),
  ];
  script.ok(script.one('history'), { records, epoch: EPOCH, offset: 6, more: true });
  assert.deepEqual(room.messages[1], shown);
  const rest = [changed('react', 6, 2, { emoji: 'x', add: true, user: 'u2' }), changed('edit', 7, 2, { text: 'fourth' })].map(bare);
  script.ok(script.one('history'), { records: rest, epoch: EPOCH, offset: 7, more: false });
  assert.deepEqual(room.messages[1], { ...shown, text: 'fourth', revision: 3 });
});

test('a message that comes late as an event shows its newest text, and its edits behind it change nothing', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  const shown = { ...message(2, 'third'), revision: 2 };
  script.say({ ...said(2), message: shown }, changed('edit', 3, 2, { text: 'second' }));
  assert.deepEqual(room.messages[1], shown);
  script.say(changed('edit', 4, 2, { text: 'third' }));
  assert.deepEqual(room.messages[1], shown);
  script.say(changed('edit', 5, 2, { text: 'fourth' }));
  assert.deepEqual(room.messages[1], { ...shown, text: 'fourth', revision: 3 });
});

test('a page of messages is not changed by records that it shows already', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  script.say(said(3)); // a gap
  const fill = script.one('history');
  const history = chat.history('lobby');
  script.ok(script.one('history'), { messages: [{ ...message(1, 'ONE'), revision: 1 }, message(3)], epoch: EPOCH, offset: 3, more: false });
  await history;
  script.ok(fill, { records: [bare(changed('edit', 2, 1, { text: 'ONE' })), bare(said(3))], epoch: EPOCH, offset: 3, more: false });
  assert.deepEqual(room.messages.map(({ text, revision }) => [text, revision]), [['ONE', 1], ['m3', undefined]]);
});

// ---- pages, counts, presence

test('older messages that are asked for are kept, where they go on from what is kept', async (t) => {
  const { chat, script, room } = await enter(t);
  const joined = chat.join('den');
  script.ok(script.one('join'), { ...page(['j', 'k'], 11), room: 'den', more: true });
  await joined;
  const den = chat.room('den');
  const ask = async (options, reply) => {
    const history = chat.history('den', options);
    script.ok(script.one('history'), reply);
    await history;
    return texts(den);
  };
  assert.deepEqual(await ask({ before: 5 }, { ...page(['a'], 4), offset: 11 }), ['j', 'k']);
  assert.deepEqual(await ask({ around: 5 }, { ...page(['a'], 4), offset: 11 }), ['j', 'k']);
  const older = { messages: [message(8, 'h'), message(9, 'i')], epoch: EPOCH, offset: 11, more: true };
  assert.deepEqual(await ask({ before: 10 }, older), ['h', 'i', 'j', 'k']);
  assert.equal(den.getSnapshot().more, true);
  assert.deepEqual(await ask({ before: 8 }, { messages: [], epoch: EPOCH, offset: 11, more: false }), ['h', 'i', 'j', 'k']);
  assert.equal(den.getSnapshot().more, false);
  assert.equal(room.messages.length, 0);
});

test('no more than keptMessageCount messages are kept', async (t) => {
  const { script, room } = await enter(t, { options: { keptMessageCount: 3 } });
  for (let offset = 1; offset <= 10; offset++) script.say(said(offset));
  assert.deepEqual(offsets(room.messages), [8, 9, 10]);
  assert.equal(room.getSnapshot().more, true);
});

test('who comes, goes and types is told, and counted', async (t) => {
  const { chat, script, room } = await enter(t);
  const events = ['join', 'leave', 'members', 'typing', 'tell', 'tell-from-host', 'tell-user'].map(transcripts().event);
  const heard = collect(chat, 'join', 'leave', 'members', 'typing', 'tell');
  script.say(...events);
  assert.deepEqual(heard, events);
  assert.equal(room.memberCount, 5000);
});

test('unread messages are counted from others, and end by reading', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'], fields: { read: 0, unread_count: 1 } });
  script.say(said(2), said(3, 'mine', { user: 'u7' }), said(4));
  assert.equal(room.unreadCount, 3);
  script.say({ on: 'read', room: 'lobby', user: 'u8', offset: 4 });
  assert.equal(room.unreadCount, 3);
  script.say({ on: 'read', room: 'lobby', user: 'u7', offset: 2 });
  assert.deepEqual([room.read, room.unreadCount], [2, 1]);
  const read = chat.read('lobby');
  const request = script.one('read');
  assert.equal(request.offset, 4);
  script.ok(request, { offset: 4 });
  await read;
  assert.deepEqual([room.read, room.unreadCount], [4, 0]);
});

test('what is deleted is not unread any more, and counts once', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'], fields: { read: 0, unread_count: 1 } });
  script.say(said(2), said(3, 'mine', { user: 'u7' }), said(4), said(5, undefined, { deleted: true }));
  assert.equal(room.unreadCount, 3);
  const gone = (offset, of) => ({ on: 'delete', room: 'lobby', epoch: EPOCH, offset, of, mid: `d${offset}`, user: 'u8', at: 9 });
  script.say(gone(6, 2), gone(7, 3), gone(8, 5), gone(9, 2));
  assert.equal(room.unreadCount, 2);
  script.say({ on: 'moderation', room: 'lobby', epoch: EPOCH, offset: 10, act: 'clear', by: 'u8', at: 9 });
  assert.equal(room.unreadCount, 0);
});

test('a room that one is put into is there, with the messages that led to it', async (t) => {
  const { chat, script } = await enter(t);
  const heard = collect(chat, 'joined', 'message');
  const joined = transcripts().event('joined');
  script.say(joined);
  const { id, before } = script.one('history');
  assert.equal(before, 2);
  script.ok({ id }, { ...page(['psst']), more: false });
  script.say(said(2, 'hello?', { epoch: EPOCH + 2 }, joined.room));
  const room = chat.room(joined.room);
  assert.deepEqual(texts(room), ['psst', 'hello?']);
  assert.deepEqual([room.getSnapshot().with, room.unreadCount], ['u8', 2]);
  assert.deepEqual(heard.map(({ on }) => on), ['joined', 'message']);
});

test('a room that the answer to hello brings is entered', async (t) => {
  const { chat, script } = await enter(t);
  script.drop();
  script.comeBack({ rooms: { lobby: page(), den: page(['welcome']) } });
  assert.deepEqual(texts(chat.room('den')), ['welcome']);
});

test('a room that one is removed from is gone, also while it has a gap', async (t) => {
  const { chat, script } = await enter(t);
  const heard = collect(chat, 'removed', 'message');
  script.say(said(5), transcripts().event('removed'));
  assert.deepEqual(heard, [{ on: 'removed', room: 'lobby', reason: 'kicked', code: undefined, message: undefined }]);
  assert.equal(chat.room('lobby'), undefined);
  script.refuse(script.one('history'), 'not_member');
  assert.deepEqual(script.sent(), []);
});

// ---- snapshots

test('a snapshot is the same object until something changed, and is never changed itself', async (t) => {
  const { chat, script, room } = await enter(t, { texts: ['one'] });
  const before = room.getSnapshot();
  let told = 0;
  const off = room.subscribe(() => { told += 1; });
  script.say({}, { on: 'typing', room: 'lobby', user: 'u8', state: 'active' }, said(1, 'known'));
  assert.equal(room.getSnapshot(), before);
  assert.equal(told, 0);
  script.say(said(2, 'two'));
  assert.equal(told, 1);
  assert.notEqual(room.getSnapshot(), before);
  assert.equal(room.getSnapshot(), room.getSnapshot());
  assert.equal(before.messages.length, 1);
  assert.throws(() => before.messages.push('x'), TypeError);
  off();
  script.say(said(3));
  assert.equal(told, 1);
  const whole = chat.getSnapshot();
  assert.deepEqual([whole.state, whole.name, whole.joined, whole.outbox], ['open', 'Ann', ['lobby'], []]);
  assert.equal(chat.getSnapshot(), whole);
});

test('subscribers are told once for all that came in one answer', async (t) => {
  const { script, room } = await enter(t, { texts: ['one'] });
  let told = 0;
  room.subscribe(() => { told += 1; });
  script.drop();
  const records = Array.from({ length: 100 }, (_, at) => bare(said(2 + at)));
  script.comeBack({ rooms: { lobby: { ...page([], 101), messages: undefined, recovered: true, records } } });
  assert.equal(told, 1);
  assert.equal(room.messages.length, 101);
});

test('the outbox is shown as it is, and its changes are told', async (t) => {
  const { chat, script } = await enter(t);
  const seen = [];
  chat.subscribe(() => seen.push(chat.getSnapshot().outbox.length));
  chat.send('lobby', 'hi');
  script.ok(script.one('send'), { room: 'lobby', offset: 1 });
  await settle();
  assert.deepEqual(seen, [1, 0]);
});
