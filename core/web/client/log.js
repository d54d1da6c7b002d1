// One room as a client keeps it: its messages, folded, and its position in the log.
//
// In: records, and pages of messages. Out: what is kept, and where a record stands. Knows nothing of connections and of time.

export class Log {
  entries = []; // {message, edits, until, touched}, ascending by offset
  position = null;
  more = true; // there are older messages than those kept
  isJoined = true;
  isBare = false; // only the position is known, from the store
  isStale = false; // what is kept may show records that the log has lost
  isAsked = false; // for what is missing of that
  held = null; // while a gap is being filled: what came meanwhile
  topic = '';
  with = undefined;
  memberCount = 0;
  read = 0;
  unread = 0;
  snapshot = null;

  constructor(name, keptCount) {
    this.name = name;
    this.keptCount = keptCount;
    this.room = new Room(this);
  }

  /** Where a record stands: `next`, `known` already, behind a `gap`, or, when the log lost what came after it, its predecessor. */
  place({ epoch, offset, prev }) {
    if (compare({ epoch, offset }, this.position) <= 0) return 'known';
    const before = prev === undefined ? { epoch, offset: offset - 1 } : prev ?? { epoch: 0, offset: 0 };
    // Every log is empty in the same way, whichever epoch says so.
    const order = before.offset === 0 && this.position.offset === 0 ? 0 : compare(before, this.position);
    return order === 0 ? 'next' : order > 0 ? 'gap' : before;
  }

  /** Takes the next record. `asOf`: the offset up to which a message in it is shown folded already; 0 if that is not known. */
  take(record, asOf, self) {
    const { on, epoch, offset, of } = record;
    // In a new epoch, what came behind the predecessor is lost, also where only a message shows that it was there.
    if (epoch !== this.position.epoch) this.doubt(record.prev?.offset ?? 0, offset);
    this.position = { epoch, offset };
    if (on === 'message') {
      const { message } = record;
      this.put(message, asOf);
      if (this.isUnread(message, self)) this.unread += 1;
    } else if (on === 'edit') {
      this.change(of, offset, (message, entry) => {
        // A message that came late shows its newest text: as many edits as its revision says are in it.
        if (++entry.edits <= (message.revision ?? 0) || message.deleted) return message;
        return { ...message, text: record.text, revision: entry.edits };
      });
    } else if (on === 'delete') {
      this.delete(of, offset, self);
    } else if (on === 'react') {
      this.change(of, offset, (message) => (message.deleted ? message : react(message, record)));
    } else if (on === 'moderation' && record.act === 'clear') {
      for (const { message } of this.entries) {
        if (record.user == null || record.user === message.user) this.delete(message.offset, offset, self);
      }
    } else if (on === 'moderation' && record.act === 'topic') {
      this.topic = record.value;
    }
  }

  /** What is deleted need not be read any more. */
  delete(of, offset, self) {
    this.change(of, offset, (message) => {
      if (this.isUnread(message, self)) this.unread -= 1;
      return remove(message);
    });
  }

  isUnread({ offset, user, deleted }, self) {
    return offset > this.read && user !== self && !deleted;
  }

  change(of, offset, fold) {
    const entry = this.entries[this.index(of)];
    if (entry?.message.offset !== of || offset <= entry.until) return;
    entry.message = fold(entry.message, entry);
    entry.touched = Math.max(entry.touched, offset);
  }

  put(message, asOf) {
    const at = this.index(message.offset);
    if (this.entries[at]?.message.offset === message.offset) return; // and it is kept as it stands now
    const revision = message.revision ?? 0;
    const isChanged = revision > 0 || message.deleted || message.reactions;
    const entry = asOf
      ? { message, edits: revision, until: asOf, touched: asOf }
      : { message, edits: 0, until: 0, touched: isChanged ? Infinity : message.offset };
    this.entries.splice(at, 0, entry);
    this.trim();
  }

  trim() {
    const tooMany = this.entries.length - this.keptCount;
    if (tooMany <= 0) return;
    this.entries.splice(0, tooMany);
    this.more = true;
  }

  /** Forgets all and begins with a page. */
  begin({ messages, offset, more }) {
    this.entries = [];
    this.more = more ?? false;
    this.isBare = this.isStale = false;
    for (const message of messages) this.put(message, offset);
  }

  /** Adds a page of older messages that goes up to what is kept. */
  prepend({ messages, offset, more }) {
    this.more = more ?? false;
    this.isBare = false;
    for (const message of messages) this.put(message, offset);
  }

  /** Drops what came after a position, and gives it. */
  rollback(to) {
    const end = this.index(to.offset + 1);
    const dropped = this.entries.splice(end).map(({ message }) => message);
    this.doubt(to.offset);
    this.position = positionOf(to);
    return dropped;
  }

  /** Changes between these offsets are not in the log: does a message show one? */
  doubt(from, to = Infinity) {
    this.isStale ||= this.entries.some(({ touched }) => touched > from && (touched < to || touched === Infinity));
  }

  markRead(offset, self) {
    if (offset <= this.read) return;
    const seen = this.entries.slice(this.index(this.read + 1), this.index(offset + 1));
    this.unread = Math.max(0, this.unread - seen.filter(({ message }) => this.isUnread(message, self)).length);
    this.read = offset;
    if (this.position && offset >= this.position.offset) this.unread = 0;
  }

  /** Where the first entry stands that is not before an offset. */
  index(offset) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].message.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const remove = ({ text, data, reactions, ...message }) => ({ ...message, deleted: true });

function react(message, { emoji, user, add }) {
  // Entries, not keys: `__proto__` would be an emoji like others.
  const reactions = new Map(Object.entries(message.reactions ?? {}));
  const users = (reactions.get(emoji) ?? []).filter((other) => add ? true : other !== user);
  if (add && !users.includes(user)) users.push(user);
  if (users.length) reactions.set(emoji, users);
  else reactions.delete(emoji);
  const { reactions: _, ...rest } = message;
  return reactions.size ? { ...rest, reactions: Object.fromEntries(reactions) } : rest;
}

/** A room as a program sees it: what is kept of it, and when that changes. */
class Room {
  #log;
  listeners = new Set();

  constructor(log) {
    this.#log = log;
  }

  subscribe = (listener) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getSnapshot = () => {
    const log = this.#log;
    return (log.snapshot ??= Object.freeze({
      name: log.name, isJoined: log.isJoined, position: log.position, more: log.more, topic: log.topic, with: log.with,
      messages: Object.freeze(log.entries.map(({ message }) => message)),
      memberCount: log.memberCount, read: log.read, unreadCount: log.unread,
    }));
  };

  get name() { return this.#log.name; }
  get messages() { return this.getSnapshot().messages; }
  get position() { return this.#log.position; }
  get memberCount() { return this.#log.memberCount; }
  get topic() { return this.#log.topic; }
  get read() { return this.#log.read; }
  get unreadCount() { return this.#log.unread; }
}

export const positionOf = ({ epoch, offset }) => ({ epoch, offset });

export const compare = (a, b) => a.epoch - b.epoch || a.offset - b.offset;
