'use strict';
// The engine on a network that is turned by hand; `sim.d.ts` describes it, `src/sim.rs` is its native half.

const { native, KlatschError, call } = require('./lib/error.js');
const { readOptions, readFields, text, wholeNumber, milliseconds, shown } = require('./lib/arguments.js');

const LINK = { delayMs: [1, 5], inFlightBytes: 65_536, readsAt: Infinity };
const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];

class Sim {
  #native;
  /** By the number of their line. */
  #sockets = [];
  #timers = new Map();
  #lastTimer = 0;
  #link = LINK;

  constructor(fields = {}) {
    const { seed, options, link } = readFields('Sim', fields, { seed: 1, options: {}, link: {} });
    const { json, handlers, ...others } = readOptions(options);
    const asked = Object.entries({ ...handlers, ...others });
    const [name] = asked.find(([, value]) => value !== undefined) ?? [];
    if (name !== undefined) throw new KlatschError('invalid_option', `a Sim asks nobody: ${name} is for an Engine`);
    this.#native = call(() => new native.NativeSim(json, wholeNumber('seed', seed)));
    this.link = link;
    this.WebSocket = socketClass(this, (socket, line) => {
      this.#sockets[line] = socket;
    }, this.#native);
    this.clock = {
      now: () => this.#native.unixMs(),
      setTimeout: (run, ms = 0, ...values) => this.#arm(run, ms, values),
      clearTimeout: (timer) => void this.#timers.delete(timer),
    };
    this.random = () => this.#native.random();
    call(() => this.#native.watch());
  }

  /** What the lines of the sockets that are made from now on are like. */
  get link() {
    return this.#link;
  }

  set link(link) {
    const fields = readFields('link', link, LINK);
    const delayMs = [fields.delayMs].flat();
    delayMs.forEach((ms) => wholeNumber('delayMs', ms));
    wholeNumber('inFlightBytes', fields.inFlightBytes);
    this.#link = { ...fields, delayMs: [delayMs[0], delayMs.at(-1)] };
  }

  /** Milliseconds since the simulation began. */
  get now() {
    return this.#native.nowMs();
  }

  /** The sockets that are not closed, in the order in which they were made. */
  get sockets() {
    return this.#sockets.filter((socket) => socket.readyState !== CLOSED);
  }

  /** Lets so many milliseconds pass; what is due in them is done, and handlers have had their turn after each step. */
  async advance(ms) {
    const untilMs = this.now + milliseconds('ms', ms);
    for (;;) {
      // Whatever awaits what has happened goes on before the next thing happens.
      await new Promise(setImmediate);
      const timer = this.#nextTimer();
      const seen = JSON.parse(call(() => this.#native.step(Math.min(untilMs, timer?.atMs ?? Infinity))));
      if (seen !== null) {
        this.#sockets[seen.line].see(SEES, seen);
      } else if (timer !== undefined && timer.atMs <= this.now) {
        this.#timers.delete(timer.id);
        timer.run();
      } else if (this.now >= untilMs) {
        return;
      }
    }
  }

  cut(socket) {
    call(() => this.#native.cut(lineOf(socket)));
  }

  hang(socket) {
    call(() => this.#native.hang(lineOf(socket)));
  }

  heal(socket) {
    call(() => this.#native.heal(lineOf(socket)));
  }

  slow(socket, bytesPerSecond) {
    call(() => this.#native.slow(lineOf(socket), rateOf(bytesPerSecond)));
  }

  restart(fields = {}) {
    const { clean, graceMs, downMs } = readFields('restart', fields, { clean: true, graceMs: 5_000, downMs: 1_000 });
    call(() => this.#native.restart(clean, milliseconds('graceMs', graceMs), milliseconds('downMs', downMs)));
  }

  broadcast(room, message) {
    return JSON.parse(call(() => this.#native.broadcast(text('room', room), text('text', message))));
  }

  send(room, user, message) {
    return JSON.parse(call(() => this.#native.sendAs(text('room', room), text('user', user), text('text', message))));
  }

  history(room, fields = {}) {
    const { before, limit } = readFields('history', fields, { before: 0, limit: 100 });
    return JSON.parse(call(() => this.#native.history(text('room', room), before, limit)));
  }

  members(room) {
    return JSON.parse(call(() => this.#native.members(text('room', room))));
  }

  /** What the host has heard since it was asked last: `{type, …}` each. */
  events() {
    return JSON.parse(call(() => this.#native.events())).map(([type, fields]) => ({ type, ...fields }));
  }

  /** Judges what `klatsch.v1` sockets were told by the logs of these rooms. Gives what was broken, in words. */
  judge(...rooms) {
    return JSON.parse(call(() => this.#native.judge(rooms.map((room) => text('room', room)))));
  }

  #arm(run, ms, values) {
    const id = ++this.#lastTimer;
    this.#timers.set(id, { id, atMs: this.now + Math.max(1, Math.ceil(ms)), run: () => run(...values) });
    return id;
  }

  /** The timer that is due first; of several, the one that was set first. */
  #nextTimer() {
    let next;
    for (const timer of this.#timers.values()) {
      if (next === undefined || timer.atMs < next.atMs) next = timer;
    }
    return next;
  }
}

/** Only a simulation lets a socket see something. */
const SEES = Symbol('sees');
const LINE = Symbol('line');

function lineOf(socket) {
  if (socket?.[LINE] === undefined) {
    throw new KlatschError('invalid_argument', `a socket of this Sim is wanted, not ${shown(socket)}`);
  }
  return socket[LINE];
}

function rateOf(bytesPerSecond) {
  if (bytesPerSecond === Infinity) return -1;
  return wholeNumber('bytesPerSecond', bytesPerSecond);
}

/** Makes the class of one simulation's WebSockets: what browsers have, over its lines. */
function socketClass(sim, register, half) {
  return class WebSocket extends EventTarget {
    static CONNECTING = CONNECTING;
    static OPEN = OPEN;
    static CLOSING = CLOSING;
    static CLOSED = CLOSED;

    readyState = CONNECTING;
    protocol = '';
    extensions = '';
    binaryType = 'blob';
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;

    constructor(url, protocols = []) {
      super();
      const { href, pathname, search } = new URL(url);
      this.url = href;
      const { delayMs, inFlightBytes, readsAt } = sim.link;
      const offered = [protocols].flat();
      const rate = rateOf(readsAt);
      this[LINE] = call(() => half.connect(pathname + search, offered, ...delayMs, inFlightBytes, rate));
      register(this, this[LINE]);
    }

    get CONNECTING() { return CONNECTING; }
    get OPEN() { return OPEN; }
    get CLOSING() { return CLOSING; }
    get CLOSED() { return CLOSED; }

    get bufferedAmount() {
      return call(() => half.bufferedBytes(this[LINE]));
    }

    send(data) {
      if (this.readyState === CONNECTING) throw new DOMException('it is still connecting', 'InvalidStateError');
      if (this.readyState !== OPEN) return;
      if (typeof data === 'string') call(() => half.sendText(this[LINE], data));
      else call(() => half.sendBytes(this[LINE], ArrayBuffer.isView(data) ? bytesOf(data) : new Uint8Array(data)));
    }

    close(code, reason = '') {
      if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new DOMException(`${code} is no code to close with; 1000 is, or 3000 to 4999`, 'InvalidAccessError');
      }
      if (this.readyState >= CLOSING) return;
      this.readyState = CLOSING;
      call(() => half.close(this[LINE], code ?? 1005, reason));
    }

    see(key, { kind, ...seen }) {
      if (key !== SEES) throw new TypeError('only the simulation may say that');
      if (kind === 'opened') {
        this.readyState = OPEN;
        this.protocol = seen.protocol;
        this.#tell('open', {});
      } else if (kind === 'text') {
        this.#tell('message', { data: seen.text });
      } else if (kind === 'binary') {
        const bytes = Uint8Array.from(seen.bytes);
        this.#tell('message', { data: this.binaryType === 'arraybuffer' ? bytes.buffer : new Blob([bytes]) });
      } else {
        const { code = 1006, reason } = seen;
        this.readyState = CLOSED;
        if (code === 1006) this.#tell('error', {});
        this.#tell('close', { code, reason: kind === 'refused' ? '' : reason, wasClean: code !== 1006 });
      }
    }

    #tell(type, fields) {
      const event = Object.assign(new Event(type), fields);
      this[`on${type}`]?.(event);
      this.dispatchEvent(event);
    }
  };
}

function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

module.exports = { Sim };
