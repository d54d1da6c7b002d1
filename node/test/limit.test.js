'use strict';
// The limit of messages that is set here is the limit that is kept.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('ws');

const { cert, key } = require('./certificate.js');
const { startEngine, within } = require('./helpers.js');

const COMPRESSED = { perMessageDeflate: { threshold: 0 } };
const PLAIN = { perMessageDeflate: false };

/** Sends one message; gives how many bytes the host was given, or the close code. */
async function send(engine, url, options, parts) {
  const socket = new WebSocket(`${url}/raw`, { ca: cert, ...options });
  await within(once(socket, 'open'), 'a WebSocket to open');
  assert.equal(socket.extensions.startsWith('permessage-deflate'), options === COMPRESSED);
  let listener;
  const received = new Promise((resolve) => {
    listener = ({ data }) => resolve(data.length);
    engine.on('received', listener);
  });
  const closed = once(socket, 'close').then(([code]) => code);
  parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1, binary: true, compress: options === COMPRESSED }));
  const result = await within(Promise.race([received, closed]), 'a message or its refusal');
  engine.off('received', listener);
  socket.terminate();
  return result;
}

for (const [name, tls] of [['plain', {}], ['TLS', { tlsPem: { cert, key } }]]) {
  test(`a byte less than the limit and the limit are accepted, a byte more is 1009, ${name}`, async (t) => {
    for (const limit of [125, 1_000, 65_536]) {
      const { engine, url } = await startEngine(t, { ...tls, raw: { '/raw': '' }, maxMessageBytes: limit });
      const address = name === 'TLS' ? url.replace('ws://', 'wss://') : url;
      for (const options of [PLAIN, COMPRESSED]) {
        for (const [length, want] of [[limit - 1, limit - 1], [limit, limit], [limit + 1, 1009]]) {
          const bytes = Buffer.alloc(length, 'a');
          const third = Math.floor(length / 3);
          for (const parts of [[bytes], [bytes.subarray(0, third), Buffer.alloc(0), bytes.subarray(third)]]) {
            const what = `${length} of ${limit} in ${parts.length}, ${options === PLAIN ? 'plain' : 'compressed'}`;
            assert.equal(await send(engine, address, options, parts), want, what);
          }
        }
      }
      await engine.stop({ graceMs: 0 });
    }
  });
}
