'use strict';
// A server in a few lines that does to its clients all that the protocol allows: it cuts, loses frames and its newest records,
// lags, trims, refuses, and answers late. What it did stands in it, so that a test can compare.

const PAGE_COUNT = 5;
const LIMIT_MS = 300;

class LossyServer {
  epoch = 1000;
  records = []; // what the log still has
  base = null; // the position before the first of them
  chain = new Map(); // every record there ever was: its predecessor
  folded = new Map(); // offset → message
  survived = new Map(); // offset → record, of all that were not lost
  connections = new Set();
  #random;
  #highest = 0;
  #seen = new Map(); // user and mid → the reply
  #unsettled = []; // {record, reply}
  #sessions = new Map();
  #users = 0;

  constructor(random) {
    this.#random = random;
    this.keptCount = random() < 0.5 ? 8 : 40;
    const server = this;
    this.WebSocket = class {
      constructor() {
        this.up = [];
        this.down = [];
        this.gap = null;
        this.refusalCount = 0; // for the rate
        this.refusalsHeard = 0;
        server.connections.add(this);
      }

      send(text) {
        this.up.push({ request: JSON.parse(text), refusalsHeard: this.refusalsHeard });
      }

      close() {
        server.connections.delete(this);
      }
    };
  }

  get top() {
    const { epoch, offset } = this.records.at(-1) ?? this.base ?? { epoch: this.epoch, offset: 0 };
    return { epoch, offset };
  }

  get unsettledCount() {
    return this.#unsettled.length;
  }

  cut(connection, code = 1006) {
    this.connections.delete(connection);
    connection.onclose?.({ code, reason: '' });
  }

  accept(connection) {
    connection.isAccepted = true;
    connection.onopen?.();
  }

  /** The oldest frame on its way to the client arrives. */
  deliver(connection) {
    const document = connection.down.shift();
    if (document.error?.name === 'rate_limited') connection.refusalsHeard += 1;
    connection.onmessage?.({ data: JSON.stringify(document) });
  }

  /** The oldest request on its way to the server is carried out. */
  carryOut(connection) {
    const { request, refusalsHeard } = connection.up.shift();
    if (request.do === undefined) return;
    const { id } = request;
    const reply = (ok) => this.#say(connection, { id, ok });
    const refuse = (code, name, fields) => this.#say(connection, { id, error: { code, name, message: name, ...fields } });
    switch (request.do) {
      case 'hello':
        return reply(this.#hello(connection, request));
      case 'join':
        connection.isJoined = true;
        return reply(request.since ? this.#recover(request.since) : this.#newest(request.history));
      case 'history':
        return reply(request.after === undefined ? this.#newest(request.limit, request.before) : this.#after(request.after));
      default:
    }
    const key = `${connection.user} ${request.mid}`;
    const seen = this.#seen.get(key);
    if (seen) {
      const { epoch, offset } = seen;
      const isWaiting = this.#unsettled.find(({ record }) => record.offset === offset);
      const again = { room: 'lobby', epoch, offset, at: 1, duplicate: true };
      if (isWaiting) isWaiting.reply = () => reply(again);
      else reply(again);
      return;
    }
    // What was on its way already when a change was refused is refused, too, so that nothing overtakes.
    if (refusalsHeard < connection.refusalCount || this.#random() < 0.05) {
      connection.refusalCount += 1;
      return refuse(211, 'rate_limited', { retry_after_ms: LIMIT_MS });
    }
    const about = request.do === 'send' || this.folded.get(request.offset);
    if (!about || about.deleted) return refuse(206, 'unknown_message');
    const record = this.#append(connection.user, request);
    this.#seen.set(key, record);
    const { epoch, offset } = record;
    const isLate = this.#random() < 0.05;
    const answer = isLate
      ? () => refuse(401, 'store_unavailable', { open: true, position: { epoch, offset } })
      : () => reply({ room: 'lobby', epoch, offset, at: 1, duplicate: false });
    this.#unsettled.push({ record, reply: answer });
  }

  /** The store has written the oldest change. */
  settle() {
    this.#unsettled.shift()?.reply();
  }

  /** The process dies, and with it some of what was not written. */
  crash() {
    const lost = Math.floor(this.#random() * (this.#unsettled.length + 1));
    const gone = this.records.splice(this.records.length - lost);
    for (const { offset } of gone) this.survived.delete(offset);
    for (const { user, mid, message } of gone) this.#seen.delete(`${user ?? message.user} ${mid ?? message.mid}`);
    this.#unsettled = [];
    this.folded.clear();
    for (const record of this.records) fold(this.folded, record);
    this.epoch += 1;
    this.#highest += 100;
    for (const connection of [...this.connections]) this.cut(connection);
  }

  /** The log forgets its oldest records. */
  trim() {
    const settled = this.records.length - this.#unsettled.length;
    const count = Math.min(settled, this.records.length - this.keptCount);
    if (count <= 0) return;
    const gone = this.records.splice(0, count);
    const { epoch, offset } = gone.at(-1);
    this.base = { epoch, offset };
    for (const record of gone) if (record.on === 'message') this.folded.delete(record.offset);
  }

  lag(connection) {
    connection.gap ??= { from: connection.shown ?? this.top };
  }

  /** It has read on: what it was not shown is a gap. */
  catchUp(connection) {
    const { from } = connection.gap ?? {};
    connection.gap = null;
    if (from && from.offset !== this.top.offset) this.#say(connection, { on: 'gap', room: 'lobby', from, to: this.top });
  }

  #say(connection, document) {
    if (this.connections.has(connection)) connection.down.push(document);
  }

  #hello(connection, { name, resume }) {
    const known = resume && this.#sessions.get(resume.session);
    const session = known ? resume.session : `s${++this.#users}`;
    connection.user = known ?? `u${this.#users}`;
    this.#sessions.set(session, connection.user);
    const rooms = {};
    if (known && resume.rooms.lobby) {
      connection.isJoined = true;
      rooms.lobby = this.#recover(resume.rooms.lobby);
    }
    return { connection: 1, user: connection.user, name, color: 'red', session, heartbeat_ms: 25_000, limits: {}, time: 1, rooms };
  }

  #recover(position) {
    const all = [...(this.base ? [this.base] : [{ epoch: 0, offset: 0 }]), ...this.records];
    const at = all.findLastIndex(({ offset }) => offset <= position.offset);
    if (at < 0) return this.#newest(PAGE_COUNT);
    const isHeld = all[at].offset === position.offset;
    const { epoch, offset } = all[at];
    const page = this.#page(this.records.filter((record) => record.offset > offset));
    const records = isHeld ? page.records : [{ on: 'rollback', to: { epoch, offset } }, ...page.records];
    return { ...this.#entry(), ...page, records, recovered: true };
  }

  #after(offset) {
    return { ...this.#page(this.records.filter((record) => record.offset > offset)), ...this.top };
  }

  #page(records) {
    const shown = records.slice(0, PAGE_COUNT).map((record) => this.#shown(record));
    return { records: shown, more: records.length > shown.length };
  }

  #newest(limit, before = Infinity) {
    const messages = [...this.folded.values()].filter(({ offset }) => offset < before);
    return { ...this.#entry(), recovered: false, messages: messages.slice(-limit), more: messages.length > limit };
  }

  #entry() {
    return { room: 'lobby', ...this.top, members: [], member_count: 1, read: 0, unread_count: 0 };
  }

  /** A message among records is shown as it stands now. */
  #shown(record) {
    return record.on === 'message' ? { ...record, message: this.folded.get(record.offset) } : record;
  }

