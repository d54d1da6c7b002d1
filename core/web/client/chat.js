// The chat client: rooms that stay whole, for browsers and Node. It speaks `klatsch.v1` (docs/protocol-v1.md); what each call
// does stands in klatsch.d.ts.
//
// What comes over the wire keeps its names (`reply_to`); what is the client's own has JavaScript's (`memberCount`). The parts:
// `line.js` is the connection, `requests.js` what is asked and said, `rooms.js` and `log.js` what is known. `klatsch.js` is all of
// them in one file, without comments: `node web/build.mjs` makes it.

import { closedError } from './error.js';
import { Line, Timers } from './line.js';
import { Requests, promised, rejected } from './requests.js';
import { Rooms } from './rooms.js';

export { ChatError } from './error.js';
export { indexedDbStore } from './store.js';

const DEFAULTS = {
  name: undefined, token: undefined, store: undefined, WebSocket: undefined, random: Math.random,
  clock: {
    now: () => Date.now(),
    setTimeout: (act, ms) => setTimeout(act, ms),
    clearTimeout: (timer) => clearTimeout(timer),
  },
  heartbeatMs: 25_000, heartbeatTimeoutMs: 10_000, helloTimeoutMs: 10_000, reconnectMinMs: 500, reconnectMaxMs: 30_000,
  maxOutboxCount: 1000, history: 50, keptMessageCount: 1000,
};
const SAVE_MS = 250; // positions may be that much behind in the store; the outbox never is
const MIN_REFRESH_MS = 1000;

export class Chat {
  #options;
  #timers;
  #line;
  #requests;
  #rooms;
  #me = { user: null, name: null, color: null };
  #limits = {};
  #session = null;
  #isLoaded = false;
  #isSaving = false;
  #mustSave = false;
  #listeners = new Map();
  #iterators = new Set();
  #watchers = new Set();
  #changed = new Set(); // what changed since its subscribers were told
  #snapshot = null;

