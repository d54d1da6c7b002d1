'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');

const websocket = require('websocket');

const { startEngine, heard, within, Client } = require('./helpers.js');

test("the tutorial's own browser-side code chats, through the W3C client of its library", async (t) => {
  const { engine, url } = await startEngine(t);
  engine.broadcast('lobby', 'before you came');
  const socket = new websocket.w3cwebsocket(url);
  t.after(() => socket.close());
  const received = [];
  let look = () => {};
  socket.onmessage = ({ data }) => {
    received.push(JSON.parse(data));
    look();
  };
  const count = (wanted) =>
    within(new Promise((resolve) => ((look = () => received.length >= wanted && resolve()), look())), `${wanted} messages`);
  await within(new Promise((resolve) => (socket.onopen = resolve)), 'the client to open');
  await count(1);
  socket.send('Ann');
  await count(2);
  socket.send('<b>hello & "you"</b>');
  await count(3);
  const [history, color, message] = received;
  assert.equal(history.type, 'history');
  assert.deepEqual(Object.keys(history.data[0]), ['time', 'text', 'author', 'color']);
  assert.equal(history.data[0].text, 'before you came');
  assert.equal(history.data[0].author, 'Host');
  assert.equal(color.type, 'color');
  assert.match(color.data, /^(red|green|blue|magenta|purple|plum|orange)$/);
  assert.equal(message.type, 'message');
  assert.equal(message.data.text, '&lt;b&gt;hello &amp; &quot;you&quot;&lt;/b&gt;');
  assert.equal(message.data.author, 'Ann');
  assert.equal(message.data.color, color.data);
  assert.ok(Math.abs(Date.now() - message.data.time) < 60_000);
  assert.equal(engine.history('lobby').at(-1).text, '<b>hello & "you"</b>');
});

test("the tutorial's library as a Node client chats, pings and closes", async (t) => {
  const { engine, url } = await startEngine(t);
  const client = new websocket.client();
  const connected = once(client, 'connect');
  client.connect(url);
  const [connection] = await within(connected, 'the client to connect');
  const colored = once(connection, 'message');
  connection.sendUTF('Ben');
  assert.equal(JSON.parse((await within(colored, 'a colour'))[0].utf8Data).type, 'color');
  const ponged = once(connection, 'pong');
  connection.ping(Buffer.from('are you there'));
  assert.equal(String((await within(ponged, 'a pong'))[0]), 'are you there');
  const disconnected = heard(engine, 'disconnected');
  const closed = once(connection, 'close');
  connection.close(1000, 'bye');
  assert.equal((await within(closed, 'the close'))[0], 1000);
  const { code, reason } = await disconnected;
  assert.deepEqual({ code, reason }, { code: 1000, reason: 'bye' });
});

test('the host hears who comes, what is said and who goes, in order, with all fields', async (t) => {
  const { engine, url } = await startEngine(t);
  const story = [];
  for (const kind of ['connected', 'named', 'joined', 'message', 'left', 'disconnected']) {
    engine.on(kind, (event) => story.push([kind, event]));
  }
  const client = await Client.open(`${url}/?room=tea`, 'Ann');
  const gone = heard(engine, 'disconnected');
  client.socket.send('hi');
  await client.says('hi');
  await client.close();
  await gone;
  assert.deepEqual(story.map(([kind]) => kind), ['connected', 'named', 'joined', 'message', 'left', 'disconnected']);
  const [connected, named, joined, message, left, disconnected] = story.map(([, event]) => event);
  const { connection, address } = connected;
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  const { user } = named;
  assert.deepEqual(connected, { connection, dialect: 'tutorial', room: 'tea', path: '/', address });
  assert.deepEqual(named, { connection, user, name: 'Ann', color: client.color });
  assert.deepEqual(joined, { room: 'tea', connection, user, name: 'Ann', memberCount: 1 });
  const { position, atMs } = message;
  assert.deepEqual(message, { room: 'tea', position, user, name: 'Ann', color: client.color, atMs, text: 'hi', connection });
  assert.equal(position.offset, 1);
  assert.deepEqual(left, { room: 'tea', connection, user, name: 'Ann', memberCount: 0 });
  assert.deepEqual(disconnected, { connection, code: 1005, reason: '' });
});

