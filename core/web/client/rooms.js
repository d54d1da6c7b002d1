// The rooms that a client is in, whole: what comes is taken in the log's order, each record once, and what is missing is fetched.
//
// In: events, and what `join`, a resume and `history` answer. Out: the same events where they are new, and requests for the rest.
// Until a gap is filled, the events of its room are held back.

import { ChatError, RETRY_MS, isPassing } from './error.js';
import { Log, compare, positionOf } from './log.js';

const RECORDS = new Set(['message', 'edit', 'delete', 'react', 'moderation', 'rename']);

export class Rooms {
  logs = new Map();
  #owner;

  /**
   * `owner`: `user`, `isClosed`, `options`, `timers`, `ask(request, mode, done)`, `emit(kind, fields)`; `touch(log)`: it changed;
   * `save()`: a position did; `renamed(record)`: the user did.
   */
  constructor(owner) {
    this.#owner = owner;
  }

  open(name, position) {
    const log = new Log(name, this.#owner.options.keptMessageCount);
    if (position) log.position = positionOf(position);
    this.logs.set(name, log);
    return log;
  }

  /** The connection is back, and these rooms with it; `answers`: by their names. */
  resume(answers) {
    const known = [...this.logs.values()];
    for (const [name, answer] of answers) if (!this.logs.has(name) && !answer.error) this.enter(this.open(name), answer, false);
    for (const log of known) {
      const answer = answers.get(log.name);
      if (!answer) this.#rejoin(log);
      else if (answer.error) this.#removed(log, new ChatError(answer.error));
      else this.enter(log, answer, true);
    }
  }

  broke() {
    for (const log of this.logs.values()) Object.assign(log, { held: null, isAsked: false });
  }

  /** What `join` answers; `isKnown`: the program has seen something of the room before. */
  enter(log, answer, isKnown) {
    Object.assign(log, { held: null, isAsked: false });
    log.isBare ||= isKnown && log.more && log.entries.length === 0;
    if (answer.records) {
      for (const record of answer.records) this.#inRoom(log, record, answer.offset);
      if (!log.held && answer.more) {
        this.#fill(log);
      } else if (!log.held) {
        this.#rollback(log, answer);
        log.position = positionOf(answer);
        log.doubt(answer.offset);
      }
    } else {
      this.#reset(log, answer, isKnown);
    }
    log.memberCount = answer.member_count ?? log.memberCount;
    log.topic = answer.topic ?? log.topic;
    log.read = answer.read ?? 0;
    log.unread = answer.unread_count ?? 0;
    this.#complete(log);
    this.#touch(log);
  }

  event(event) {
    if (this.#owner.isClosed) return;
    const log = this.logs.get(event.room);
    if (event.on === 'joined') this.#joined(event);
    else if (log && event.on === 'removed') this.#removed(log, event);
    else if (log) this.#inRoom(log, event, 0);
    else if (event.on === 'tell') this.#owner.emit('tell', event);
  }

  drop(log) {
    if (!log) return;
    log.isJoined = false;
    this.logs.delete(log.name);
    this.#touch(log);
  }

  /** A page that somebody asked for: kept too, if it goes on from what is kept. */
  page(name, { before, around }, page) {
    const log = this.logs.get(name);
    if (!log || !page.messages || around !== undefined) return;
    const oldest = log.entries[0]?.message.offset;
    if (before !== undefined && before < (oldest ?? log.position.offset + 1)) return;
    const reachesBack = !page.messages.length || page.messages[0].offset <= (oldest ?? Infinity);
    log.prepend({ ...page, more: reachesBack ? page.more : log.more });
    this.#touch(log);
  }

  markRead(name, offset) {
    const log = this.logs.get(name);
    log?.markRead(offset, this.#owner.user);
    if (log) this.#touch(log);
  }

  #inRoom(log, event, asOf) {
    if (log.held) {
      log.held.push(event);
      return;
    }
    const { on } = event;
    if (event.epoch !== undefined || on === 'rollback') {
      if (!this.#take(log, event, asOf)) {
        log.held = [{ ...event, room: log.name }];
        this.#fill(log);
      } else if (!asOf) {
        this.#complete(log);
      }
    } else if (on === 'gap') {
      if (compare(event.to, log.position) > 0) this.#fill(log);
    } else if (on === 'join' || on === 'leave' || on === 'members') {
      log.memberCount = event.member_count;
      this.#touch(log);
      this.#owner.emit(on, event);
    } else if (on === 'read') {
      if (event.user === this.#owner.user) this.markRead(log.name, event.offset);
      this.#owner.emit(on, event);
    } else if (on === 'typing' || on === 'tell') {
      this.#owner.emit(on, event);
    }
  }

  /** Takes a record, each once; gives false when there is a gap before it. */
  #take(log, record, asOf) {
    if (this.#owner.isClosed) return true;
    if (record.on === 'rollback') {
      this.#rollback(log, record.to);
      return true;
    }
    const place = log.place(record);
    if (place === 'gap') return false;
    if (place === 'known') return true;
    if (place !== 'next') this.#rollback(log, place);
    log.take(record, asOf, this.#owner.user);
    this.#touch(log);
    if (record.on === 'rename' && record.user === this.#owner.user) this.#owner.renamed(record);
    // A kind of a later version has its place, too; what it says nobody here knows.
    if (RECORDS.has(record.on)) this.#owner.emit(record.on, { ...record, room: log.name });
    return true;
  }

  #rollback(log, to) {
    if (compare(log.position, to) <= 0) return;
    const dropped = log.rollback(to);
    this.#touch(log);
    this.#owner.emit('rollback', { room: log.name, to: positionOf(to), dropped });
  }

  #reset(log, page, isKnown = true) {
    log.begin(page);
    log.position = positionOf(page);
    this.#touch(log);
    if (isKnown) this.#owner.emit('reset', { room: log.name, messages: log.room.messages });
  }

  /** Joins anew where the session did not bring the room back. */
  #rejoin(log) {
    const { history } = this.#owner.options;
    this.#owner.ask({ do: 'join', room: log.name, since: log.position, history }, 'drop', (error, ok) => {
      if (this.logs.get(log.name) !== log) return;
      const held = log.held ?? [];
      if (!error) {
        this.enter(log, ok, true);
        for (const event of held) this.event(event);
      } else if (isPassing(error)) {
        this.#later(log, error, () => this.#rejoin(log));
      } else {
        this.#removed(log, error);
      }
    });
  }