  constructor(url, options = {}) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [name] of given) if (!Object.hasOwn(DEFAULTS, name)) throw new TypeError(`there is no option ${name}`);
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...Object.fromEntries(given) };
    if (!this.#options.WebSocket) throw new TypeError('there is no WebSocket here; give one as an option');
    const { clock, random } = this.#options;
    const address = new URL(url, globalThis.location?.href).href.replace(/^http/, 'ws');
    const letters = () => random().toString(36).slice(2, 12);
    // What a timer does is told like what a frame does: when all of it is done.
    this.#timers = new Timers({ ...clock, setTimeout: (act, ms) => clock.setTimeout(() => this.#tellAfter(act), ms) });
    this.#line = new Line(address, this.#options, this.#timers, this.#lineOwner());
    this.#requests = new Requests(this.#requestsOwner(), letters() + letters());
    this.#rooms = new Rooms(this.#roomsOwner());
    this.#begin();
  }

  get state() { return this.#line.state; }
  get retryAt() { return this.#line.retryAt; }
  get closed() { return this.#line.closed; }
  get user() { return this.#me.user; }
  get name() { return this.#me.name; }
  get color() { return this.#me.color; }
  get limits() { return this.#limits; }
  get joined() { return [...this.#rooms.logs.values()].map(({ room }) => room); }
  get outbox() { return this.#requests.outbox.map(({ request, at }) => ({ ...request, isSent: at !== null })); }

  room(name) {
    return this.#rooms.logs.get(name)?.room;
  }

  on(kind, listener) {
    if (!this.#listeners.has(kind)) this.#listeners.set(kind, new Set());
    this.#listeners.get(kind).add(listener);
    return () => this.off(kind, listener);
  }

  off(kind, listener) {
    this.#listeners.get(kind)?.delete(listener);
  }

  [Symbol.asyncIterator]() {
    const events = [];
    let wake;
    const take = (event) => {
      events.push(event);
      wake?.();
    };
    this.#iterators.add(take);
    return (async function* (chat, iterators) {
      try {
        for (;;) {
          while (events.length) yield events.shift();
          if (chat.state === 'closed') return;
          await new Promise((resolve) => { wake = resolve; });
        }
      } finally {
        iterators.delete(take);
      }
    })(this, this.#iterators);
  }

  subscribe = (listener) => {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  };

  getSnapshot = () => (this.#snapshot ??= Object.freeze({
    state: this.state, retryAt: this.retryAt, closed: this.closed, ...this.#me,
    joined: Object.freeze([...this.#rooms.logs.keys()]), outbox: Object.freeze(this.outbox),
  }));

  reconnect() {
    this.#tellAfter(() => this.#line.reconnect());
  }

  close() {
    this.#tellAfter(() => this.#line.end(1000, ''));
  }

  // ---- requests

  join(room, { history = this.#options.history, since } = {}) {
    return this.#ask({ do: 'join', room, since, history: since ? undefined : history }, 'again', (ok) => {
      const log = this.#rooms.logs.get(room);
      this.#rooms.enter(log ?? this.#rooms.open(room, since), ok, log !== undefined || since !== undefined);
    });
  }

  async leave(room) {
    // What was said before goes before; how that ends, who said it is told.
    await Promise.allSettled(this.#requests.outbox.filter(({ request }) => request.room === room).map(({ promise }) => promise));
    return this.#ask({ do: 'leave', room }, 'again', () => this.#rooms.drop(this.#rooms.logs.get(room)));
  }

  rooms(options) {
    return this.#ask({ do: 'rooms', ...options }, 'again', ({ rooms }) => {
      for (const { room, topic, with: other, member_count } of rooms) this.#learn(room, { topic, with: other, memberCount: member_count });
    });
  }

  send(target, text, { reply_to, data } = {}) {
    return this.#commit({ do: 'send', ...targetOf(target), text, reply_to, data });
  }

  edit(room, offset, text) {
    return this.#commit({ do: 'edit', room, offset, text });
  }

  delete(room, offset, { reason } = {}) {
    return this.#commit({ do: 'delete', room, offset, reason });
  }

  react(room, offset, emoji, add = true) {
    return this.#commit({ do: 'react', room, offset, emoji, add });
  }

  history(room, options = {}) {
    return this.#ask({ do: 'history', room, ...options }, 'again', (page) => this.#rooms.page(room, options, page));
  }

  members(room, options) {
    const learn = ({ member_count }) => this.#learn(room, { memberCount: member_count });
    return this.#ask({ do: 'members', room, ...options }, 'again', learn);
  }

  read(room, offset = this.#rooms.logs.get(room)?.position.offset) {
    return this.#ask({ do: 'read', room, offset }, 'again', (ok) => this.#rooms.markRead(room, ok.offset));
  }

  typing(room, isActive = true) {
    return this.#ask({ do: 'typing', room, state: isActive ? 'active' : 'done' }, 'now');
  }

  tell(target, data) {
    return this.#ask({ do: 'tell', ...targetOf(target), data }, 'now');
  }

  rename(name) {
    return this.#ask({ do: 'rename', name }, 'once', (ok) => this.#renamed(ok));
  }

  moderate(room, act, fields) {
    return this.#ask({ do: 'moderate', room, act, ...fields }, 'once');
  }

  block(user, on = true) {
    return this.#ask({ do: 'block', user, on }, 'again');
  }

  call(method, data) {
    return this.#ask({ do: 'call', method, data }, 'once');
  }

  search(query, options) {
    return this.#ask({ do: 'search', query, ...options }, 'again');
  }

  refresh(token) {
    return this.#ask({ do: 'refresh', token }, 'once', ({ expires_at }) => this.#planRefresh(expires_at));
  }

  #ask(request, mode, onOk) {
    if (this.closed || (mode === 'now' && this.state !== 'open')) return rejected(closedError('there is no connection'));
    return promised((resolve, reject) => this.#requests.ask(request, mode, (error, ok) => {
      if (error) return reject(error);
      onOk?.(ok);
      resolve(ok);
    }));
  }

  #commit(request) {
    if (this.closed) return rejected(closedError());
    return this.#tellAfter(() => this.#requests.commit(request, this.#options.maxOutboxCount));
  }

  #learn(room, fields) {
    const log = this.#rooms.logs.get(room);
    if (!log) return;
    Object.assign(log, fields, { snapshot: null });
    this.#touch(log);
  }

  // ---- what the parts see of one another

  #lineOwner() {
    const chat = this;
    return {
      get session() { return chat.#session; },
      set session(session) { chat.#session = session; },
      get isKnown() { return chat.#me.user !== null; },
      hello: (token) => chat.#hello(token),
      opened: (ok, tell) => chat.#tellAfter(() => chat.#opened(ok, tell)),
      heard: (document) => chat.#tellAfter(() => chat.#heard(document)),
      broke() {
        chat.#timers.disarm('refresh');
        chat.#rooms.broke();
        chat.#requests.broke();
      },
      changed: (why) => chat.#lineChanged(why),
      failed: (error) => chat.#emit('error', { error }),
    };
  }

  #requestsOwner() {
    const chat = this;
    return {
      get isOpen() { return chat.state === 'open'; },
      get user() { return chat.#me.user; },
      get limits() { return chat.#limits; },
      timers: chat.#timers,
      now: () => chat.#options.clock.now(),
      write: (document) => chat.#line.write(document),
      changed() {
        chat.#save(true);
        chat.#touch();
      },
      failed: (error, request) => chat.#emit('error', { error, request }),
    };
  }

  #roomsOwner() {
    const chat = this;
    return {
      get isOpen() { return chat.state === 'open'; },
      get isClosed() { return chat.closed !== null; },
      get user() { return chat.#me.user; },
      options: chat.#options,
      timers: chat.#timers,
      ask: (request, mode, done) => chat.#requests.ask(request, mode, done),
      emit: (kind, fields) => chat.#emit(kind, fields),
      renamed: (record) => chat.#renamed(record),
      touch(log) {
        chat.#touch(log);
        chat.#save(false);
      },
    };
  }

  async #begin() {
    const { store } = this.#options;
    if (store) {
      try {
        this.#restore(await store.load());
      } catch (error) {
        this.#emit('error', { error });
      }
      if (this.closed) return;
      this.#isLoaded = true;
    }
    this.#tellAfter(() => this.#line.connect());
  }

  #hello(token) {
    const rooms = Object.fromEntries([...this.#rooms.logs.values()].map(({ name, position }) => [name, position]));
    const resume = this.#session === null ? undefined : { session: this.#session, rooms };
    const name = this.#me.name ?? this.#options.name;
    return { id: this.#requests.nextId, do: 'hello', name, token, heartbeat_ms: this.#options.heartbeatMs, resume };
  }

  #opened(ok, tell) {
    this.#me = { user: ok.user, name: ok.name, color: ok.color };
    this.#session = ok.session;
    this.#limits = ok.limits ?? {};
    tell();
    this.#planRefresh(ok.expires_at, ok.time);
    this.#rooms.resume(new Map(Object.entries(ok.rooms ?? {})));
    this.#requests.opened();
    this.#save(true);
  }

  #heard(document) {
    if (document.on !== undefined) this.#rooms.event(document);
    else if (document.id !== undefined) this.#requests.answer(document);
    else if (document.error) this.#emit('error', { error: document.error });
  }

  #lineChanged(why) {
    if (this.closed) {
      this.#save(true);
      this.#timers.clear();
      this.#requests.ended(why.error);
    }
    this.#touch();
    this.#emit('state', { state: this.state, retryAt: this.retryAt, ...why });
  }

  #renamed({ name, color }) {
    this.#me = { ...this.#me, name, color: color ?? this.#me.color };
    this.#touch();
  }

  /** Gives a fresh token when most of the old one's time is over. */
  #planRefresh(expiresAt, now = this.#options.clock.now()) {
    const { token } = this.#options;
    if (typeof token !== 'function' || !expiresAt) return;
    this.#timers.arm('refresh', Math.max(MIN_REFRESH_MS, (expiresAt - now) * 0.8), async () => {
      try {
        await this.refresh(await token());
      } catch (error) {
        this.#emit('error', { error });
        if (this.state === 'open') this.#planRefresh(expiresAt);
      }
    });
  }

  // ---- telling, and keeping

  #emit(kind, fields) {
    const event = { ...fields, on: kind };
    for (const listener of [...(this.#listeners.get(kind) ?? []), ...this.#iterators]) heed(listener, event);
  }

  #touch(log) {
    this.#snapshot = null;
    this.#changed.add(this);
    if (log) this.#changed.add(log.room);
  }

  /** Subscribers are told when all is done that came at once. */
  #tellAfter(act) {
    try {
      return act();
    } finally {
      const changed = [...this.#changed];
      this.#changed.clear();
      for (const who of changed) for (const listener of [...(who === this ? this.#watchers : who.listeners)]) heed(listener);
    }
  }

  #restore(saved) {
    if (!saved) return;
    this.#session = saved.session;
    this.#requests.restore(saved.outbox);
    for (const [name, position] of saved.rooms) this.#rooms.open(name, position).isBare = true;
  }

  #save(isUrgent) {
    if (!this.#isLoaded) return;
    if (isUrgent) this.#saveNow();
    else if (!this.#timers.has('save')) this.#timers.arm('save', SAVE_MS, () => this.#saveNow());
  }

  /** One after the other, so that an older state never comes after a newer one. */
  async #saveNow() {
    this.#mustSave = true;
    if (this.#isSaving) return;
    this.#isSaving = true;
    while (this.#mustSave) {
      this.#mustSave = false;
      try {
        await this.#options.store.save({
          session: this.#session,
          rooms: [...this.#rooms.logs.values()].map(({ name, position }) => [name, position]),
          outbox: this.#requests.outbox.map(({ request, user, at }) => ({ request, user, at })),
        });
      } catch (error) {
        this.#emit('error', { error });
      }
    }
    this.#isSaving = false;
  }
}

const targetOf = (target) => (typeof target === 'string' ? { room: target } : { to: target.to });

/** What a listener throws is an error of the program, not of the chat. */
function heed(listener, event) {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}
