'use strict';
// The chat client over a line that loses, doubles and delays, against a server that crashes: whatever the seed, every
// acknowledged change is in the log once and in order, and nobody misses anything in silence.
//
// KLATSCH_SEED=7 runs one seed, KLATSCH_SEEDS=5000 more of them.
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { HandClock, loadClient, seeded, settle } = require('./client/script.js');
const { LossyServer } = require('./client/lossy.js');

const { KLATSCH_SEED, KLATSCH_SEEDS = '300' } = process.env;
const SEEDS = KLATSCH_SEED ? [Number(KLATSCH_SEED)] : Array.from({ length: Number(KLATSCH_SEEDS) }, (_, at) => at + 1);
const STEP_COUNT = 400;
const EMOJI = ['👍', '🎉'];

/** What one client was told, checked as it comes: each record follows on what was told before. */
class Witness {
  told = 0;
  resets = 0;
  rollbacks = 0;
  sends = []; // {text, outcome}
  fault = null;

  constructor(chat, server) {
    this.chat = chat;
    let last = null;
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

  act(random, name) {
    const roll = random();
    const messages = this.chat.room('lobby')?.messages ?? [];
    const { offset } = messages[Math.floor(random() * messages.length)] ?? {};
    if (roll < 0.6 || offset === undefined) {
      const text = `${name} ${this.sends.length}`;
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
    const witness = new Witness(new Chat('ws://chat.example/', options), server);
    witness.chat.join('lobby');
    return witness;
  });
  const pick = (list) => list[Math.floor(random() * list.length)];
  const crossings = () => [...server.connections].flatMap((connection) => [
    ...(connection.isAccepted ? [] : [() => server.accept(connection)]),
    ...(connection.up.length && connection.isAccepted ? [() => server.carryOut(connection)] : []),
    ...(connection.down.length ? [() => server.deliver(connection)] : []),
  ]);
  for (let step = 0; step < STEP_COUNT; step++) {
    const roll = random();
    const connection = pick([...server.connections]);
    if (roll < 0.2) pick(witnesses).act(random, pick(['ann', 'bob', 'cy']));
    else if (roll < 0.8) pick(crossings())?.();
    else if (roll < 0.9) server.settle();
    else if (roll < 0.93) clock.turn(Math.floor(random() * 1500));
    else if (roll < 0.95) connection && server.cut(connection);
    else if (roll < 0.965) connection?.isJoined && server.lag(connection);
    else if (roll < 0.98) connection?.gap && server.catchUp(connection);
    else if (roll < 0.992) server.trim();
    else if (roll < 0.996) server.crash();
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
  for (const { chat, sends, fault } of witnesses) {
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
      if (outcome instanceof Error) assert.equal(outcome.name, 'unknown_message');
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
  const seen = { told: 0, resets: 0, rollbacks: 0 };
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
  if (!KLATSCH_SEED) assert.ok(seen.told > 50 * SEEDS.length && seen.resets > 0 && seen.rollbacks > 0, JSON.stringify(seen));
});
