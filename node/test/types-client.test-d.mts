// What a page or a program may write with the chat client, and (below @ts-expect-error) what it may not.
import { Chat, ChatError, indexedDbStore, type ChatEvent, type Message, type RoomSnapshot, type State, type Store } from '../../core/web/klatsch.js';

import { Chat as NodeChat, WebSocket, type CloseEvent } from 'klatsch/client';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function isTrue<T extends true>(): T | void {}

const store: Store = { load: async () => null, save: (state) => void JSON.stringify(state) };
const chat = new Chat('wss://chat.example/', { name: 'Ann', token: async () => 't', store, history: 20 });
new Chat(new URL('wss://chat.example/'));
new Chat('/', { store: indexedDbStore('ann'), clock: { now: () => 1, setTimeout, clearTimeout }, random: Math.random });
// @ts-expect-error no such option
new Chat('/', { nmae: 'Ann' });
// @ts-expect-error a number
new Chat('/', { heartbeatMs: '25' });
// @ts-expect-error it needs an address
new Chat();

isTrue<Equal<typeof chat.state, State>>();
isTrue<Equal<typeof chat.name, string | null>>();
// @ts-expect-error read only
chat.state = 'open';

const off: () => void = chat.on('message', ({ room, message, offset }) => {
  isTrue<Equal<typeof message, Message>>();
  isTrue<Equal<typeof message.text, string | undefined>>();
  return room.length + offset + (message.reply_to ?? 0);
});
chat.on('edit', ({ of, text }) => of + text.length);
chat.on('react', ({ emoji, add }) => (add ? emoji : ''));
chat.on('state', ({ state, retryAt, code }) => [state, retryAt, code]);
chat.on('rollback', ({ to, dropped }) => [to.epoch, dropped.length]);
chat.on('reset', ({ messages }) => messages.length);
chat.on('error', ({ error }) => error instanceof ChatError && error.code);
// @ts-expect-error no such event
chat.on('mesage', () => {});
// @ts-expect-error the client tells no gaps: it fills them
chat.on('gap', () => {});
// @ts-expect-error the wire's name is member_count
chat.on('join', ({ memberCount }) => memberCount);
off();

for await (const event of chat) {
  isTrue<Equal<typeof event, ChatEvent>>();
  if (event.on === 'message') event.message.text?.length;
  // @ts-expect-error not every event has a message
  event.message;
}

const { recovered, members } = await chat.join('lobby', { history: 5 });
isTrue<Equal<typeof recovered, boolean>>();
members.map(({ role }) => role === 'owner');
const sent = await chat.send({ to: 'u8' }, 'hi', { reply_to: 3, data: { x: [1, null] } });
isTrue<Equal<typeof sent.room, string>>();
isTrue<Equal<typeof sent.duplicate, boolean>>();
// @ts-expect-error a function is no JSON
chat.send('lobby', 'hi', { data: () => {} });
// @ts-expect-error the text is missing
chat.send('lobby');
await chat.react('lobby', 5, '👍', false);
const page = await chat.history('lobby', { before: 5 });
page.messages.length;
const log = await chat.history('lobby', { after: 5 });
log.records.length;
// @ts-expect-error records, not messages
log.messages;
// @ts-expect-error only one of them
chat.history('lobby', { before: 5, after: 3 });
chat.moderate('lobby', 'slow', { value: 5 });
// @ts-expect-error no such act
chat.moderate('lobby', 'shout');

const room = chat.room('lobby');
// @ts-expect-error it may not be there
room.messages;
if (room) {
  const snapshot: RoomSnapshot = room.getSnapshot();
  const { subscribe } = room;
  subscribe(() => snapshot.unreadCount)();
  // @ts-expect-error read only
  room.messages.push(page.messages[0]);
}
const error = new ChatError({ message: 'no', name: 'banned', code: 210 });
if (error.name === 'name_taken') error.suggestion?.length;

// In Node the same, and a WebSocket.
isTrue<NodeChat extends Chat ? true : false>();
new NodeChat('ws://127.0.0.1:1337', { name: 'Ann', WebSocket });
const socket = new WebSocket('ws://127.0.0.1:1337', ['klatsch.v1']);
socket.onclose = (event: CloseEvent) => event.code;
socket.onmessage = ({ data }) => data;
socket.send(new Uint8Array(3));
// @ts-expect-error texts and bytes
socket.send({});
// @ts-expect-error there is no Blob
socket.binaryType = 'blob';
