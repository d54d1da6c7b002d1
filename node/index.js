'use strict';
// The public face of the Node door; `index.d.ts` describes it, `src` is its native half.

const { EventEmitter } = require('node:events');

const { native, KlatschError, call, fromEvent } = require('./lib/error.js');
const {
  readOptions,
  readFields,
  text,
  wholeNumber,
  milliseconds,
  seconds,
  choice,
  object,
  payload,
} = require('./lib/arguments.js');
const { verdictOf, questionOf } = require('./lib/questions.js');
const { attach, obstacle, handOver, refuse } = require('./lib/attach.js');

/** Most events that are taken over at once. */
const BATCH_COUNT = 256;
/** How long events may keep the event loop before everything else gets its turn. */
const TURN_MS = 8;
const GRACE_MS = 5_000;
const closeCodes = Object.freeze(JSON.parse(call(() => native.closeCodes())));
const KINDS = new Set(JSON.parse(call(() => native.eventKinds())));
/** What comes although nobody listens: an error must not pass unheard, and the end of a run is told by it. */
const ALWAYS_WANTED = ['error', 'stopped'];

/** What runs: `process.exit` asks nobody else, and must find no thread of the engine's at work. */
const running = new Set();
process.on('exit', () => {
  for (const engine of running) engine.halt();
});

class Engine extends EventEmitter {
  #native;
  #handlers;
  #signal;
  #onAbort = null;
  #referenced = true;
  #running = false;
  /** The newest stop's `{promise, resolve, reject, pending}`. */
  #stopping = null;
  /** Events that were taken over, and how many of them were handled. */
  #batch = [];
  #handledCount = 0;
  /** The kinds of events that come here. */
  #wanted = new Set(ALWAYS_WANTED);
  /** The next turn, when one was cut short. */
  #nextTurn = null;

  constructor(options = {}) {
    super();
    const { json, handlers, signal } = readOptions(options);
    this.#native = call(() => new native.NativeEngine(json, Object.keys(handlers)));
    this.#tellWanted();
    this.#handlers = handlers;
    this.#signal = signal;
  }

