// A page of one's own with /klatsch.js: its conversation stays whole when the network goes, and over a reload.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { limits, startBrowser, until } from './lib/people.mjs';
import { startKlatsch, startProxy } from './lib/servers.mjs';

let browser;
before(async () => {
  if (!limits.skip) browser = await startBrowser();
});
after(() => browser?.close());

/** What somebody might write who wants a chat in their page, and what the tests want to know. */
const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Talk</title>
<ol id="list"></ol>
<script type="module">
  import { Chat, indexedDbStore } from '/klatsch.js';

  const { name, room, store, ...waits } = Object.fromEntries(new URLSearchParams(location.search));
  const numbers = Object.entries(waits).map(([option, ms]) => [option, Number(ms)]);
  const chat = new Chat('/', { name, store: store && indexedDbStore(store), random: () => 0.999, ...Object.fromEntries(numbers) });
  const told = [];
  for (const kind of ['message', 'reset', 'rollback']) chat.on(kind, (event) => told.push([kind, event.message?.text]));
  Object.assign(globalThis, { chat, told });

  const show = () => {
    const items = chat.room(room).messages.map(({ name, text }) => {
      const item = document.createElement('li');
      item.textContent = name + ': ' + text;
      return item;
    });
    document.querySelector('#list').replaceChildren(...items);
  };
  const joined = new Promise((resolve) => {
    chat.subscribe(() => chat.state === 'open' && chat.room(room) && resolve());
  });
  chat.on('state', ({ state }) => {
    document.title = state;
    if (state === 'open' && !chat.room(room)) chat.join(room);
  });
  await joined;
  chat.room(room).subscribe(show);
  show();