  #append(user, { do: kind, offset: of, mid, text, emoji, add }) {
    const top = this.top;
    this.#highest = Math.max(this.#highest, top.offset);
    const position = { epoch: this.epoch, offset: this.#highest + 1 };
    this.#highest += 1;
    const prev = top.offset === 0 ? null : top;
    const isNext = top.epoch === position.epoch && top.offset + 1 === position.offset;
    const record = { on: kind === 'send' ? 'message' : kind, ...position, ...(isNext ? {} : { prev }) };
    if (kind === 'send') record.message = { ...position, mid, user, name: user, color: 'red', at: 1, text };
    else Object.assign(record, { of, mid, user, at: 1 }, { edit: { text }, react: { emoji, add }, delete: {} }[kind]);
    this.chain.set(position.offset, top.offset);
    this.survived.set(position.offset, record);
    this.records.push(record);
    fold(this.folded, record);
    for (const connection of this.connections) {
      if (!connection.isJoined || connection.gap) continue;
      connection.shown = position;
      this.#say(connection, { ...record, room: 'lobby' });
    }
    return record;
  }
}

/** The protocol's folding, written down a second time and simply. */
function fold(messages, record) {
  if (record.on === 'message') messages.set(record.offset, record.message);
  const message = messages.get(record.of);
  if (!message || message.deleted) return;
  const copy = structuredClone(message);
  if (record.on === 'edit') Object.assign(copy, { text: record.text, revision: (copy.revision ?? 0) + 1 });
  if (record.on === 'delete') {
    delete copy.text;
    delete copy.reactions;
    copy.deleted = true;
  }
  if (record.on === 'react') {
    copy.reactions ??= {};
    const users = (copy.reactions[record.emoji] ?? []).filter((user) => record.add || user !== record.user);
    if (record.add && !users.includes(record.user)) users.push(record.user);
    copy.reactions[record.emoji] = users;
    if (!users.length) delete copy.reactions[record.emoji];
    if (!Object.keys(copy.reactions).length) delete copy.reactions;
  }
  messages.set(record.of, copy);
}

module.exports = { LossyServer };
