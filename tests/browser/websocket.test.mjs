// The browser's own WebSocket, without the page's script: what Chromium and the engine make of each other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, startBrowser } from './lib/people.mjs';
import { startEcho } from './lib/servers.mjs';

let server;
let browser;
before(async () => {
  if (limits.skip) return;
  [server, browser] = await Promise.all([startEcho(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const TEXT = 'Grüße, 世界 – привет 👋🏽';
const MEBIBYTE = 1 << 20;
const WAIT_MS = 15_000;

test('permessage-deflate is agreed on', limits, async (t) => {
  const { extensions } = await play(await visit(t), { closes: [1000] });
  assert.match(extensions, /^permessage-deflate\b/);
});

test('text, bytes and a mebibyte come back as they were', limits, async (t) => {
  const { heard } = await play(await visit(t), { says: [TEXT, 256, MEBIBYTE], closes: [1000] });
  assert.deepEqual(heard, [TEXT, 'right: 256 bytes', `right: ${MEBIBYTE} bytes`]);
});

test('the page\'s own code comes back when it closes', limits, async (t) => {
  const { close } = await play(await visit(t), { says: [TEXT], closes: [4001, 'tschüs'] });
  assert.deepEqual(close, { code: 4001, reason: '', wasClean: true });
});

test('who is kicked sees 1008 and the reason', limits, async (t) => {
  const { close } = await play(await visit(t), { says: ['kick me'] });
  assert.deepEqual(close, { code: 1008, reason: 'as you like', wasClean: true });
});

test('a message too long is closed with 1009 and the limit\'s name', limits, async (t) => {
  const { close } = await play(await visit(t), { says: [3 * MEBIBYTE] });
  assert.equal(close.code, 1009);
  assert.match(close.reason, /max_message_bytes/);
  assert.equal(close.wasClean, true);
});

async function visit(t) {
  return (await arrive(t, browser, server.address)).page;
}

/**
 * Opens a WebSocket in the page and says one thing after another, each when the last has come back: texts, and numbers
 * for so many bytes of noise. Closes then, if it is given what with. Gives what was heard and how it ended.
 */
function play(page, { says = [], closes = null }) {
  return page.evaluate(([says, closes, waitMs]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}/echo`);
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
    socket.onclose = ({ code, reason, wasClean }) => resolve({ heard, close: { code, reason, wasClean }, extensions: socket.extensions });
  }), [says, closes, WAIT_MS]);
}
