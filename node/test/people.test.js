'use strict';
// Who may be where, and do what there: the calls and questions that clients of klatsch.v1 bring.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('ws');

const { Engine } = require('..');
const { startEngine, heard, within } = require('./helpers.js');

/** A client that says hello and keeps what it is sent. */
class Talker {
  received = [];
  #look = () => {};
  #id = 0;

  static async open(t, url, hello) {
    const talker = new Talker();
    talker.socket = new WebSocket(url, 'klatsch.v1');
    t.after(() => talker.socket.terminate());
    talker.socket.on('message', (data) => {
      talker.received.push(JSON.parse(String(data)));
      talker.#look();
    });
    talker.closed = once(talker.socket, 'close').then(([code]) => code);
    await within(once(talker.socket, 'open'), `${url} to open`);
    talker.me = await talker.ask({ do: 'hello', ...hello });
    return talker;
  }

  /** Sends a request and gives the reply's `ok`, or throws its `error`. */
  async ask(request) {
    const id = ++this.#id;
    this.socket.send(JSON.stringify({ id, ...request }));
    const { ok, error } = await this.until((document) => document.id === id);
    if (error !== undefined) throw Object.assign(new Error(error.message), error);
    return ok;
  }

  until(fits) {
    const come = new Promise((resolve) => {
      this.#look = () => {
        const found = this.received.find(fits);
        if (found !== undefined) resolve(found);
      };
      this.#look();
    });
    return within(come, 'what fits').catch((error) => {
      throw new Error(`${error.message}; it got ${JSON.stringify(this.received)}`);
    });
  }
}

test('a ticket and an admission say who somebody is, where they are and what they may do', async (t) => {
  const questions = [];
  const { engine, url } = await startEngine(t, {
    admit(question) {
      questions.push(question);
      return { user: 'cy-1', name: 'Cy', role: 'owner', rooms: ['den'], expiresAtMs: 4_102_444_800_000 };
    },
  });
  const ticket = engine.ticket({ user: 'ann-1', name: 'Ann', role: 'moderator', rooms: ['den'] }, 60_000);
  const ann = await Talker.open(t, url, { token: ticket });
  assert.deepEqual([ann.me.user, ann.me.name], ['ann-1', 'Ann']);
  await ann.until(({ on, room }) => on === 'joined' && room === 'den');
  assert.equal(questions.length, 0, 'whoever has a ticket is not asked about');

  const cy = await Talker.open(t, url, { name: 'Somebody', token: 't0k3n' });
  assert.deepEqual([cy.me.user, cy.me.expires_at], ['cy-1', 4_102_444_800_000]);
  const [{ dialect, name, token }] = questions;
  assert.deepEqual({ dialect, name, token }, { dialect: 'v1', name: 'Somebody', token: 't0k3n' });
  const roles = engine.members('den').map(({ user, role }) => [user, role]);
  assert.deepEqual(roles, [['ann-1', 'moderator'], ['cy-1', 'owner']]);

  for (const [admission, words] of [
    [{ user: 'ann-1' }, /name is not there/],
    [{ name: 'Ann', role: 'king' }, /role is "king"; it must be owner/],
    [{ name: 'Ann', rooms: 'den' }, /rooms is "den"/],
    [{ name: 'Ann', colour: 'red' }, /takes user and name/],
    ['Ann', /takes an object/],
  ]) {
    assert.throws(() => engine.ticket(admission, 1), { code: 'invalid_argument', message: words });
  }
  assert.throws(() => engine.ticket({ name: ' ' }, 1), { code: 'bad_name' });
  assert.throws(() => engine.ticket({ name: 'Ann' }), { code: 'invalid_argument', message: /ttlMs/ });
});

test('a message has what only some have', async (t) => {
  const { engine, url } = await startEngine(t, { lingerMs: 0 });
  const ann = await Talker.open(t, url, { name: 'Ann' });
  const bob = await Talker.open(t, url, { name: 'Bob' });
  await ann.ask({ do: 'join', room: 'den' });
  engine.broadcast('den', 'zero');
  const message = heard(engine, 'message', ({ text }) => text === 'one');
  const data = { x: [1, 2], ['__proto__']: 'a name like any other' };
  await ann.ask({ do: 'send', room: 'den', mid: 'a-1', text: 'one', reply_to: 1, data });
  const { mid, replyTo, data: got, revision } = await message;
  assert.deepEqual({ mid, replyTo, revision }, { mid: 'a-1', replyTo: 1, revision: undefined });
  assert.deepEqual(got, data);
  await ann.ask({ do: 'react', room: 'den', offset: 1, mid: 'a-2', emoji: '👍', add: true });
  await ann.ask({ do: 'edit', room: 'den', offset: 2, mid: 'a-3', text: 'two' });
  const [zero, two] = engine.history('den');
  assert.deepEqual(zero.reactions, [{ emoji: '👍', users: [ann.me.user] }]);
  assert.deepEqual([two.text, two.revision, 'deleted' in two], ['two', 1, false]);
  await ann.ask({ do: 'delete', room: 'den', offset: 2, mid: 'a-4' });
  const [, gone] = engine.history('den');
  assert.deepEqual([gone.text, gone.deleted, 'data' in gone], ['', true, false]);

  const away = heard(engine, 'away');
  const disconnected = heard(engine, 'disconnected');
  bob.socket.terminate();
  await disconnected;
  await ann.ask({ do: 'send', to: bob.me.user, mid: 'a-5', text: 'psst' });
  const { user, message: direct } = await away;
  assert.deepEqual([user, direct.user, direct.text, direct.mid], [bob.me.user, ann.me.user, 'psst', 'a-5']);
});