  /** Fetches what is missing behind the position. */
  #fill(log) {
    const from = log.position;
    log.held ??= [];
    this.#history(log, { after: from.offset }, () => this.#fill(log), (page) => {
      const isWhole = page.records.every((record) => this.#take(log, record, page.offset));
      const hasMoved = compare(log.position, from) !== 0;
      if (!isWhole || (!hasMoved && (page.more || compare(from, page) < 0))) return this.#newest(log);
      if (page.more) return this.#fill(log);
      if (compare(log.position, page) < 0) log.position = positionOf(page);
      this.#release(log);
    });
  }

  /** The log does not reach back to the position any more: begins with the newest page. */
  #newest(log) {
    this.#history(log, {}, () => this.#newest(log), (page) => {
      this.#reset(log, page);
      this.#release(log);
    });
  }

  #release(log) {
    const held = log.held ?? [];
    log.held = null;
    this.#complete(log);
    for (const event of held) this.event(event);
  }

  /** Fetches the messages that should be there and are not, or may not be as they stand now. */
  #complete(log) {
    const isEmpty = log.more && log.position.offset > 0 && log.entries.length === 0;
    const mayAsk = log.isStale || ((log.isBare || isEmpty) && this.#owner.options.history > 0);
    if (log.isAsked || !mayAsk) return;
    log.isAsked = true;
    const { isStale } = log;
    const before = isStale ? undefined : log.entries[0]?.message.offset ?? log.position.offset + 1;
    const again = () => {
      log.isAsked = false;
      this.#complete(log);
    };
    this.#history(log, { before }, again, (page) => {
      log.isAsked = false;
      if (isStale) log.begin(page);
      else log.prepend(page);
      if (log.isStale) this.#complete(log);
    });
  }

  #history(log, fields, again, done) {
    const limit = fields.after === undefined ? Math.max(1, this.#owner.options.history) : undefined;
    this.#owner.ask({ do: 'history', room: log.name, ...fields, limit }, 'drop', (error, page) => {
      if (this.logs.get(log.name) !== log) return;
      if (!error) {
        done(page);
        this.#touch(log);
      } else if (isPassing(error)) {
        this.#later(log, error, again);
      } else {
        this.#rejoin(log);
      }
    });
  }

  #later(log, { retry_after_ms: ms = RETRY_MS }, act) {
    this.#owner.timers.arm(`room ${log.name}`, ms, () => this.logs.get(log.name) === log && this.#owner.isOpen && act());
  }

  #joined(event) {
    const known = this.logs.get(event.room);
    const log = known ?? this.open(event.room, event.position);
    Object.assign(log, { with: event.with, topic: event.topic ?? log.topic, memberCount: event.member_count });
    this.#touch(log);
    if (!known) {
      log.read = event.read ?? 0;
      log.unread = event.unread_count ?? 0;
    } else if (!log.held && compare(event.position, log.position) > 0) {
      this.#fill(log);
    }
    this.#owner.emit('joined', event);
    if (!known) this.#complete(log);
  }

  #removed(log, { reason, name, code, message }) {
    this.drop(log);
    this.#owner.emit('removed', { room: log.name, reason: reason ?? name, code, message });
  }

  #touch(log) {
    log.snapshot = null;
    this.#owner.touch(log);
  }
}