  async start() {
    this.#signal?.throwIfAborted();
    if (this.#stopping?.pending) {
      throw new KlatschError('already_running', 'the engine is still stopping; start it when stop() has resolved');
    }
    // The native half holds this function, and so the engine, from here to the end of the run: a running
    // engine is not collected, a stopped one is.
    const wake = Engine.#wake.bind(undefined, this);
    const addresses = JSON.parse(call(() => this.#native.start(wake, this.#referenced)));
    this.#running = true;
    running.add(this.#native);
    this.#stopping = null;
    if (this.#signal !== undefined) {
      this.#onAbort = () => this.stop().catch((error) => this.#report(error));
      this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    return addresses;
  }

  // Not async: a second call gives the very same promise.
  stop(options = {}) {
    try {
      const { graceMs } = readFields('stop', options, { graceMs: GRACE_MS });
      milliseconds('graceMs', graceMs);
      if (this.#running) {
        call(() => this.#native.stop(graceMs));
        // Whoever waits for the end does not want the process to end before.
        call(() => this.#native.keepAlive(true));
      }
    } catch (error) {
      return Promise.reject(error);
    }
    this.#stopping ??= pendingPromise();
    if (!this.#running) this.#stopping.resolve();
    return this.#stopping.promise;
  }

  get addresses() {
    return JSON.parse(call(() => this.#native.addresses()));
  }

  reloadTls() {
    call(() => this.#native.reloadTls());
  }

  broadcast(room, message) {
    text('room', room);
    text('text', message);
    return JSON.parse(call(() => this.#native.broadcast(room, message)));
  }

  broadcastAll(message) {
    text('text', message);
    call(() => this.#native.broadcastAll(message));
  }

  tell(connection, data) {
    wholeNumber('connection', connection);
    const checked = payload('data', data);
    const tell = typeof checked === 'string' ? 'tellText' : 'tellBytes';
    call(() => this.#native[tell](connection, checked));
  }

  tellRoom(room, data) {
    text('room', room);
    const checked = payload('data', data);
    const tell = typeof checked === 'string' ? 'tellRoomText' : 'tellRoomBytes';
    call(() => this.#native[tell](room, checked));
  }

  tellAll(data) {
    const checked = payload('data', data);
    const tell = typeof checked === 'string' ? 'tellAllText' : 'tellAllBytes';
    call(() => this.#native[tell](checked));
  }

  send(room, user, message) {
    text('room', room);
    text('user', user);
    text('text', message);
    return JSON.parse(call(() => this.#native.send(room, user, message)));
  }

  edit(room, offset, message) {
    text('room', room);
    wholeNumber('offset', offset);
    text('text', message);
    return JSON.parse(call(() => this.#native.edit(room, offset, message)));
  }

  delete(room, offset) {
    text('room', room);
    wholeNumber('offset', offset);
    return JSON.parse(call(() => this.#native.delete(room, offset)));
  }

  tellUser(user, message) {
    text('user', user);
    text('text', message);
    call(() => this.#native.tellUser(user, message));
  }

  moderate(room, act) {
    text('room', room);
    const json = object('act', act);
    return JSON.parse(call(() => this.#native.moderate(room, json)));
  }

  join(room, user) {
    text('room', room);
    text('user', user);
    call(() => this.#native.join(room, user));
  }

  leave(room, user) {
    text('room', room);
    text('user', user);
    call(() => this.#native.leave(room, user));
  }

  setRoom(room, options) {
    text('room', room);
    const known = { private: undefined, readOnly: undefined, maxMemberCount: undefined, historyKept: undefined };
    const { private: isPrivate, readOnly, maxMemberCount, historyKept } = readFields('setRoom', options, known);
    choice('private', isPrivate);
    choice('readOnly', readOnly);
    if (maxMemberCount !== undefined) wholeNumber('maxMemberCount', maxMemberCount);
    if (historyKept !== undefined) wholeNumber('historyKept', historyKept);
    call(() => this.#native.setRoom(room, isPrivate, readOnly, maxMemberCount, historyKept));
  }

  ticket(admission, ttlMs) {
    const known = { user: undefined, name: undefined, role: undefined, rooms: undefined, expiresAtMs: undefined };
    const json = object('admission', readFields('ticket', admission, known));
    wholeNumber('ttlMs', ttlMs);
    return call(() => this.#native.ticket(json, ttlMs));
  }

  ban(user, duration) {
    text('user', user);
    seconds(duration);
    call(() => this.#native.ban(user, duration));
  }

  banAddress(address, duration) {
    text('address', address);
    seconds(duration);
    call(() => this.#native.banAddress(address, duration));
  }

  kick(connection, reason = '') {
    wholeNumber('connection', connection);
    text('reason', reason);
    call(() => this.#native.kick(connection, reason));
  }

  rooms() {
    return JSON.parse(call(() => this.#native.rooms()));
  }

  members(room) {
    text('room', room);
    return JSON.parse(call(() => this.#native.members(room)));
  }

  memberCount(room) {
    text('room', room);
    return call(() => this.#native.memberCount(room));
  }

  history(room, options = {}) {
    text('room', room);
    const { before, limit } = readFields('history', options, { before: 0, limit: 100 });
    wholeNumber('before', before);
    wholeNumber('limit', limit);
    return JSON.parse(call(() => this.#native.history(room, before, limit)));
  }

  stats() {
    return JSON.parse(call(() => this.#native.stats()));
  }

  attach(server, options = {}) {
    const { path } = readFields('attach', options, { path: undefined });
    if (path !== undefined) text('path', path);
    return attach(server, path, (...upgrade) => this.#adopt(...upgrade));
  }

  // Whatever adds a listener says that such events are wanted. Nothing has to say the opposite: see #handle.
  on(...args) {
    return this.#listen('on', args);
  }

  addListener(...args) {
    return this.#listen('addListener', args);
  }

  prependListener(...args) {
    return this.#listen('prependListener', args);
  }

  once(...args) {
    return this.#listen('once', args);
  }

  prependOnceListener(...args) {
    return this.#listen('prependOnceListener', args);
  }

  ref() {
    return this.#keepAlive(true);
  }

  unref() {
    return this.#keepAlive(false);
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.stop();
  }

  #keepAlive(on) {
    this.#referenced = on;
    if (!this.#stopping?.pending) call(() => this.#native.keepAlive(on));
    return this;
  }

  #listen(add, args) {
    super[add](...args);
    const [kind] = args;
    if (KINDS.has(kind) && !this.#wanted.has(kind)) {
      this.#wanted.add(kind);
      this.#tellWanted();
    }
    return this;
  }

  #tellWanted() {
    call(() => this.#native.want([...this.#wanted]));
  }

  static #wake(engine) {
    // When a turn was cut short, the next one takes what this call is about too.
    if (engine.#nextTurn === null) engine.#takeTurn();
  }

  /** Handles events until none waits or the time is up. A listener's throw ends the turn, not the events. */
  #takeTurn() {
    const end = performance.now() + TURN_MS;
    let isDone = false;
    try {
      do {
        while (this.#handledCount < this.#batch.length) {
          const [kind, fields] = this.#batch[this.#handledCount++];
          this.#handle(kind, fields);
          if (performance.now() >= end) return;
        }
        // A drain that throws is not tried again and again.
        isDone = true;
        this.#batch = JSON.parse(call(() => this.#native.drain(BATCH_COUNT)));
        this.#handledCount = 0;
        isDone = this.#batch.length === 0;
      } while (!isDone);
    } finally {
      if (!isDone) {
        this.#nextTurn = setImmediate(() => {
          this.#nextTurn = null;
          this.#takeTurn();
        });
        if (!this.#referenced && !this.#stopping?.pending) this.#nextTurn.unref();
      }
    }
  }

  #handle(kind, fields) {
    // Its last listener has gone. Found out here and not when it went, so that a listener that is taken off and put
    // on again, as `once` in a `once`, misses nothing in between.
    if (this.#wanted.has(kind) && super.listenerCount(kind) === 0 && !ALWAYS_WANTED.includes(kind)) {
      this.#wanted.delete(kind);
      this.#tellWanted();
    }
    switch (kind) {
      case 'question':
        this.#ask(fields);
        break;
      case 'received': {
        const { connection, text, binary } = fields;
        this.emit('received', { connection, data: text ?? Buffer.from(binary, 'base64') });
        break;
      }
      case 'refused':
        this.emit('refused', { ...fields, error: fromEvent(fields.error) });
        break;
      case 'degraded':
      case 'error':
        this.emit(kind, fromEvent(fields.error));
        break;
      case 'stop_done':
        this.#finish(fields.error);
        if (fields.stopped) this.emit('stopped');
        break;
      case 'stopped':
        // By itself, not because it was asked to.
        this.#finish();
        this.emit('stopped');
        break;
      default:
        this.emit(kind, fields);
    }
  }

  /** A run is over: nothing of the environment is held any longer. */
  #finish(error) {
    call(() => this.#native.release());
    this.#running = false;
    running.delete(this.#native);
    if (this.#onAbort !== null) this.#signal.removeEventListener('abort', this.#onAbort);
    this.#onAbort = null;
    if (error === undefined) this.#stopping?.resolve();
    else this.#stopping?.reject(fromEvent(error));
  }

  /** Puts a question to its handler and passes the answer on, now or when it comes. */
  #ask(fields) {
    const { subject, id } = fields;
    const handler = this.#handlers[subject];
    const settle = (answer) => this.#answer(id, verdictOf(subject, answer));
    const fail = (error) => {
      this.#answer(id, ['refuse', '']);
      this.#report(error);
    };
    try {
      const answer = handler(questionOf(fields));
      if (typeof answer?.then === 'function') Promise.resolve(answer).then(settle).catch(fail);
      else settle(answer);
    } catch (error) {
      fail(error);
    }
  }

  #answer(id, verdict) {
    try {
      call(() => this.#native.answer(id, ...verdict));
    } catch (error) {
      // Too late: time ran out, which the engine tells as `refused`, or it stopped meanwhile.
      if (error.code !== 'unknown_question' && error.code !== 'not_running') throw error;
    }
  }

  /** Tells what went wrong outside a listener; where nobody listens it is an uncaught exception. */
  #report(error) {
    const told = error instanceof Error ? error : new Error(`a handler threw ${String(error)}`, { cause: error });
    process.nextTick(() => this.emit('error', told));
  }

  #adopt(request, socket, head) {
    const words = obstacle(socket);
    if (words !== undefined) {
      this.#refuse(socket, 501, new KlatschError('cannot_adopt', words));
      return;
    }
    try {
      handOver(request, socket, head, (descriptor, read) => call(() => this.#native.adopt(descriptor, read)));
    } catch (error) {
      this.#refuse(socket, 503, error);
    }
  }

  #refuse(socket, status, error) {
    const { remoteAddress: ip, remotePort: port } = socket;
    const address = ip === undefined ? null : ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
    refuse(socket, status, error.message);
    this.emit('refused', { connection: null, address, error });
  }
}

function pendingPromise() {
  const pending = { pending: true };
  pending.promise = new Promise((resolve, reject) => {
    const settling = (settle) => (value) => {
      pending.pending = false;
      settle(value);
    };
    pending.resolve = settling(resolve);
    pending.reject = settling(reject);
  });
  return pending;
}

module.exports = { Engine, KlatschError, closeCodes, version: native.version() };
