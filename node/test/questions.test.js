'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('ws');

const { startEngine, heard, within, runScript, Client } = require('./helpers.js');

/** Connects and gives the HTTP status that refused it, or undefined with an open socket. */
async function statusOf(t, url, options) {
  const socket = new WebSocket(url, options);
  t.after(() => socket.terminate());
  socket.on('error', () => {});
  const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode);
  return within(Promise.race([refused, once(socket, 'open').then(() => undefined)]), 'an answer');
}

test('admit sees the request and lets in, names or refuses, at once or later', async (t) => {
  const questions = [];
  const { engine, url } = await startEngine(t, {
    async admit(question) {
      questions.push(question);
      const { query } = question;
      await null;
      if (query.includes('ann')) return { user: 'ann', name: 'Ann A.' };
      if (query.includes('someone')) return { name: 'Someone' };
      if (query.includes('bad')) return { refuse: 'not you' };
      return true;
    },
  });
  const joined = heard(engine, 'joined');
  await Client.open(`${url}/?room=tea&who=ann`);
  const { user, name, room } = await joined;
  assert.deepEqual({ user, name, room }, { user: 'ann', name: 'Ann A.', room: 'tea' });
  const [question] = questions;
  assert.equal(question.dialect, 'tutorial');
  assert.equal(question.room, 'tea');
  assert.equal(question.path, '/');
  assert.equal(question.query, 'room=tea&who=ann');
  assert.match(question.address, /^127\.0\.0\.1:\d+$/);
  assert.equal(question.headers.upgrade.toLowerCase(), 'websocket');
  assert.equal(Object.getPrototypeOf(question.headers), null);

  const someone = heard(engine, 'joined', ({ name }) => name === 'Someone');
  await Client.open(`${url}/?who=someone`);
  await someone;

  const refused = heard(engine, 'refused');
  assert.equal(await statusOf(t, `${url}/?who=bad`), 403);
  assert.equal((await refused).error.code, 'refused');

  await Client.open(`${url}/?who=else`, 'Else');
});

test('only an explicit yes lets in: nothing, false and null refuse', async (t) => {
  const answers = [undefined, false, null];
  let index = 0;
  const { url } = await startEngine(t, { admit: () => answers[index++] });
  for (const answer of answers) assert.equal(await statusOf(t, url), 403, `after ${answer}`);
});

test('a handler that throws, rejects or answers nonsense refuses, and is told as an error', async (t) => {
  const acts = [
    () => {
      throw new Error('thrown');
    },
    async () => {
      throw new Error('rejected');
    },
    () => {
      throw 'a string';
    },
    () => 42,
    () => ({ user: 'no name' }),
    () => ({ name: ' ' }),
  ];
  let index = 0;
  const { engine, url } = await startEngine(t, { admit: () => acts[index++]() });
  const words = [];
  for (let act = 0; act < acts.length; act++) {
    const error = heard(engine, 'error');
    assert.equal(await statusOf(t, url), 403);
    words.push(await error);
  }
  assert.deepEqual(words.slice(0, 2).map(({ message }) => message), ['thrown', 'rejected']);
  assert.equal(words[2].cause, 'a string');
  assert.equal(words[3].code, 'wrong_verdict');
  assert.match(words[3].message, /admit gave 42/);
  assert.equal(words[4].code, 'wrong_verdict');
  assert.equal(words[5].code, 'bad_name');
});

test('maySend lets through, rewrites and refuses', async (t) => {
  const { engine, url } = await startEngine(t, {
    maySend({ text, name, room }) {
      assert.deepEqual({ name, room }, { name: 'Ann', room: 'lobby' });
      if (text === 'damn') return '****';
      if (text === 'spam') return { refuse: 'no spam' };
      if (text === 'later') return new Promise((resolve) => setImmediate(resolve, true));
      return text === 'hi';
    },
  });
  const ann = await Client.open(url, 'Ann');
  const refused = heard(engine, 'refused');
  for (const text of ['hi', 'damn', 'spam', 'nothing', 'later']) ann.socket.send(text);
  await ann.says('later');
  const texts = ann.received.filter(({ type }) => type === 'message').map(({ data }) => data.text);
  assert.deepEqual(texts, ['hi', '****', 'later']);
  assert.equal((await refused).error.code, 'refused');
  // The host's own messages are never asked about.
  engine.broadcast('lobby', 'from the host');
  await ann.says('from the host');
});

test('an answer that comes too late refuses, and the engine goes on', async (t) => {
  let answer;
  const { engine, url } = await startEngine(t, {
    questionTimeoutMs: 100,
    admit: ({ query }) => (query === 'now' ? true : new Promise((resolve) => (answer = resolve))),
  });
  engine.on('error', (error) => assert.fail(error));
  assert.equal(await statusOf(t, url), 403);
  answer(true);
  assert.equal(await statusOf(t, `${url}/?now`), undefined);
});

test('a throw in a handler is an uncaught exception where nobody listens to error', async (t) => {
  const script = runScript(t, `
    const engine = new klatsch.Engine({ listen: 0, admit() { throw new Error('from the handler'); } });
    process.on('uncaughtException', (error) => { console.log(error.message); engine.stop(); });
    engine.start().then(([address]) => new WebSocket('ws://' + address).on('error', () => {}));
  `);
  const { code, stdout } = await within(script.ended, 'the script');
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'from the handler\n' });
});

test('a rewrite that is too long or empty refuses its message, is told as an error, and the next one goes through', async (t) => {
  const rewrites = { long: 'x'.repeat(1_000_000), empty: ' ' };
  const { engine, url } = await startEngine(t, { maySend: ({ text }) => rewrites[text] ?? true });
  const codes = [];
  engine.on('error', ({ code }) => codes.push(code));
  const ann = await Client.open(url, 'Ann');
  for (const text of ['long', 'empty', 'hi']) ann.socket.send(text);
  await ann.says('hi');
  assert.deepEqual(codes, ['too_long', 'empty_text']);
  assert.equal(engine.history('lobby').length, 1);
});
