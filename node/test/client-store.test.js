'use strict';
// What a chat keeps over a reload: its session, its positions and its outbox; and the one file that it is shipped as.
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { gzipSync } = require('node:zlib');

const { EPOCH, ROOT, Script, loadClient, settle, page, message, said, collect } = require('./client/script.js');
const { within, runProcess } = require('./helpers.js');

/** A store that keeps what JSON keeps, and remembers each time. */
function memory() {
  const store = {
    saved: [],
    load: async () => store.saved.at(-1) && JSON.parse(store.saved.at(-1)),
    save: async (state) => { store.saved.push(JSON.stringify(state)); },
  };
  return store;
}

/** A chat with that store, once it has been read. */
async function begin(t, store, options) {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ name: 'Ann', store, ...options }));
  t.after(() => chat.close());
  await settle();
  return { chat, script };
}

test('after a reload it resumes its session from its positions, and tells what was missed', async (t) => {
  const store = memory();
  const first = await begin(t, store);
  first.script.greet();
  await first.script.join(first.chat, 'lobby', page(['one', 'two']));
  first.script.say(said(3, 'three'));
  first.script.clock.turn(250);
  await settle();

  const { chat, script } = await begin(t, store);
  const heard = collect(chat, 'message');
  const answer = { ...page([], 4), messages: undefined, recovered: true, records: [{ on: 'message', epoch: EPOCH, offset: 4, message: message(4, 'four') }] };
  const hello = script.greet({ rooms: { lobby: answer } });
  assert.deepEqual(hello.resume, { session: 's3cr3t', rooms: { lobby: { epoch: EPOCH, offset: 3 } } });
  assert.deepEqual(heard.map(({ offset }) => offset), [4]);
  const older = script.one('history');
  assert.deepEqual([older.before, older.limit], [4, 50]);
  script.ok(older, { messages: [1, 2, 3].map((offset) => message(offset)), epoch: EPOCH, offset: 4, more: false });
  assert.deepEqual(chat.room('lobby').messages.map(({ offset }) => offset), [1, 2, 3, 4]);
  assert.equal(heard.length, 1);
});

test('what waited in the outbox is sent after a reload, with the mid that it had', async (t) => {
  const store = memory();
  const first = await begin(t, store);
  first.script.greet();
  first.chat.send('lobby', 'on its way');
  const [{ mid }] = first.script.sent('send');
  first.script.drop();
  first.chat.send('lobby', 'still here');
  await settle();

  const { chat, script } = await begin(t, store);
  const later = chat.send('lobby', 'new');
  assert.deepEqual(chat.outbox.map(({ text, isSent }) => [text, isSent]), [['on its way', true], ['still here', false], ['new', false]]);
  script.greet();
  const sent = script.sent('send');
  assert.deepEqual(sent.map(({ text }) => text), ['on its way', 'still here', 'new']);
  assert.equal(sent[0].mid, mid);
  for (const request of sent) script.ok(request, { room: 'lobby', offset: 1 });
  await later;
  await settle();
  assert.deepEqual(JSON.parse(store.saved.at(-1)).outbox, []);
});

test('a change is in the store before it is on its way', async (t) => {
  const store = memory();
  const { chat, script } = await begin(t, store);
  script.greet();
  await settle();
  chat.send('lobby', 'x');
  await settle();
  const { outbox } = JSON.parse(store.saved.at(-1));
  assert.deepEqual(outbox.map(({ request, user, at }) => [request.text, user, at]), [['x', 'u7', script.clock.time]]);
});

test('what a reload finds too old, or of another user, is told to be uncertain', async (t) => {
  const store = memory();
  const first = await begin(t, store);
  first.script.greet();
  first.chat.send('lobby', 'x');
  await settle();
  const { chat, script } = await begin(t, store);
  const errors = collect(chat, 'error');
  script.greet({ user: 'u99' });
  assert.deepEqual(errors.map(({ error, request }) => [error.name, request.text]), [['uncertain', 'x']]);
  assert.deepEqual(script.sent('send'), []);
});

test('closing keeps what was not answered for the next time', async (t) => {
  const store = memory();
  const first = await begin(t, store);
  first.script.greet();
  first.chat.send('lobby', 'x');
  first.chat.close();
  await settle();
  const { script } = await begin(t, store);
  script.greet();
  assert.deepEqual(script.sent('send').map(({ text }) => text), ['x']);
});

