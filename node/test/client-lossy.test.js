'use strict';
// The chat client over a line that loses, doubles and delays, against a server that crashes, and in a page that is loaded again:
// whatever the seed, what was said is in the log once and in order, and nobody misses anything in silence.
//
// KLATSCH_SEED=7 runs one seed, KLATSCH_SEEDS=5000 more of them.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { HandClock, loadClient, seeded, settle } = require('./client/script.js');
const { LossyServer } = require('./client/lossy.js');

const { KLATSCH_SEED, KLATSCH_SEEDS = '200' } = process.env;
const SEEDS = KLATSCH_SEED ? [Number(KLATSCH_SEED)] : Array.from({ length: Number(KLATSCH_SEEDS) }, (_, at) => at + 1);
const STEP_COUNT = 400;
const EMOJI = ['👍', '🎉'];

/** What one client was told, checked as it comes: each record follows on what was told before. */
class Witness {
  told = 0;
  resets = 0;
  rollbacks = 0;
  reloads = 0;
  sends = []; // {text, outcome}
  fault = null;
  #state; // what the store keeps

  constructor(name, makeChat, server) {
    this.name = name;
    this.makeChat = makeChat;
    this.server = server;
    this.begin();
  }

  /** Begins, or goes on with what was kept. */
  begin() {
    const store = { load: () => this.#state, save: (state) => { this.#state = structuredClone(state); } };
    const chat = (this.chat = this.makeChat(store));
    const { server } = this;
    const [, position] = this.#state?.rooms[0] ?? [];
    let last = position?.offset ?? null;
    if (!position) chat.join('lobby');
    for (const kind of ['message', 'edit', 'delete', 'react']) {
      chat.on(kind, ({ offset }) => {
        last ??= server.chain.get(offset);
        if (server.chain.get(offset) !== last) this.fault ??= `a ${kind} at ${offset} was told after ${last}`;
        last = offset;
        this.told += 1;
      });
    }
    chat.on('rollback', ({ to }) => {
      if (last !== null && to.offset >= last) this.fault ??= `a rollback to ${to.offset} was told after ${last}`;
      last = to.offset;
      this.rollbacks += 1;
    });
    chat.on('reset', () => {
      last = chat.room('lobby').position.offset;
      this.resets += 1;
    });
  }

  /** The page is loaded again. */
  async reload() {
    this.chat.close();
    await settle();
    this.begin();
    await settle();
    this.reloads += 1;
  }

  act(random) {
    const roll = random();
    const messages = this.chat.room('lobby')?.messages ?? [];
    const { offset } = messages[Math.floor(random() * messages.length)] ?? {};
    if (roll < 0.6 || offset === undefined) {
      const text = `${this.name} ${this.sends.length}`;
      const send = { text, outcome: null };
      this.sends.push(send);
      this.#note(send, this.chat.send('lobby', text));
    } else {
      const change = { text: null, outcome: null };
      this.sends.push(change);
      if (roll < 0.75) this.#note(change, this.chat.edit('lobby', offset, `edited ${Math.floor(random() * 1000)}`));
      else if (roll < 0.95) this.#note(change, this.chat.react('lobby', offset, EMOJI[Math.floor(random() * 2)], random() < 0.6));
      else this.#note(change, this.chat.delete('lobby', offset));
    }
  }

  #note(send, promise) {
    promise.then((ok) => { send.outcome = ok; }, (error) => { send.outcome = error; });
  }
}