test('the host says who is where, what they may do, and who may not come in', async (t) => {
  const { engine, url } = await startEngine(t, { mayJoin: ({ room, name }) => room !== 'attic' || { refuse: `no, ${name}` } });
  const ticket = engine.ticket({ user: 'ann-1', name: 'Ann' }, 60_000);
  const ann = await Talker.open(t, url, { token: ticket });
  await assert.rejects(ann.ask({ do: 'join', room: 'attic' }), { name: 'refused', message: 'no, Ann' });
  engine.setRoom('den', { private: true, readOnly: true, maxMemberCount: 5, historyKept: 3 });
  await assert.rejects(ann.ask({ do: 'join', room: 'den' }), { name: 'not_allowed' });
  engine.join('den', 'ann-1');
  await ann.until(({ on, room }) => on === 'joined' && room === 'den');
  await assert.rejects(ann.ask({ do: 'send', room: 'den', mid: 'a-1', text: 'x' }), { name: 'not_allowed' });

  const acts = [
    [{ act: 'role', user: 'ann-1', role: 'moderator' }, { user: 'ann-1', value: 'moderator' }],
    [{ act: 'topic', topic: 'tea' }, { value: 'tea' }],
    [{ act: 'slow', seconds: 7 }, { value: 7 }],
    [{ act: 'mute', user: 'eve' }, { user: 'eve' }],
    [{ act: 'ban', user: 'eve', seconds: 60 }, { user: 'eve', seconds: 60 }],
    [{ act: 'unban', user: 'eve' }, { user: 'eve' }],
    [{ act: 'clear', user: 'eve' }, { user: 'eve' }],
    [{ act: 'clear', user: undefined }, {}],
    [{ act: 'kick', user: 'ann-1' }, { user: 'ann-1' }],
  ];
  for (const [act, fields] of acts) {
    const { epoch, offset } = engine.moderate('den', act);
    const { at, ...seen } = await ann.until((event) => event.on === 'moderation' && event.offset === offset);
    const { prev, ...rest } = seen;
    assert.deepEqual(rest, { on: 'moderation', room: 'den', epoch, offset, act: act.act, ...fields });
  }
  await ann.until(({ on }) => on === 'removed');
  for (const [act, words] of [
    [{ act: 'dance' }, /act is "dance"; it must be kick/],
    [{ act: 'slow', user: 'ann-1' }, /takes seconds, not user/],
    [undefined, /act must be an object/],
  ]) {
    assert.throws(() => engine.moderate('den', act), { code: 'invalid_argument', message: words });
  }
  assert.throws(() => engine.moderate('den', { act: 'kick', user: 'nobody' }), { code: 'unknown_user' });
  assert.throws(() => engine.setRoom('den', { private: 'yes' }), { code: 'invalid_argument', message: /private/ });
  assert.throws(() => engine.setRoom('den', { topic: 'x' }), { code: 'invalid_argument', message: /topic/ });

  engine.tellUser('ann-1', 'at noon');
  const { data } = await ann.until(({ on }) => on === 'tell');
  assert.equal(data, 'at noon');
  assert.throws(() => engine.tellUser('eve', 'x'), { code: 'unknown_user' });
  engine.join('tea', 'ann-1');
  await ann.until(({ on, room }) => on === 'joined' && room === 'tea');
  engine.leave('tea', 'ann-1');
  await ann.until(({ on, room }) => on === 'removed' && room === 'tea');

  engine.ban('ann-1');
  assert.equal(await within(ann.closed, 'the end'), 4002);
  engine.ban('ann-1', 0);
  const bob = await Talker.open(t, url, { name: 'Bob' });
  assert.throws(() => engine.banAddress('localhost'), { code: 'invalid_argument', message: /IP address/ });
  assert.throws(() => engine.ban('ann-1', 0.5), { code: 'invalid_argument', message: /seconds/ });
  engine.banAddress('127.0.0.1', 60);
  assert.equal(await within(bob.closed, 'the end'), 4002);
});

test('a call is answered with whatever its handler gives', async (t) => {
  const answers = {
    weather: ({ data: [city] }) => ({ city, degrees: -3.5 }),
    nothing: () => null,
    no: () => false,
    later: async () => 'at last',
    forgets: () => {},
    refuses: () => ({ refuse: 'not you' }),
    throws() {
      throw new Error('on purpose');
    },
    nonsense: () => Symbol('nonsense'),
  };
  const { engine, url } = await startEngine(t, { call: (question) => answers[question.method](question) });
  const errors = [];
  engine.on('error', ({ message }) => errors.push(message));
  const ann = await Talker.open(t, url, { name: 'Ann' });
  const call = (method, data) => ann.ask({ do: 'call', method, data });
  assert.deepEqual(await call('weather', ['Wien']), { city: 'Wien', degrees: -3.5 });
  assert.equal(await call('nothing'), null);
  assert.equal(await call('no'), false);
  assert.equal(await call('later'), 'at last');
  await assert.rejects(call('forgets'), { name: 'refused' });
  await assert.rejects(call('refuses'), { name: 'refused', message: 'not you' });
  await assert.rejects(call('throws'), { name: 'refused' });
  await assert.rejects(call('nonsense'), { name: 'refused' });
  assert.equal(errors[0], 'on purpose');
  assert.match(errors[1], /call gave a symbol; it must give what has a JSON form/);

  const { url: mute } = await startEngine(t);
  const bob = await Talker.open(t, mute, { name: 'Bob' });
  await assert.rejects(bob.ask({ do: 'call', method: 'x', data: 1 }), { name: 'not_available' });
});

test('a handler that is no function is refused by its name', () => {
  for (const name of ['admit', 'mayJoin', 'maySend', 'call']) {
    assert.throws(() => new Engine({ [name]: true }), { code: 'invalid_option', message: new RegExp(name) });
  }
});
