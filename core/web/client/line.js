// The connection, and its way back when it breaks.
//
// In: bytes and closes of a WebSocket, the time. Out, to its owner: documents, and whether there is a connection. Knows `hello`
// and its reply, the heartbeat, `bye` and the close codes; nothing else that is said on it.

import { ChatError, isPassing } from './error.js';

const STEADY_MS = 10_000; // a connection that lived so long makes the next wait short again
const FINAL_CODES = new Set([1002, 1003, 1007, 1008, 1009]); // as 4000 to 4099: the same would happen again
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Timers by their name, of which each is set once at a time. */
export class Timers {
  #clock;
  #set = new Map();

  constructor(clock) {
    this.#clock = clock;
  }

  has(name) {
    return this.#set.has(name);
  }

  arm(name, ms, act) {
    this.disarm(name);
    const fire = () => {
      this.#set.delete(name);
      act();
    };
    this.#set.set(name, this.#clock.setTimeout(fire, Math.min(Math.max(ms, 0), MAX_TIMER_MS)));
  }

  disarm(...names) {
    for (const name of names) {
      if (this.#set.has(name)) this.#clock.clearTimeout(this.#set.get(name));
      this.#set.delete(name);
    }
  }

  clear() {
    this.disarm(...this.#set.keys());
  }
}

export class Line {
  state = 'connecting';
  retryAt = null;
  closed = null;
  #url;
  #options;
  #timers;
  #owner;
  #link = null; // the present connection: {socket, isOpen, heartbeatMs, sentAt, heardAt, openedAt, window}
  #attempt = 0;
  #isRetried = false; // an `unauthorized` was answered with a fresh token, or without the session
  #mustWait = false; // the server said when to come back

  /**
   * `owner`: `hello(token)` gives that request, `opened(ok)`, `heard(document)` and `broke()` are told; `changed(why)`: another
   * state; `failed(error)`: what is no reason to stop. `session`: by which it comes back; `isKnown`: whether it ever was open.
   */
  constructor(url, options, timers, owner) {
    this.#url = url;
    this.#options = options;
    this.#timers = timers;
    this.#owner = owner;
    globalThis.addEventListener?.('online', this.#cameOnline);
  }

  connect() {
    const { token, helloTimeoutMs } = this.#options;
    const link = (this.#link = { socket: null, isOpen: false });
    this.#timers.disarm('retry');
    this.#timers.arm('hello', helloTimeoutMs, () => this.#lost(link, 1006, `no answer to hello in ${helloTimeoutMs} ms`));
    this.#become('connecting');
    if (typeof token !== 'function') return this.#dial(link, token);
    Promise.resolve().then(token).then((fresh) => this.#dial(link, fresh)).catch((error) => {
      this.#owner.failed(error);
      this.#lost(link, 1006, 'there is no token');
    });
  }

  reconnect() {
    if (this.state === 'waiting') this.connect();
  }

  write(document) {
    this.#link.sentAt = this.#now;
    this.#link.socket.send(JSON.stringify(document));
  }

  /** Ends it for good. */
  end(code, reason, error) {
    if (this.closed) return;
    this.#unlink();
    globalThis.removeEventListener?.('online', this.#cameOnline);
    this.closed = Object.freeze({ code, reason, error });
    this.#become('closed', null, this.closed);
  }

  get #now() {
    return this.#options.clock.now();
  }

  #become(state, retryAt = null, why = {}) {
    this.state = state;
    this.retryAt = retryAt;
    this.#owner.changed(why);
  }

  #dial(link, token) {
    if (link !== this.#link) return;
    let socket;
    try {
      socket = link.socket = new this.#options.WebSocket(this.#url, 'klatsch.v1');
    } catch (error) {
      // A page may not be allowed to connect there.
      this.#owner.failed(error);
      return this.#lost(link, 1006, error.message);
    }
    const isPresent = () => link === this.#link;
    socket.onopen = () => isPresent() && this.write(this.#owner.hello(token));
    socket.onmessage = ({ data }) => isPresent() && this.#hear(link, data);
    socket.onclose = ({ code, reason }) => this.#lost(link, code, reason);
    socket.onerror = () => {}; // a close follows
  }

  #hear(link, data) {
    link.heardAt = this.#now;
    let document;
    try {
      document = JSON.parse(data);
    } catch (error) {
      return this.#owner.failed(error);
    }
    if (document.on === 'bye') link.window = document.reconnect_ms;
    else if (link.isOpen || document.on !== undefined) this.#owner.heard(document);
    else if (document.ok) this.#open(link, document.ok);
    else if (document.error) this.#refused(link, new ChatError(document.error));
    // Timers sleep in a hidden page, and what the server says, its heartbeat too, does not.
    if (link === this.#link && link.isOpen && link.heardAt - link.sentAt > link.heartbeatMs / 2) this.write({});
  }

  #open(link, ok) {
    this.#timers.disarm('hello');
    const heartbeatMs = ok.heartbeat_ms || this.#options.heartbeatMs;
    Object.assign(link, { isOpen: true, openedAt: link.heardAt, heartbeatMs });
    this.#beat(link);
    this.#owner.opened(ok, () => this.#become('open'));
  }

  #refused(link, error) {
    if (error.name === 'unauthorized') return this.#lost(link, 4001, error.message, error);
    // One's own name may be held by one's own old connection, for a while.
    const isMine = error.name === 'name_taken' && this.#owner.isKnown;
    if (isPassing(error) || isMine) return this.#lost(link, 4100, error.message, error);
    this.end(4000, error.message, error);
  }

  #lost(link, code, reason, error) {
    if (link !== this.#link) return;
    const { reconnectMinMs, reconnectMaxMs, token, random } = this.#options;
    if (link.isOpen && this.#now - link.openedAt >= STEADY_MS) {
      this.#attempt = 0;
      this.#isRetried = false;
    }
    const mayRetry = code === 4001 && !this.#isRetried && (typeof token === 'function' || this.#owner.session !== null);
    if (mayRetry) {
      this.#isRetried = true;
      if (!link.isOpen) this.#owner.session = null;
    } else if (FINAL_CODES.has(code) || (code >= 4000 && code < 4100)) {
      return this.end(code, reason, error);
    }
    this.#unlink();
    const [from, to] = link.window ?? [];
    const isFull = code >= 4100 && code < 4200;
    let wait = random() * Math.min(reconnectMaxMs, reconnectMinMs * 2 ** this.#attempt);
    if (to >= from) wait = from + random() * (to - from);
    else if (isFull) wait = Math.max(error?.retry_after_ms ?? 0, ((1 + random()) * reconnectMaxMs) / 2);
    this.#mustWait = isFull || to >= from;
    this.#attempt += 1;
    this.#timers.arm('retry', wait, () => this.connect());
    this.#become('waiting', this.#now + wait, { code, reason, error });
  }

  #unlink() {
    const socket = this.#link?.socket;
    this.#link = null;
    this.#timers.disarm('hello', 'beat', 'retry');
    socket?.close(1000);
    this.#owner.broke();
  }

  #cameOnline = () => {
    if (!this.#mustWait) this.reconnect();
  };

  #beat(link) {
    const now = this.#now;
    const limit = link.heartbeatMs + this.#options.heartbeatTimeoutMs;
    link.heardAt = Math.min(link.heardAt, now); // a clock that was set back must not make the silence longer
    if (now - link.heardAt >= limit) return this.#lost(link, 1006, `nothing was heard for ${limit} ms`);
    if (now - link.sentAt >= link.heartbeatMs || now < link.sentAt) this.write({});
    const next = Math.min(link.sentAt + link.heartbeatMs, link.heardAt + limit);
    this.#timers.arm('beat', next - now, () => this.#beat(link));
  }
}