</script>`;

/** A server, with two ways to it and to the page: one that can be cut, and a steady one. A name is free again when it has ended. */
async function start(t) {
  const server = await startKlatsch();
  t.after(() => server.stop());
  const [proxy, steady] = await Promise.all([1, 2].map(() => startProxy(server.port, { '/talk.html': PAGE })));
  t.after(() => Promise.all([proxy.stop(), steady.stop()]));
  return { server, proxy, steady };
}

/** Opens the page for one more person. */
async function arrive(t, address, options) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  t.after(() => assert.deepEqual(faults, []));
  const query = new URLSearchParams({ reconnectMinMs: 50, reconnectMaxMs: 200, ...options });
  await page.goto(`${address}/talk.html?${query}`);
  const person = {
    page,
    context,
    shown: () => page.locator('#list li').allTextContents(),
    told: () => page.evaluate(() => globalThis.told),
    becomes: (state) => page.waitForFunction((state) => globalThis.chat?.state === state, state, { timeout: 15_000 }),
    /** Says something and does not wait until it is there. */
    say: (text) => page.evaluate(([room, text]) => void chat.send(room, text), [options.room, text]),
    shows: (wanted) => until(
      async () => JSON.stringify(await person.shown()) === JSON.stringify(wanted),
      async () => `${JSON.stringify(wanted)}; it shows ${JSON.stringify(await person.shown())}`,
    ),
  };
  await person.becomes('open');
  return person;
}

test('a page that was offline in the middle of a conversation is complete and in order again', limits, async (t) => {
  const { proxy, steady } = await start(t);
  const ann = await arrive(t, proxy.address, { name: 'Ann', room: 'cut' });
  const bob = await arrive(t, steady.address, { name: 'Bob', room: 'cut' });
  await ann.say('one');
  await bob.shows(['Ann: one']);
  await bob.say('two');
  await ann.shows(['Ann: one', 'Bob: two']);

  proxy.refuse(true);
  proxy.cut();
  await ann.becomes('waiting');
  await ann.say('three, said offline');
  await ann.say('four, said offline');
  await bob.say('meanwhile');
  await bob.shows(['Ann: one', 'Bob: two', 'Bob: meanwhile']);
  proxy.refuse(false);

  const whole = ['Ann: one', 'Bob: two', 'Bob: meanwhile', 'Ann: three, said offline', 'Ann: four, said offline'];
  await ann.shows(whole);
  await bob.shows(whole);
  assert.deepEqual(await ann.told(), ['one', 'two', 'meanwhile', 'three, said offline', 'four, said offline'].map((text) => ['message', text]));
  assert.deepEqual(await ann.page.evaluate(() => chat.outbox), []);
});

test('a line that is cut again and again loses nothing and doubles nothing', limits, async (t) => {
  const { proxy, steady } = await start(t);
  const ann = await arrive(t, proxy.address, { name: 'Ann', room: 'cuts' });
  const bob = await arrive(t, steady.address, { name: 'Bob', room: 'cuts' });
  for (let at = 0; at < 10; at += 1) {
    await Promise.all([ann.say(`a${at}`), bob.say(`b${at}`)]);
    proxy.cut();
  }
  await until(async () => (await ann.shown()).length === 20, async () => JSON.stringify(await ann.shown()));
  await bob.shows(await ann.shown());
  const own = (person, shown) => shown.filter((line) => line.startsWith(person));
  assert.deepEqual(own('Ann', await ann.shown()), Array.from({ length: 10 }, (_, at) => `Ann: a${at}`));
  assert.deepEqual(own('Bob', await ann.shown()), Array.from({ length: 10 }, (_, at) => `Bob: b${at}`));
  assert.equal((await ann.told()).length, 20);
});

test('a reload keeps what was not said yet, and tells what was missed', limits, async (t) => {
  const { proxy, steady } = await start(t);
  // It would come back by itself in a minute: what is said is said by the page that was loaded again.
  const waits = { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 };
  const ann = await arrive(t, proxy.address, { name: 'Ann', room: 'reload', store: 'ann', ...waits });
  const bob = await arrive(t, steady.address, { name: 'Bob', room: 'reload' });
  await ann.say('one');
  await bob.shows(['Ann: one']);
  await bob.say('two');
  await ann.shows(['Ann: one', 'Bob: two']);
  const user = await ann.page.evaluate(() => chat.user);
  // What is behind in the store is told twice; this is about what is not.
  await ann.page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 500); }));

  proxy.cut();
  await ann.becomes('waiting');
  await ann.say('said offline');
  await ann.say('and more');
  await bob.say('meanwhile');
  await bob.shows(['Ann: one', 'Bob: two', 'Bob: meanwhile']);
  assert.equal(await ann.page.evaluate(() => chat.state), 'waiting');
  await ann.page.reload();

  const whole = ['Ann: one', 'Bob: two', 'Bob: meanwhile', 'Ann: said offline', 'Ann: and more'];
  await ann.shows(whole);
  await bob.shows(whole);
  assert.equal(await ann.page.evaluate(() => chat.user), user);
  assert.deepEqual(await ann.told(), ['meanwhile', 'said offline', 'and more'].map((text) => ['message', text]));
});

test('coming online ends a long wait', limits, async (t) => {
  const { proxy } = await start(t);
  const ann = await arrive(t, proxy.address, { name: 'Ann', room: 'online', reconnectMinMs: 60_000, reconnectMaxMs: 60_000 });
  await ann.context.setOffline(true);
  proxy.cut();
  await ann.becomes('waiting');
  await ann.context.setOffline(false);
  await ann.becomes('open');
});

test('the page and the tutorial’s chat page talk in the same room', limits, async (t) => {
  const { server, steady } = await start(t);
  const ann = await arrive(t, steady.address, { name: 'Ann', room: 'both' });
  const bob = await ann.context.newPage();
  await bob.goto(`${server.address}/?room=both`);
  await bob.getByRole('textbox', { name: 'What should we call you?' }).fill('Bob');
  await bob.getByRole('button', { name: 'Join' }).click();
  await bob.locator('#hint', { hasText: 'You are' }).waitFor({ timeout: 15_000 });
  await bob.getByRole('textbox', { name: 'Message' }).fill('<b>hello</b>');
  await bob.getByRole('button', { name: 'Send' }).click();
  await ann.shows(['Bob: <b>hello</b>']);
  await ann.say('hi & bye');
  await bob.locator('#list .note .text', { hasText: 'hi & bye' }).waitFor({ timeout: 15_000 });
});