test('what the host broadcasts, sends and tells reaches the room and stands where it should', async (t) => {
  const { engine, url } = await startEngine(t, { hostName: 'Bot', hostColor: 'red' });
  const ann = await Client.open(`${url}/?room=tea`, 'Ann');
  const ben = await Client.open(`${url}/?room=coffee`, 'Ben');
  const [{ connection }] = engine.members('tea');
  const first = engine.broadcast('tea', 'one');
  const second = engine.send('tea', 'carol', 'two');
  assert.deepEqual(second, { epoch: first.epoch, offset: first.offset + 1 });
  engine.tell(connection, 'only Ann');
  engine.tellRoom('tea', 'only tea');
  engine.broadcastAll('everybody');
  engine.tellAll('all of you');
  for (const text of ['one', 'two', 'only Ann', 'only tea', 'everybody', 'all of you']) await ann.says(text);
  assert.deepEqual((({ author, color }) => ({ author, color }))(await ann.says('one')), { author: 'Bot', color: 'red' });
  assert.equal((await ann.says('two')).author, 'carol');
  await ben.says('all of you');
  assert.deepEqual(ben.received.filter(({ type }) => type === 'message').map(({ data }) => data.text), ['everybody', 'all of you']);
  assert.deepEqual(engine.history('tea').map(({ text }) => text), ['one', 'two']);
  assert.deepEqual(engine.history('tea', { limit: 1 }).map(({ text }) => text), ['two']);
  assert.deepEqual(engine.history('tea', { before: second.offset }).map(({ text }) => text), ['one']);
  assert.throws(() => engine.tell(connection, Buffer.from([1])), { code: 'invalid_argument' });
});

test('rooms and members are listed with their counts', async (t) => {
  const { engine, url } = await startEngine(t);
  const joined = heard(engine, 'joined', ({ name }) => name === 'Ben');
  await Client.open(`${url}/?room=tea`, 'Ann');
  await Client.open(`${url}/?room=tea`, 'Ben');
  await joined;
  const position = engine.broadcast('coffee', 'hi');
  const [coffee, tea, ...others] = engine.rooms();
  assert.deepEqual(others, []);
  assert.deepEqual(coffee, { name: 'coffee', memberCount: 0, connectionCount: 0, position });
  assert.deepEqual({ ...tea, position: null }, { name: 'tea', memberCount: 2, connectionCount: 2, position: null });
  assert.equal(tea.position.offset, 0);
  assert.deepEqual(engine.members('tea').map(({ name }) => name), ['Ann', 'Ben']);
  assert.equal(engine.members('tea')[0].connectionCount, 1);
  assert.equal(engine.memberCount('tea'), 2);
});

test('a kicked connection is closed with 1008 and the words', async (t) => {
  const { engine, url } = await startEngine(t);
  const ann = await Client.open(url, 'Ann');
  const disconnected = heard(engine, 'disconnected');
  engine.kick(engine.members('lobby')[0].connection, 'be nice');
  assert.deepEqual(await within(ann.closed, 'the close'), { code: 1008, reason: 'be nice' });
  assert.equal((await disconnected).code, 1008);
});

test('a message over the limit closes its connection with 1009, and the next client is served', async (t) => {
  const { url } = await startEngine(t, { maxMessageBytes: 200 });
  const ann = await Client.open(url, 'Ann');
  ann.socket.send('x'.repeat(201));
  assert.equal((await within(ann.closed, 'the close')).code, 1009);
  const ben = await Client.open(url, 'Ben');
  ben.socket.send('x'.repeat(200));
  await ben.says('x'.repeat(200));
});

test('names and rooms that mean something to JavaScript are names and rooms', async (t) => {
  const { engine, url } = await startEngine(t, { raw: { '/raw': '' } });
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const joined = heard(engine, 'joined', ({ room }) => room === name);
    await Client.open(`${url}/?room=${name}`, name);
    assert.equal((await joined).name, name);
    assert.equal(engine.memberCount(name), 1);
  }
  assert.equal({}.polluted, undefined);
  assert.deepEqual(engine.rooms().map(({ name }) => name), ['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
});

test('a raw path carries text and bytes as they are, to the host and back', async (t) => {
  const { engine, url } = await startEngine(t, { raw: { '/echo': '', '/game': 'game.v1' } });
  engine.on('received', ({ connection, data }) => engine.tell(connection, data));
  const client = await Client.open(`${url}/echo`);
  client.socket.send('héllo');
  assert.equal(await client.until((message) => message === 'héllo'), 'héllo');
  const bytes = Buffer.from([0, 255, 1, 128, 10, 13, 0]);
  client.socket.send(bytes);
  assert.deepEqual(await client.until(Buffer.isBuffer), bytes);
  engine.tellAll(new Uint8Array([7, 8, 9]).subarray(1));
  assert.deepEqual(await client.until((message) => Buffer.isBuffer(message) && message.length === 2), Buffer.from([8, 9]));
  const long = Buffer.alloc(60_000, 0xab);
  client.socket.send(long);
  assert.deepEqual(await client.until((message) => message.length === long.length), long);
});

test('bytes in memory that threads share, of another realm, or of no length are bytes; half a surrogate is no text', async (t) => {
  const { engine, url } = await startEngine(t, { raw: { '/raw': '' } });
  const client = await Client.open(`${url}/raw`);
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7);
  const foreign = require('node:vm').runInNewContext('new Uint8Array([9, 9])');
  for (const bytes of [shared, foreign, new Uint8Array(0)]) engine.tellAll(bytes);
  engine.tellAll('\ud800!');
  await client.until((message) => message === '\ufffd!');
  assert.deepEqual(client.received.slice(0, 3), [Buffer.from([7, 7, 7, 7]), Buffer.from([9, 9]), Buffer.alloc(0)]);
});
