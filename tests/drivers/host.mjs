// Drives the Node door by lines, so that the scenarios that all doors share run through it too.
//
// In: one command a line on stdin, its fields separated by tabs; a backslash, a tab and a newline inside a field
// are written \\ \t \n. Out: one reply a command, in order, `ok …` or `error CODE WORDS`; and `event KIND …` as
// they come. Questions are numbered here, from 1: this door gives each to a handler and shows no number.

import { createInterface } from 'node:readline';

import klatsch from '../../node/index.js';

const { Engine, KlatschError } = klatsch;

const NAMES = { false: false, true: true };
const LISTS = ['listen', 'allow_origin', 'allow_host', 'trusted_proxy', 'reserve_name'];
const TEXTS = ['path', 'host_name', 'host_color', 'limits'];

let engine = null;
let options = {};
let questionCount = 0;
/** Questions that wait, number → function that answers. */
const open = new Map();

const camelCase = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const escape = (field) => String(field).replace(/[\\\t\n]/g, (char) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n' })[char]);
const unescape = (field) => field.replace(/\\(.)/g, (_, char) => ({ t: '\t', n: '\n' })[char] ?? char);
const print = (...fields) => process.stdout.write(`${fields.map((field) => escape(field ?? '')).join('\t')}\n`);

const payload = (kind, data) => (kind === 'binary' ? Buffer.from(data, 'hex') : data);

function ask(subject, ...fields) {
  const id = ++questionCount;
  print('event', 'question', id, subject, ...fields);
  return new Promise((resolve) => open.set(id, resolve));
}

const handlers = {
  ask_admit: {
    admit: ({ connection, dialect, room, path, name, token }) =>
      ask('admit', connection, dialect, room, path, name, token),
  },
  ask_may_join: {
    mayJoin: ({ connection, room, user, name }) => ask('may_join', connection, room, user, name),
  },
  ask_call: {
    call: ({ connection, user, name, method, data }) =>
      ask('call', connection, user, name, method, JSON.stringify(data)),
  },
  ask_may_send: {
    maySend: ({ connection, room, user, name, text }) => ask('may_send', connection, room, user, name, text),
  },
};

const events = {
  started: ({ addresses }) => addresses,
  connected: ({ connection, dialect, room, path }) => [connection, dialect, room, path],
  named: ({ connection, user, name, color }) => [connection, user, name, color],
  joined: ({ room, connection, user, name, memberCount }) => [room, connection, user, name, memberCount],
  left: ({ room, connection, user, name, memberCount }) => [room, connection, user, name, memberCount],
  message: ({ connection, room, position, user, name, text }) => [connection, room, position.offset, user, name, text],
  away: ({ user, message }) => [user, message.name, message.text],
  received: ({ connection, data }) =>
    typeof data === 'string' ? [connection, 'text', data] : [connection, 'binary', data.toString('hex')],
  disconnected: ({ connection, code, reason }) => [connection, code, reason],
  refused: ({ connection, error }) => [connection, error.code],
  receipt: ({ room, position, connectionCount, sentCount, queuedCount, laggingCount }) =>
    [room, position.offset, connectionCount, sentCount, queuedCount, laggingCount],
  missed: ({ count }) => [count],
  degraded: (error) => [error.code],
  error: (error) => [error.code],
  stopped: () => [],
};

/** `undefined`: it is left out. */
const given = (field, read = (text) => text) => (field === '' ? undefined : read(field));

const admission = (user, name, role, rooms, expiresAtMs) => ({
  user: given(user),
  name,
  role: given(role),
  rooms: given(rooms, (text) => text.split(',')),
  expiresAtMs: given(expiresAtMs, Number),
});

/** What each act has beside its user. */
const values = {
  mute: (value) => ({ seconds: given(value, Number) }),
  ban: (value) => ({ seconds: given(value, Number) }),
  slow: (value) => ({ seconds: Number(value) }),
  topic: (value) => ({ topic: value }),
  role: (value) => ({ role: value }),
};

const verdicts = {
  allow: () => true,
  allow_as: (...fields) => admission(...fields),
  answer: (json) => JSON.parse(json),
  rewrite: (text) => text,
  refuse: (reason) => ({ refuse: reason }),
};

/** What each command does; gives the fields of its reply. */
const commands = {
  option(name, ...values) {
    const [value] = values;
    if (name in handlers) {
      if (value === 'true') Object.assign(options, handlers[name]);
    } else if (name === 'raw') {
      (options.raw ??= []).push({ path: value, subprotocol: values[1] ?? '' });
    } else if (LISTS.includes(name)) {
      (options[camelCase(name)] ??= []).push(value);
    } else if (TEXTS.includes(name)) {
      options[camelCase(name)] = value;
    } else {
      // What is neither goes in as it is: the engine says what is wrong with it.
      options[camelCase(name)] = NAMES[value] ?? (/^-?\d+$/.test(value) ? Number(value) : value);
    }
    return [];
  },
  new() {
    const made = new Engine(options);
    options = {};
    for (const [kind, fields] of Object.entries(events)) {
      made.on(kind, (event) => print('event', kind, ...fields(event)));
    }
    engine = made;
    return [];
  },
  start: () => engine.start(),
  async stop(graceMs) {
    await engine.stop({ graceMs: Number(graceMs) });
    return [];
  },
  broadcast: (room, text) => [engine.broadcast(room, text).offset],
  broadcast_all: (text) => [engine.broadcastAll(text)],
  tell: (connection, kind, data) => [engine.tell(Number(connection), payload(kind, data))],
  tell_room: (room, kind, data) => [engine.tellRoom(room, payload(kind, data))],
  tell_all: (kind, data) => [engine.tellAll(payload(kind, data))],
  send: (room, user, text) => [engine.send(room, user, text).offset],
  edit: (room, offset, text) => [engine.edit(room, Number(offset), text).offset],
  delete: (room, offset) => [engine.delete(room, Number(offset)).offset],
  kick: (connection, reason) => [engine.kick(Number(connection), reason)],
  tell_user: (user, text) => [engine.tellUser(user, text)],
  moderate: (room, act, user, value) =>
    [engine.moderate(room, { act, user: given(user), ...values[act]?.(value) }).offset],
  join: (room, user) => [engine.join(room, user)],
  leave: (room, user) => [engine.leave(room, user)],
  set_room(room, isPrivate, readOnly, maxMemberCount, historyKept) {
    const isTrue = (text) => text === 'true';
    engine.setRoom(room, {
      private: given(isPrivate, isTrue),
      readOnly: given(readOnly, isTrue),
      maxMemberCount: given(maxMemberCount, Number),
      historyKept: given(historyKept, Number),
    });
    return [];
  },
  ticket: (ttlMs, ...fields) => [engine.ticket(admission(...fields), Number(ttlMs))],
  ban: (user, seconds) => [engine.ban(user, given(seconds, Number))],
  ban_address: (address, seconds) => [engine.banAddress(address, given(seconds, Number))],
  rooms: () => engine.rooms().flatMap(({ name, memberCount, position }) => [name, memberCount, position.offset]),
  members: (room) =>
    engine.members(room).flatMap(({ user, name, color, connectionCount }) => [user, name, color, connectionCount]),
  member_count: (room) => [engine.memberCount(room)],
  history: (room, before, limit) =>
    engine
      .history(room, { before: Number(before), limit: Number(limit) })
      .flatMap(({ position, name, text }) => [position.offset, name, text]),
  stats() {
    const { connectionCount, handshakeCount, laggingCount, roomCount } = engine.stats();
    return [connectionCount, handshakeCount, laggingCount, roomCount];
  },
  answer(question, verdict, ...fields) {
    const resolve = open.get(Number(question));
    if (resolve === undefined) throw new KlatschError('unknown_question', `no question ${question} is open`);
    open.delete(Number(question));
    resolve(verdicts[verdict](...fields));
    return [];
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...fields] = line.split('\t').map(unescape);
  if (command === 'quit') break;
  try {
    if (!(command in commands)) throw new KlatschError('invalid_argument', `there is no command ${command}`);
    const reply = await commands[command](...fields);
    // A call that gives nothing replies with nothing.
    print('ok', ...reply.filter((field) => field !== undefined));
  } catch (error) {
    print('error', error.code ?? 'internal', error.message);
  }
}
await engine?.stop({ graceMs: 0 });
process.stdin.unref?.();