test('nothing is saved before the store was read, and one save follows the other', async (t) => {
  let free;
  const order = [];
  const store = {
    load: () => new Promise((resolve) => { free = resolve; }),
    save: async ({ outbox }) => {
      order.push(`begin ${outbox.length}`);
      await settle();
      order.push(`end ${outbox.length}`);
    },
  };
  const { chat, script } = await begin(t, store);
  chat.send('lobby', 'a');
  assert.equal(script.sockets.length, 0);
  assert.deepEqual(order, []);
  free(undefined);
  await settle();
  script.greet();
  chat.send('lobby', 'b');
  for (let at = 0; at < 5; at++) await settle();
  assert.deepEqual(order.filter((_, at) => at % 2 === 0).map((words) => words.slice(0, 5)), Array(order.length / 2).fill('begin'));
  assert.equal(order.at(-1), 'end 2');
});

test('what was said before the store was read comes behind what it had kept', async (t) => {
  const { Chat } = await loadClient();
  const script = new Script();
  const kept = { session: null, rooms: [], outbox: [{ request: { do: 'send', room: 'lobby', mid: 'old-1', text: 'old' }, user: null, at: null }] };
  const chat = new Chat('ws://chat.example/', script.options({ store: { load: async () => kept, save: async () => {} } }));
  t.after(() => chat.close());
  chat.send('lobby', 'new');
  await settle();
  script.greet();
  assert.deepEqual(script.sent('send').map(({ text }) => text), ['old', 'new']);
});

test('a chat that is closed before the store was read leaves the store as it is', async () => {
  const { Chat } = await loadClient();
  const script = new Script();
  let saves = 0;
  const chat = new Chat('ws://chat.example/', script.options({ store: { load: async () => null, save: async () => { saves += 1; } } }));
  chat.send('lobby', 'x');
  chat.close();
  await settle();
  assert.equal(script.sockets.length, 0);
  assert.equal(saves, 0);
});

test('a store that fails is told, and the chat goes on', async (t) => {
  const store = {
    load: async () => { throw new Error('no disk'); },
    save: async () => { throw new Error('still no disk'); },
  };
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ store }));
  t.after(() => chat.close());
  const errors = collect(chat, 'error');
  await settle();
  script.greet();
  await settle();
  assert.deepEqual(new Set(errors.map(({ error }) => error.message)), new Set(['no disk', 'still no disk']));
  assert.equal(chat.state, 'open');
});

test('the classes have exactly what is declared', async () => {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options());
  script.greet();
  const room = await script.join(chat, 'lobby');
  const declared = readFileSync(join(ROOT, 'core', 'web', 'klatsch.d.ts'), 'utf8');
  const namesIn = (head) => {
    const body = declared.slice(declared.indexOf(head)).split('\n}\n')[0];
    return [...body.matchAll(/^  (?:readonly )?(\w+)[(<:]/gm)].map(([, name]) => name).filter((name) => name !== 'constructor');
  };
  const namesOf = (thing) => [...Object.getOwnPropertyNames(Object.getPrototypeOf(thing)), ...Object.keys(thing)].filter((name) => name !== 'constructor');
  assert.deepEqual([...new Set(namesIn('export class Chat '))].sort(), namesOf(chat).sort());
  const snapshot = namesIn('export interface RoomSnapshot');
  assert.deepEqual(snapshot.sort(), Object.keys(room.getSnapshot()).sort());
  assert.deepEqual(namesIn('export interface ChatSnapshot').sort(), Object.keys(chat.getSnapshot()).sort());
  const ofRoom = [...snapshot, ...namesIn('export interface Room extends')].filter((name) => !['isJoined', 'more', 'with'].includes(name));
  assert.deepEqual(namesOf(room).filter((name) => name !== 'listeners').sort(), ofRoom.sort());
  chat.close();
});

test('it is one file of at most 8 KB when compressed, and depends on nothing', () => {
  const file = readFileSync(join(ROOT, 'core', 'web', 'klatsch.js'));
  const { length } = gzipSync(file, { level: 9 });
  assert.ok(length <= 8192, `${length} bytes`);
  assert.doesNotMatch(String(file), /\bimport\b|\brequire\b|\beval\b/);
});

test('the file is what its parts make', async (t) => {
  const { code, stderr } = await within(runProcess(t, process.execPath, [join(ROOT, 'node', 'bundle.mjs'), '--check']).ended, 'bundle.mjs');
  assert.equal(code, 0, stderr);
});
