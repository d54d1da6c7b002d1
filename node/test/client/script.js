'use strict';
// A server that a test speaks itself, and a clock that it turns by hand: nothing of the client's is left to chance or to time.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '..', '..', '..');

/** The client as it is served and shipped. */
const loadClient = () => import(join(ROOT, 'core', 'web', 'klatsch.js'));

/** Numbers that look random and are the same for the same seed. */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Time that stands still until it is turned. */
class HandClock {
  time = 1_700_000_000_000;
  skew = 0; // by how much the clock on the wall is wrong
  #timers = new Map();
  #lastId = 0;

  now = () => this.time + this.skew;

  setTimeout = (act, ms) => {
    this.#timers.set(++this.#lastId, { act, at: this.time + ms });
    return this.#lastId;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  get timerCount() {
    return this.#timers.size;
  }

  /** When the next timer is due. */
  get next() {
    return Math.min(...[...this.#timers.values()].map(({ at }) => at));
  }

  /** Lets time pass; the timers that are due are run in their order. */
  turn(ms) {
    const end = this.time + ms;
    while (this.next <= end) {
      const [id, { act, at }] = [...this.#timers].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      this.#timers.delete(id);
      this.time = Math.max(this.time, at);
      act();
    }
    this.time = end;
  }
}

/** An open chat, with the script of its server. */
async function meet(t, options, welcome) {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ name: 'Ann', ...options }));
  t.after(() => chat.close());
  script.greet(welcome);
  return { chat, script };
}

/** By which name it fails. */
const codeOf = async (promise) => (await promise.then(() => ({ name: 'fulfilled' }), (error) => error)).name;

/** Lets promises that are settled be heard. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

class Script {
  clock = new HandClock();
  sockets = [];

  constructor() {
    const script = this;
    this.WebSocket = class {
      sent = [];
      closedWith = undefined;

      constructor(url, protocol) {
        Object.assign(this, { url, protocol });
        script.sockets.push(this);
      }

      send(text) {
        this.sent.push(JSON.parse(text));
      }

      close(code) {
        this.closedWith = code;
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  options(more = {}) {
    return { WebSocket: this.WebSocket, clock: this.clock, random: seeded(1), ...more };
  }

  /** What was sent since it was last asked. */
  sent(kind) {
    const sent = this.socket.sent.splice(0);
    return kind === undefined ? sent : sent.filter((request) => request.do === kind);
  }

  /** The one request that was sent since. */
  one(kind) {
    const sent = this.sent();
    if (sent.length !== 1 || sent[0].do !== kind) throw new Error(`one ${kind} should be sent, not ${JSON.stringify(sent)}`);
    return sent[0];
  }

  say(...documents) {
    for (const document of documents) this.socket.onmessage?.({ data: JSON.stringify(document) });
  }

  ok({ id }, ok = {}) {
    this.say({ id, ok });
  }

  refuse({ id }, name, fields = {}) {
    const code = { rate_limited: 211, not_member: 204, banned: 210, unauthorized: 216, name_taken: 208, store_unavailable: 401 }[name] ?? 120;
    this.say({ id, error: { code, name, message: `refused: ${name}`, ...fields } });
  }

  drop(code = 1006, reason = '') {
    this.socket.onclose?.({ code, reason });
  }

  /** The server accepts the connection, and the client says hello. */
  open() {
    this.socket.onopen();
    return this.one('hello');
  }

  welcome(hello, fields = {}) {
    this.ok(hello, { ...WELCOME, time: this.clock.time, ...fields });
  }

  /** From nothing to open. */
  greet(fields) {
    const hello = this.open();
    this.welcome(hello, fields);
    return hello;
  }

  /** Waits for the next try, and opens it. */
  comeBack(fields) {
    const count = this.sockets.length;
    for (let at = 0; this.sockets.length === count; at++) {
      if (at > 100) throw new Error('it does not come back');
      this.clock.turn(Math.max(0, this.clock.next - this.clock.time));
    }
    return this.greet(fields);
  }

  /** Joins a room of that state. */
  async join(chat, room, fields = {}) {
    const joined = chat.join(room);
    this.ok(this.one('join'), { ...page(), room, ...fields });
    await joined;
    return chat.room(room);
  }
}

const WELCOME = {
  connection: 7, user: 'u7', name: 'Ann', color: 'red', session: 's3cr3t', heartbeat_ms: 25_000,
  limits: { max_text_bytes: 16_384, dedupe_ms: 86_400_000 },
};

const EPOCH = 1_795_350_666_581;

/** What `join` answers: the newest messages, given by their texts; the last of them has that offset. */
function page(texts = [], offset = texts.length, fields = {}) {
  const messages = texts.map((text, at) => message(offset - texts.length + 1 + at, text));
  return {
    epoch: EPOCH, offset, recovered: false, messages, members: [], member_count: 1, read: offset, unread_count: 0, ...fields,
  };
}

function message(offset, text = `m${offset}`, fields = {}) {
  return { epoch: EPOCH, offset, mid: `b-${offset}`, user: 'u8', name: 'Bob', color: 'green', at: 1_700_000_000_000, text, ...fields };
}

/** A record of the room, as an event. */
function said(offset, text, fields = {}, room = 'lobby') {
  const { prev, epoch = EPOCH, ...more } = fields;
  const record = { on: 'message', room, epoch, offset, message: message(offset, text, { epoch, ...more }) };
  return prev === undefined ? record : { ...record, prev };
}

function changed(on, offset, of, fields = {}, room = 'lobby') {
  return { on, room, epoch: EPOCH, offset, of, mid: `b-${offset}`, user: 'u8', at: 1_700_000_000_000, ...fields };
}

/** The events of these kinds, as they come. */
function collect(chat, ...kinds) {
  const events = [];
  for (const kind of kinds) chat.on(kind, (event) => events.push(event));
  return events;
}

/** The documents that the engine's codec is tested with, by name. */
function transcripts() {
  const read = (file, way) => {
    const lines = readFileSync(join(ROOT, 'tests', 'transcripts', 'v1', `${file}.txt`), 'utf8').split('\n');
    const found = lines.map((line) => line.match(/^(\S+) ([<>]) (\{.*\})$/)).filter((match) => match?.[2] === way);
    return new Map(found.map(([, name, , text]) => [name, JSON.parse(text)]));
  };
  const parts = { events: read('events', '<'), refusals: read('refusals', '<'), replies: read('requests', '<'), requests: read('requests', '>') };
  const get = (part) => (name) => parts[part].get(name);
  return { event: get('events'), refusal: get('refusals'), reply: get('replies'), request: get('requests') };
}

/** A chat that is in the lobby, which has these messages. */
async function enter(t, { texts = [], options, fields } = {}) {
  const { Chat } = await loadClient();
  const script = new Script();
  const chat = new Chat('ws://chat.example/', script.options({ name: 'Ann', ...options }));
  t.after(() => chat.close());
  script.greet();
  const room = await script.join(chat, 'lobby', page(texts, texts.length, fields));
  return { chat, script, room };
}

const texts = (room) => room.messages.map(({ text }) => text);
const offsets = (events) => events.map(({ offset }) => offset);
const bare = ({ room: _, ...record }) => record;

module.exports = { ROOT, EPOCH, WELCOME, Script, HandClock, loadClient, meet, enter, texts, offsets, bare, codeOf, seeded, settle, page, message, said, changed, collect, transcripts };