async function live(Chat, seed) {
  const random = seeded(seed);
  const clock = new HandClock();
  const server = new LossyServer(random);
  const witnesses = ['ann', 'bob', 'cy'].map((name) => {
    const options = { name, WebSocket: server.WebSocket, clock, random, history: 5, keptMessageCount: 200, reconnectMaxMs: 4000 };
    return new Witness(name, (store) => new Chat('ws://chat.example/', { ...options, store }), server);
  });
  await settle();
  const pick = (list) => list[Math.floor(random() * list.length)];
  const crossings = () => [...server.connections].flatMap((connection) => [
    ...(connection.isAccepted ? [] : [() => server.accept(connection)]),
    ...(connection.up.length && connection.isAccepted ? [() => server.carryOut(connection)] : []),
    ...(connection.down.length ? [() => server.deliver(connection)] : []),
  ]);
  for (let step = 0; step < STEP_COUNT; step++) {
    const roll = random();
    const connection = pick([...server.connections]);
    if (roll < 0.2) pick(witnesses).act(random);
    else if (roll < 0.8) pick(crossings())?.();
    else if (roll < 0.9) server.settle();
    else if (roll < 0.93) clock.turn(Math.floor(random() * 1500));
    else if (roll < 0.95) connection && server.cut(connection);
    else if (roll < 0.965) connection?.isJoined && server.lag(connection);
    else if (roll < 0.98) connection?.gap && server.catchUp(connection);
    else if (roll < 0.992) server.trim();
    else if (roll < 0.996) server.crash();
    else if (roll < 0.999) await pick(witnesses).reload();
    await null;
  }
  // From here on nothing goes wrong any more, and everything comes to its end.
  for (let round = 0; round < 2000; round++) {
    for (const connection of server.connections) if (connection.gap) server.catchUp(connection);
    const open = crossings();
    if (open.length) pick(open)();
    else if (server.unsettledCount) server.settle();
    else if (witnesses.some(({ chat }) => chat.state !== 'open' || chat.outbox.length)) clock.turn(1000);
    else break;
    if (round % 20 === 0) await settle();
  }
  await settle();
  return { server, witnesses };
}

function look({ server, witnesses }) {
  const everSaid = new Map();
  for (const { on, message } of server.records) if (on === 'message') everSaid.set(message.mid, message);
  const said = [...server.survived.values()].filter(({ on }) => on === 'message').map(({ message }) => message.text);
  assert.equal(new Set(said).size, said.length, 'a text stands in the log once');
  const wrong = ['unknown_message', 'uncertain', 'closed'];
  for (const { chat, sends, fault, reloads } of witnesses) {
    assert.equal(fault, null);
    assert.equal(chat.state, 'open');
    assert.deepEqual(chat.outbox, []);
    const room = chat.room('lobby');
    assert.deepEqual(room.position, server.top);
    const kept = [...server.folded.values()].filter(({ offset }) => offset >= (room.messages[0]?.offset ?? 0));
    // The log may have been trimmed behind what the client still has.
    const oldest = kept[0]?.offset ?? Infinity;
    assert.deepEqual(room.messages.filter(({ offset }) => offset >= oldest), kept);
    for (const { text, outcome } of sends) {
      assert.notEqual(outcome, null, `${text} was never answered`);
      // What the first page did not hear any more, the next one has said.
      if (outcome instanceof Error) assert.ok(wrong.slice(0, reloads ? 3 : 1).includes(outcome.name), `${text}: ${outcome.name}`);
      if (text !== null) assert.ok(said.includes(text), `${text} is missing`);
    }
    const offsets = sends.filter(({ outcome }) => !(outcome instanceof Error)).map(({ outcome }) => outcome.offset);
    assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b), 'what one says stands in the order in which it was said');
    assert.equal(new Set(offsets).size, offsets.length);
    for (const { outcome } of sends) {
      if (outcome instanceof Error || (server.base && outcome.offset <= server.base.offset)) continue;
      assert.equal(server.records.filter(({ offset }) => offset === outcome.offset).length, 1);
    }
  }
  const mids = server.records.map(({ mid, message }) => mid ?? message.mid);
  assert.equal(new Set(mids).size, mids.length, 'a mid stands in the log once');
}

test('whatever the line and the server do, nothing is lost, doubled or out of order', async () => {
  const { Chat } = await loadClient();
  const seen = { told: 0, resets: 0, rollbacks: 0, reloads: 0 };
  for (const seed of SEEDS) {
    let lived;
    try {
      lived = await live(Chat, seed);
      look(lived);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
    for (const witness of lived.witnesses) {
      for (const what of Object.keys(seen)) seen[what] += witness[what];
      witness.chat.close();
    }
  }
  // It would prove nothing if nothing had happened.
  if (!KLATSCH_SEED) assert.ok(seen.told > 50 * SEEDS.length && seen.resets > 0 && seen.rollbacks > 0 && seen.reloads > 0, JSON.stringify(seen));
});
