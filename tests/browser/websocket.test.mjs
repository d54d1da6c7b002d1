// The browser's own WebSocket, without the page's script: what Chromium and the engine make of each other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, startBrowser } from './lib/people.mjs';
import { startEcho, startSpoiler } from './lib/servers.mjs';

let browser;
before(async () => {
  if (!limits.skip) browser = await startBrowser();
});
after(() => browser?.close());

const TEXT = 'Grüße, 世界 – привет 👋🏽';
const MEBIBYTE = 1 << 20;
const WAIT_MS = 15_000;

/** Frames that break a rule, in hexadecimal, and the code that the browser must see. */
const VIOLATIONS = [
  ['a reserved bit', 'a18000000000', 1002],
  ['a reserved opcode', '838000000000', 1002],
  ['a ping in fragments', '098000000000', 1002],
  ['a ping that says it is compressed', 'c98000000000', 1002],
  ['a continuation of nothing', '808000000000', 1002],
  ['no mask', '810178', 1002],
  ['a length that is not minimal', '81fe00010000000078', 1002],
  ['a close code that nobody may send', '88820000000003ed', 1002],
  ['text that is not UTF-8', '818100000000ff', 1007],
  ['a bad byte in a text that goes on', '018200000000c0af', 1007],
  ['what is nothing compressed', 'c18300000000ffffff', 1007],
  ['a message too long, at its header', '82ff000000000020000100000000', 1009],
  ['too many fragments', `018000000000${'008000000000'.repeat(70)}`, 1008],
  ['too many pings', '898000000000'.repeat(30), 1008],
];

for (const scheme of ['ws', 'wss']) {
  let server;
  before(async () => {
    if (!limits.skip) server = await startEcho({ tls: scheme === 'wss' });
  });
  after(() => server?.stop());
  // Nobody trusts the certificate of the tests, so the browser is told not to mind.
  const visit = async (t, address = server.address) => (await arrive(t, browser, address, { ignoreHTTPSErrors: true })).page;

  test(`permessage-deflate is agreed on, ${scheme}`, limits, async (t) => {
    const { url, extensions } = await play(await visit(t), { closes: [1000] });
    assert.equal(new URL(url).protocol, `${scheme}:`);
    assert.match(extensions, /^permessage-deflate\b/);
  });

  test(`text, bytes and a mebibyte come back as they were, ${scheme}`, limits, async (t) => {
    const long = 'what compresses well, '.repeat(1_000);
    const { heard } = await play(await visit(t), { says: [TEXT, 256, MEBIBYTE, long], closes: [1000] });
    assert.deepEqual(heard, [TEXT, 'right: 256 bytes', `right: ${MEBIBYTE} bytes`, long]);
  });

  test(`what was agreed on is used both ways, ${scheme}`, limits, async (t) => {
    const spoiler = await startSpoiler(server);
    t.after(() => spoiler.stop());
    const page = await visit(t, spoiler.address);
    const before = { ...spoiler.passed };
    const text = 'what compresses well, '.repeat(2_000);
    const { heard } = await play(page, { says: [text], closes: [1000] });
    assert.deepEqual(heard, [text]);
    for (const way of ['up', 'down']) {
      const bytes = spoiler.passed[way] - before[way];
      assert.ok(bytes < text.length / 10, `${bytes} bytes ${way}`);
    }
  });

  test(`the page's own code comes back when it closes, ${scheme}`, limits, async (t) => {
    const { close } = await play(await visit(t), { says: [TEXT], closes: [4001, 'tschüs'] });
    assert.deepEqual(close, { code: 4001, reason: '', wasClean: true });
  });

  test(`who is kicked sees 1008 and the reason, ${scheme}`, limits, async (t) => {
    const { close } = await play(await visit(t), { says: ['kick me'] });
    assert.deepEqual(close, { code: 1008, reason: 'as you like', wasClean: true });
  });

  test(`a message too long is closed with 1009 and the limit's name, ${scheme}`, limits, async (t) => {
    const { close } = await play(await visit(t), { says: [3 * MEBIBYTE] });
    assert.equal(close.code, 1009);
    assert.match(close.reason, /max_message_bytes/);
    assert.equal(close.wasClean, true);
  });

  test(`the browser sees the code of every violation, ${scheme}`, limits, async (t) => {
    const spoiler = await startSpoiler(server);
    t.after(() => spoiler.stop());
    const page = await visit(t, spoiler.address);
    for (const [what, bytes, code] of VIOLATIONS) {
      const { close } = await play(page, { spoil: bytes });
      assert.deepEqual({ code: close.code, wasClean: close.wasClean }, { code, wasClean: true }, what);
      assert.notEqual(close.reason, '', what);
    }
  });

  test(`who is there when the host stops sees 1001, ${scheme}`, limits, async (t) => {
    const stopping = await startEcho({ tls: scheme === 'wss' });
    t.after(() => stopping.stop());
    const { close } = await play(await visit(t, stopping.address), { says: ['stop'] });
    assert.equal(close.code, 1001);
    assert.equal(close.wasClean, true);
  });
}

/**
 * Opens a WebSocket in the page and says one thing after another, each when the last has come back: texts, and numbers
 * for so many bytes of noise. Closes then, if it is given what with. `spoil`: bytes that the way there sends in its name. Gives what
 * was heard and how it ended.
 */
function play(page, { says = [], closes = null, spoil = '' }) {
  return page.evaluate(([says, closes, spoil, waitMs]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/echo${spoil && `?spoil=${spoil}`}`);
    socket.binaryType = 'arraybuffer';
    const heard = [];
    let bytes;
    setTimeout(() => reject(new Error(`not closed within ${waitMs} ms; heard ${heard}`)), waitMs);
    const sayNext = () => {
      const next = says[heard.length];
      if (next === undefined) {
        if (closes) socket.close(...closes);
      } else if (typeof next === 'number') {
        // Every value occurs, and it does not repeat soon: compressed it is still long.
        bytes = Uint8Array.from({ length: next }, (_, at) => (next === 256 ? at : Math.imul(at + 1, 2654435761) >>> 13));
        socket.send(bytes);
      } else {
        socket.send(next);
      }
    };
    socket.onopen = sayNext;
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        heard.push(data);
      } else {
        const back = new Uint8Array(data);
        const same = back.length === bytes.length && back.every((byte, at) => byte === bytes[at]);
        heard.push(`${same ? 'right' : 'wrong'}: ${back.length} bytes`);
      }
      sayNext();
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve({ heard, close: { code, reason, wasClean }, extensions: socket.extensions, url: socket.url });
  }), [says, closes, spoil, WAIT_MS]);
}
