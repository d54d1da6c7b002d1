'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const tls = require('node:tls');

const WebSocket = require('ws');

const { Engine } = require('..');
const { heard, startEngine, within } = require('./helpers.js');
const { cert, key } = require('./certificate.js');

/** A folder with the certificate and its key in files, gone with the test. */
function files(t) {
  const folder = fs.mkdtempSync(join(os.tmpdir(), 'klatsch-tls-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  fs.writeFileSync(paths.cert, cert);
  fs.writeFileSync(paths.key, key);
  return paths;
}

test('with a certificate the page comes by https and the chat by wss', async (t) => {
  for (const options of [{ tlsFiles: files(t) }, { tlsPem: { cert, key: Buffer.from(key) } }, { tlsPem: [{ cert, key }] }]) {
    const { engine } = await startEngine(t, options);
    const [, port] = engine.addresses[0].split(':');
    const [page] = await within(once(https.get({ port, host: 'localhost', ca: cert, family: 4, agent: false }), 'response'), 'the page');
    assert.equal(page.statusCode, 200);
    page.resume();
    const client = new WebSocket(`wss://127.0.0.1:${port}/`, { ca: cert });
    await within(once(client, 'open'), 'the WebSocket');
    client.send('Ann');
    const [color] = await within(once(client, 'message'), 'the colour');
    assert.equal(JSON.parse(color).type, 'color');
    client.close();
    await within(once(client, 'close'), 'the end');
  }
});

test('only TLS 1.2 and 1.3, and only http/1.1', async (t) => {
  const { engine } = await startEngine(t, { tlsPem: { cert, key } });
  const [, port] = engine.addresses[0].split(':');
  const connect = async (options) => {
    const socket = tls.connect({ port, host: '127.0.0.1', ca: cert, ...options });
    t.after(() => socket.destroy());
    await within(once(socket, 'secureConnect'), 'TLS');
    return [socket.getProtocol(), socket.alpnProtocol];
  };
  assert.deepEqual(await connect({ maxVersion: 'TLSv1.2' }), ['TLSv1.2', false]);
  assert.deepEqual(await connect({ ALPNProtocols: ['h2', 'http/1.1'] }), ['TLSv1.3', 'http/1.1']);
  await assert.rejects(connect({ ALPNProtocols: ['h2'] }), /no application protocol/i);
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' };
  await assert.rejects(connect(old), /protocol version|alert handshake failure/i);
});

test('a reload with a wrong file keeps the old certificate and says so', async (t) => {
  const tlsFiles = files(t);
  const { engine } = await startEngine(t, { tlsFiles });
  engine.reloadTls();
  fs.writeFileSync(tlsFiles.key, 'no key');
  const degraded = heard(engine, 'degraded');
  assert.throws(() => engine.reloadTls(), ({ code, message }) => code === 'invalid_option' && message.includes('key.pem'));
  assert.match((await degraded).message, /key\.pem/);
  const [, port] = engine.addresses[0].split(':');
  const client = new WebSocket(`wss://127.0.0.1:${port}/`, { ca: cert });
  await within(once(client, 'open'), 'the WebSocket');
  client.terminate();
});

test('what is wrong with a certificate is said by its option, without quoting a key', async () => {
  const missing = new Engine({ listen: 0, tlsFiles: { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' } });
  await assert.rejects(missing.start(), ({ code, message }) => code === 'invalid_option' && message.includes('/nowhere/cert.pem'));
  for (const [options, words] of [
    [{ tlsFiles: 'cert.pem' }, /tlsFiles must be \{cert, key\}/],
    [{ tlsPem: { cert, key: 5 } }, /tlsPem must be \{cert, key\}/],
    [{ tlsPem: { cert, key }, adoptOnly: true }, /tlsPem.*never speak TLS/],
  ]) {
    assert.throws(() => new Engine(options), ({ code, message }) => code === 'invalid_option' && words.test(message));
  }
  assert.throws(() => new Engine({ listen: 0 }).reloadTls(), { code: 'not_running' });
});
