// What every JavaScript client goes through. In: an adapter, `play({ name, modes, open })`. Out: one line
// `ok NAME checks…` and exit code 0, or words and 1. Knows no library; README.md says what is checked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const TEXT = 'Grüße, 世界 – привет 👋🏽';
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
const BIG = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => (at * 31 + (at >> 8)) & 255));
const TOO_LONG = Buffer.alloc(100_000, 'x');
const PART_BYTES = 65_536;
const WAIT_MS = 15_000;
const ALL_MS = 60_000;

/**
 * Plays the scenario, once in each of `modes`: 'plain', 'deflate' or 'own' (whatever the client does by itself).
 * `open(url, { ca, deflate })` resolves with a connection: `send(data)`, `next()`, `close(code, reason)`, the promise
 * `closed` of `{ code, reason }`, the text `extensions`; and where the library has them `sendParts(parts)` and
 * `ping(payload)`, which resolves with the pong's payload.
 */
export async function play({ name, modes, open }) {
  setTimeout(() => fail(name, `not done in ${ALL_MS} ms`), ALL_MS).unref();
  try {
    const [echo, small, caFile] = process.argv.slice(2);
    const ca = caFile && readFileSync(caFile);
    const checks = [];
    for (const mode of modes) {
      const options = { ca, deflate: mode === 'deflate' };
      checks.push(`${mode}:`, ...(await talk(await soon(open(echo, options), 'to open'), mode)));
      checks.push(await beClosed(await soon(open(small, options), 'to open')));
    }
    console.log(['ok', name, ...checks].join(' '));
    process.exit(0);
  } catch (error) {
    fail(name, error.stack);
  }
}

async function talk(connection, mode) {
  const checks = [];
  const isCompressed = /^permessage-deflate\b/.test(connection.extensions);
  if (mode !== 'own') assert.equal(isCompressed, mode === 'deflate', `agreed on ${JSON.stringify(connection.extensions)}`);
  if (isCompressed) checks.push('agreed');

  connection.send(TEXT);
  assert.equal(await soon(connection.next(), 'the text'), TEXT);
  checks.push('text');

  connection.send(BYTES);
  assert.deepEqual(await soon(connection.next(), 'the bytes'), BYTES);
  checks.push('binary');

  if (connection.sendParts) {
    const count = BIG.length / PART_BYTES;
    connection.sendParts(Array.from({ length: count }, (_, at) => BIG.subarray(at * PART_BYTES, (at + 1) * PART_BYTES)));
    checks.push(`1MiB/${count}`);
  } else {
    connection.send(BIG);
    checks.push('1MiB');
  }
  assert.ok(BIG.equals(await soon(connection.next(), 'the mebibyte')), 'the mebibyte came back changed');

  if (connection.ping) {
    assert.equal(String(await soon(connection.ping('are you there?'), 'the pong')), 'are you there?');
    checks.push('ping');
  }
  connection.close(4001, 'tschüs');
  const { code } = await soon(connection.closed, 'the close');
  assert.equal(code, 4001, 'the engine echoes the code');
  return [...checks, 'close:4001'];
}

/** At the second address messages have the default limit: one that is longer is answered with 1009. */
async function beClosed(connection) {
  connection.send(TOO_LONG);
  const { code, reason } = await soon(connection.closed, 'to be closed');
  assert.equal(code, 1009);
  assert.match(reason, /max_message_bytes/, 'the reason names the limit');
  return 'closed:1009';
}

/** Whole messages in the order they came, for whoever asks next. */
export class Inbox {
  #messages = [];
  #waiting = [];

  put(message) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#messages.push(message);
  }

  next() {
    return new Promise((resolve) => {
      if (this.#messages.length > 0) resolve(this.#messages.shift());
      else this.#waiting.push(resolve);
    });
  }
}

/** A package that the Node door's own tests stand on. */
export function packageNamed(name) {
  try {
    return createRequire(new URL('../../../node/package.json', import.meta.url))(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return fail(name, `the package is missing: npm ci --prefix node --ignore-scripts`);
  }
}

async function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms for ${what}`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function fail(name, words) {
  console.error(`${name}: ${words}`);
  process.exit(1);
}
