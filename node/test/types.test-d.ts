// What a host may write, and (below @ts-expect-error) what it may not. Checked by `npm run types`.
import { EventEmitter, once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import {
  Engine,
  KlatschError,
  type ErrorCode,
  type Message,
  type MessageEvent,
  type Position,
  type ReceiptEvent,
  type SlowConnection,
  type Stats,
} from 'klatsch';

import { Sim, type SimSocket } from 'klatsch/sim';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function isTrue<T extends true>(): T | void {}

// The simulator.
const sim = new Sim({ seed: 7, options: { history: 5 }, link: { delayMs: [1, 300], readsAt: 1_000 } });
isTrue<Equal<typeof sim.now, number>>();
const socket: SimSocket = new sim.WebSocket('ws://localhost/', 'klatsch.v1');
sim.cut(socket);
sim.restart({ clean: false, downMs: 100 });
isTrue<Equal<ReturnType<typeof sim.advance>, Promise<void>>>();
isTrue<Equal<ReturnType<typeof sim.judge>, string[]>>();
// @ts-expect-error it asks nobody
new Sim({ options: { admit: () => true } });
// @ts-expect-error a socket
sim.cut('socket');

// Options.
new Engine();
new Engine({});
new Engine({ listen: '127.0.0.1:0' });
new Engine({ listen: 1337, page: false, limits: 'load-test', history: 50, hostColor: 'plum' });
new Engine({ listen: [0, '[::1]:0'] as const, raw: { '/echo': '' }, allowOrigin: ['https://a.example'] });
new Engine({ raw: [{ path: '/echo' }, { path: '/game', subprotocol: 'game.v1' }], adoptOnly: true });
new Engine({ listen: undefined, history: undefined, signal: new AbortController().signal });
new Engine({ receipts: true, shardCount: 2, lagBytes: 65_536, lagTimeoutMs: 5_000, memoryBytes: 1_000_000 });
// @ts-expect-error true or false
new Engine({ receipts: 'lobby' });
// @ts-expect-error no such option
new Engine({ histroy: 5 });
// @ts-expect-error a port has no name here
new Engine({ port: 1337 });
// @ts-expect-error the core's spelling
new Engine({ history_kept: 5 });
// @ts-expect-error asked by giving a handler
new Engine({ askAdmit: true });
// @ts-expect-error a number
new Engine({ history: '5' });
// @ts-expect-error true or false
new Engine({ page: 1 });
// @ts-expect-error null is not undefined
new Engine({ history: null });
// @ts-expect-error no such set
new Engine({ limits: 'none' });
// @ts-expect-error not in the palette
new Engine({ hostColor: 'white' });
// @ts-expect-error a raw path needs its path
new Engine({ raw: [{ subprotocol: 'x' }] });
// @ts-expect-error an object or an array
new Engine({ raw: '/echo' });
// @ts-expect-error an AbortSignal, not its controller
new Engine({ signal: new AbortController() });
// @ts-expect-error an object
new Engine(1337);

// Questions.
new Engine({
  admit(question) {
    isTrue<Equal<typeof question.room, string | null>>();
    isTrue<Equal<(typeof question.headers)['cookie'], string | undefined>>();
    return question.dialect === 'tutorial' ? { name: 'Ann' } : { refuse: 'no' };
  },
  async maySend({ text, user }) {
    return user === 'u1' ? true : text.toUpperCase();
  },
});
new Engine({ admit: () => true, maySend: () => ({ refuse: 'no' }) });
new Engine({ admit: () => undefined, maySend: () => false });
new Engine({ admit: async () => ({ user: 'u', name: 'Ann' }) });
new Engine({
  admit: ({ name, token }) =>
    token === null ? { name: name ?? 'Guest' } : { user: 'ann-1', name: 'Ann', role: 'owner', rooms: ['den'], expiresAtMs: 5 },
  mayJoin: async ({ room, name }) => room === 'den' && name !== null,
  call: ({ method, data }) => (method === 'weather' ? { degrees: -3.5, of: data } : undefined),
  repeatGivenNames: true,
});
// @ts-expect-error no such role
new Engine({ admit: () => ({ name: 'Ann', role: 'king' }) });
// @ts-expect-error a room takes no name
new Engine({ mayJoin: () => ({ name: 'Ann' }) });
// @ts-expect-error a text is no identity
new Engine({ admit: () => 'Ann' });
// @ts-expect-error an identity has a name
new Engine({ admit: () => ({ user: 'u1' }) });
// @ts-expect-error a message has no new author
new Engine({ maySend: () => ({ name: 'Ann' }) });
// @ts-expect-error a number says nothing
new Engine({ maySend: () => 1 });
// @ts-expect-error the text is in the question of maySend only
new Engine({ admit: ({ text }) => text === '' });
// @ts-expect-error a function
new Engine({ admit: true });

// Calls.
const engine = new Engine();
isTrue<Equal<ReturnType<Engine['start']>, Promise<string[]>>>();
isTrue<Equal<ReturnType<Engine['stop']>, Promise<void>>>();
isTrue<Equal<Engine['addresses'], string[]>>();
const position: Position = engine.broadcast('lobby', 'hi');
isTrue<Equal<typeof position.offset, number>>();
engine.broadcastAll('hi');
engine.reloadTls();
new Engine({ tlsFiles: { cert: 'cert.pem', key: 'key.pem' } });
new Engine({ tlsPem: [{ cert: 'cert', key: new Uint8Array() }] });
// @ts-expect-error a certificate has a key
new Engine({ tlsFiles: { cert: 'cert.pem' } });
engine.tell(1, 'hi');
engine.tell(1, new Uint8Array(3));
engine.tellRoom('lobby', Buffer.from('hi'));
engine.tellAll('hi');
engine.kick(1, 'rude');
engine.tellUser('ann-1', 'hi');
const moderated: Position = engine.moderate('lobby', { act: 'mute', user: 'ann-1', seconds: 60 });
engine.moderate('lobby', { act: 'clear' });
engine.moderate('lobby', { act: 'role', user: 'ann-1', role: 'owner' });
engine.join('lobby', 'ann-1');
engine.leave('lobby', 'ann-1');
engine.setRoom('lobby', { private: true, historyKept: 5 });
const ticket: string = engine.ticket({ name: 'Ann' }, 60_000);
engine.ban('ann-1');
engine.ban('ann-1', 60);
engine.banAddress('192.0.2.1', null);
// @ts-expect-error a topic is a text
engine.moderate('lobby', { act: 'topic', topic: 5 });
// @ts-expect-error no such act
engine.moderate('lobby', { act: 'dance' });
// @ts-expect-error a slow mode has seconds
engine.moderate('lobby', { act: 'slow' });
// @ts-expect-error no such field
engine.setRoom('lobby', { history_kept: 5 });
// @ts-expect-error a ticket has its time
engine.ticket({ name: 'Ann' });
// @ts-expect-error a number of seconds
engine.ban('ann-1', '60');
engine.kick(1);
engine.stop({ graceMs: 0 });
engine.ref().unref().ref();
const messages: Message[] = engine.history('lobby', { before: 5, limit: 10 });
engine.history('lobby', {});
const stats: Stats = engine.stats();
isTrue<Equal<typeof stats.slowest, readonly SlowConnection[]>>();
isTrue<Equal<typeof stats.connectionCount, number>>();
stats.slowest.map(({ connection, waitingBytes, laggingMs }) => connection + waitingBytes + laggingMs);
// @ts-expect-error read only
stats.laggingCount = 0;
// @ts-expect-error the core's spelling
stats.waiting_bytes;
// @ts-expect-error no such figure
stats.memberCount;
isTrue<Equal<ReturnType<Engine['memberCount']>, number>>();
isTrue<Equal<ReturnType<Engine['broadcastAll']>, void>>();
// @ts-expect-error a message has no connection in the log
messages[0]?.connection;
// @ts-expect-error a position, not a number
const offset: number = engine.send('lobby', 'u1', 'hi');
// @ts-expect-error read only
position.offset = 5;
// @ts-expect-error read only
engine.addresses = [];
// @ts-expect-error the user is missing
engine.send('lobby', 'hi');
// @ts-expect-error the text is missing
engine.broadcast('lobby');
// @ts-expect-error a connection is a number
engine.tell('1', 'hi');
// @ts-expect-error text or bytes
engine.tell(1, { text: 'hi' });
// @ts-expect-error an ArrayBuffer has no view
engine.tellAll(new ArrayBuffer(3));
// @ts-expect-error another word
engine.close();
// @ts-expect-error another word
engine.publish('lobby', 'hi');
// @ts-expect-error graceMs
engine.stop({ grace: 5 });
// @ts-expect-error an object
engine.stop(5000);
// @ts-expect-error no such field
engine.history('lobby', { after: 5 });

// Events.
isTrue<Equal<(typeof messages)[0]['deleted'], true | undefined>>();
engine.on('away', ({ user, message }) => `${user} ${message.text} ${moderated.offset} ${ticket}`);
isTrue<Equal<Engine extends EventEmitter ? true : false, true>>();
engine.on('started', ({ addresses }) => addresses.map((address) => address.length));
engine.on('connected', ({ connection, dialect, room, path, address }) => {
  isTrue<Equal<[typeof connection, typeof dialect], [number, 'tutorial' | 'raw' | 'v1']>>();
  isTrue<Equal<[typeof room, typeof path, typeof address], [string | null, string, string | null]>>();
});
engine.once('named', ({ connection, user, name, color }) => `${connection}${user}${name}${color}`);
engine.prependListener('joined', ({ room, memberCount }) => `${room}${memberCount + 1}`);
engine.prependOnceListener('left', ({ name }) => name.length);
engine.addListener('message', (message) => {
  isTrue<Equal<typeof message, MessageEvent>>();
  isTrue<Equal<typeof message.connection, number | null>>();
  new Date(message.atMs);
});
engine.on('received', ({ connection, data }) => {
  engine.tell(connection, data);
  // @ts-expect-error it may be bytes
  data.toUpperCase();
});
engine.on('disconnected', ({ code, reason }) => `${code + 1}${reason}`);
engine.on('refused', ({ connection, error }) => {
  isTrue<Equal<typeof connection, number | null>>();
  isTrue<Equal<typeof error, KlatschError>>();
});
engine.on('receipt', (receipt) => {
  isTrue<Equal<typeof receipt, ReceiptEvent>>();
  isTrue<Equal<typeof receipt.position, Position>>();
  return receipt.sentCount + receipt.queuedCount + receipt.laggingCount === receipt.connectionCount;
});
// @ts-expect-error no such event
engine.on('receipts', () => {});
engine.on('missed', ({ count }) => count + 1);
engine.on('degraded', (error) => error.code);
engine.on('error', (error) => error.message);
engine.on('error', (error) => {
  // @ts-expect-error it may be a handler's own
  error.code;
  if (error instanceof KlatschError) isTrue<Equal<typeof error.code, ErrorCode>>();
});
engine.on('stopped', () => {});
engine.off('stopped', () => {}).removeListener('error', () => {}).removeAllListeners('message');
once(engine, 'message').then(([message]) => message);
// @ts-expect-error no such event
engine.on('mesage', () => {});
// @ts-expect-error no such event
engine.once('close', () => {});
// @ts-expect-error no such event
engine.off('open', () => {});
// @ts-expect-error no such event
engine.addListener('data', () => {});
// @ts-expect-error no such event
engine.prependListener('join', () => {});
// @ts-expect-error questions go to their handlers
engine.on('question', () => {});
// @ts-expect-error nothing comes with it
engine.on('stopped', (reason) => reason);
// @ts-expect-error one object, not two values
engine.on('message', (message, connection) => connection);
// @ts-expect-error no such field
engine.on('joined', ({ members }) => members);
// @ts-expect-error the field is memberCount
engine.on('left', ({ member_count }) => member_count);
// @ts-expect-error no such event
engine.listenerCount('mesage');

// Attaching.
const detach = engine.attach(http.createServer());
isTrue<Equal<typeof detach, () => void>>();
engine.attach(http.createServer(), { path: '/chat' });
// @ts-expect-error its connections cannot be taken over yet
engine.attach(https.createServer());
// @ts-expect-error a server, not its port
engine.attach(1337);
// @ts-expect-error no such field
engine.attach(http.createServer(), { url: '/chat' });

// Errors.
const code: ErrorCode = new KlatschError('busy', 'later').code;
isTrue<Equal<KlatschError['number'], number>>();
// @ts-expect-error no such code
if (code === 'not_found') throw code;
// @ts-expect-error no such code
new KlatschError('not_found', 'words');

async function disposes(): Promise<void> {
  await using inner = new Engine();
  await inner.start();
}
export { disposes, offset };
