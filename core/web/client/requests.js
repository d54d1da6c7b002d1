// Requests and their replies, and the outbox: changes that are said exactly once, in order.
//
// In: what is asked for, replies, whether there is a connection. Out: documents. A change has a `mid` of its own, under which it may
// be sent again; the engine knows that for `dedupe_ms`, and for one user.

import { ChatError, RETRY_MS, closedError, isPassing, uncertainError } from './error.js';

const UNANSWERED_COUNT = 8;
const DEDUPE_MS = 86_400_000; // if the engine does not say it

export class Requests {
  outbox = []; // changes without a reply: {request, user, at, id, promise, resolve, reject}
  #owner;
  #calls = new Map(); // requests without a reply, by id, in their order: {id, request, mode, done, isSent}
  #lastId = 0;
  #mids;
  #lastMid = 0;
  #pausedUntil = 0;
  #isRefused = false; // what was said behind a refused change may be refused, too
  #isPaced = false; // one at a time at the engine's rate, since it has refused some: many refusals are a flood to it

  /**
   * `owner`: `isOpen`, `user`, `limits`, `now()`, `write(document)`, `timers`; `changed()`: the outbox is another, `failed(error,
   * request)`: a change that nobody waits for. `mids`: what no other client's begin with.
   */
  constructor(owner, mids) {
    this.#owner = owner;
    this.#mids = mids;
  }

  get nextId() {
    return ++this.#lastId;
  }

  /**
   * Asks; `done(error, ok)` is called while the reply is read, so in the connection's order. Without a reply when the connection
   * breaks, it is sent `again` on the next one; or, where twice is not the same, sent `once` and uncertain. What is worth nothing
   * later is sent `now`; what only this connection is about is left away (`drop`).
   */
  ask(request, mode, done) {
    const call = { id: this.nextId, request, mode, done, isSent: false };
    this.#calls.set(call.id, call);
    if (this.#owner.isOpen) this.#send(call);
  }

  commit(request, maxCount) {
    if (this.outbox.length >= maxCount) {
      const message = `${this.outbox.length} changes wait already (maxOutboxCount)`;
      return rejected(new ChatError({ code: 212, name: 'busy', message }));
    }
    const mid = `${this.#mids}-${++this.#lastMid}`;
    const change = { request: { ...request, mid }, user: this.#owner.user, at: null, id: null };
    change.promise = promised((resolve, reject) => Object.assign(change, { resolve, reject }));
    this.outbox.push(change);
    this.#pump();
    this.#owner.changed();
    return change.promise;
  }

  restore(changes) {
    this.outbox.unshift(...changes.map((change) => ({ ...change, id: null })));
  }

  answer({ id, ok, error }) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    call.done(error && new ChatError(error), ok);
  }

  /** There is a connection again. */
  opened() {
    for (const call of [...this.#calls.values()]) if (!call.isSent) this.#send(call);
    this.#pump();
  }

  broke() {
    for (const change of this.outbox) change.id = null;
    for (const call of [...this.#calls.values()]) {
      const { id, mode, done, isSent } = call;
      if (mode === 'again' || (mode === 'once' && !isSent)) {
        call.isSent = false;
        continue;
      }
      this.#calls.delete(id);
      if (mode === 'once' || mode === 'now') done(uncertainError('the connection broke before the reply'));
    }
  }

  ended(error = closedError()) {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { done } of calls) done(error);
    // They stay in the outbox: it is what a store keeps for the next chat.
    const late = uncertainError('the chat was closed before the reply');
    for (const { at, reject } of this.outbox) reject?.(at === null ? error : late);
  }

  #send(call) {
    call.isSent = true;
    this.#owner.write({ id: call.id, ...call.request });
  }

  /** Sends the changes that may be sent now, in order. */
  #pump() {
    const { limits, user } = this.#owner;
    const now = this.#owner.now();
    if (!this.#owner.isOpen || now < this.#pausedUntil) return;
    let unanswered = this.outbox.filter(({ id }) => id !== null).length;
    // Until that is known, nothing new is sent, which would overtake it.
    this.#isRefused &&= unanswered > 0;
    if (this.#isRefused) return;
    for (const change of this.outbox.filter(({ id }) => id === null)) {
      if (unanswered >= (this.#isPaced ? 1 : UNANSWERED_COUNT)) break;
      if (change.at !== null && now - change.at >= (limits.dedupe_ms ?? DEDUPE_MS)) {
        this.#settle(change, uncertainError('it was sent too long ago to be sent again'));
      } else if (change.user !== null && change.user !== user) {
        this.#settle(change, uncertainError('it was said as another user'));
      } else {
        unanswered += 1;
        change.user = user;
        change.at ??= now;
        change.id = this.nextId;
        this.#calls.set(change.id, { id: change.id, mode: 'drop', done: (error, ok) => this.#answered(change, error, ok) });
        this.#owner.changed();
        this.#owner.write({ id: change.id, ...change.request });
      }
    }
  }

  #answered(change, error, ok) {
    change.id = null;
    if (!error || !isPassing(error)) {
      this.#settle(change, error, ok);
      this.#isPaced &&= this.outbox.length > 0;
      if (this.#isPaced) this.#pause(Math.ceil(1_000 / (this.#owner.limits.message_rate || 1_000)));
    } else {
      this.#isRefused = this.#isPaced = true;
      this.#pause(error.retry_after_ms ?? RETRY_MS);
    }
    this.#pump();
  }

  #pause(ms) {
    const now = this.#owner.now();
    this.#pausedUntil = Math.max(this.#pausedUntil, now + ms);
    this.#owner.timers.arm('pause', this.#pausedUntil - now, () => this.#pump());
  }

  #settle(change, error, ok) {
    this.outbox.splice(this.outbox.indexOf(change), 1);
    this.#owner.changed();
    if (!error) change.resolve?.(ok);
    else if (change.reject) change.reject(error);
    else this.#owner.failed(error, change.request);
  }
}

/** A promise whose failure, when nobody waits for it, is no unhandled one: a chat may be closed with requests open. */
export function promised(executor) {
  const promise = new Promise(executor);
  promise.catch(() => {});
  return promise;
}

export const rejected = (error) => promised((_, reject) => reject(error));
