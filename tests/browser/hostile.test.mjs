// Hostile names, texts and rooms are shown as they were typed: nothing runs, nothing is loaded, nothing
// becomes an element.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, speak, startBrowser, until } from './lib/people.mjs';
import { hostileNames, hostileTexts } from './lib/payloads.mjs';
import { startKlatsch } from './lib/servers.mjs';

let server;
let browser;
before(async () => {
  if (limits.skip) return;
  [server, browser] = await Promise.all([startKlatsch({ args: ['--limits', 'load-test'] }), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Every element of the list with its attributes; classes and times are the page's own. */
const skeleton = (person) => person.page.evaluate(() => Array.from(document.querySelectorAll('#list, #list *'), (node) => {
  const attributes = Array.from(node.attributes, ({ name }) => name).sort();
  return `${node.localName} ${attributes.join(' ')}`.trim();
}));

const ownElements = new Set([
  'ol id', 'li class', 'span aria-hidden class', 'div class', 'bdi class', 'p class dir', 'time class datetime title',
]);
const ownClasses = /^(day|note( own)?( fresh)?( first)?( last)?|avatar c-[a-z]+|bubble|said|text|author c-[a-z]+|)$/;
const palette = new Set(['red', 'green', 'blue', 'magenta', 'purple', 'plum', 'orange', 'black']);

async function assertNothingGrew(person) {
  assert.deepEqual((await skeleton(person)).filter((node) => !ownElements.has(node)), []);
  const classes = await person.page.evaluate(() => Array.from(document.querySelectorAll('#list *'), (node) => [...node.classList].join(' ')));
  for (const name of classes) {
    assert.match(name, ownClasses);
    if (name.includes(' c-')) assert.ok(palette.has(name.split(' c-')[1]), name);
  }
  await person.assertHarmless();
}

test('the watch itself sees what it must never find', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=watch`);
  await ann.join('Ann');
  assert.match((await ann.page.request.get(server.address)).headers()['content-security-policy'], /default-src 'none'/);
  await ann.page.evaluate(() => {
    const image = document.createElement('img');
    image.src = 'https://elsewhere.invalid/pixel.png';
    document.getElementById('list').append(image);
    const script = document.createElement('script');
    script.textContent = 'globalThis.ran = true';
    document.getElementById('list').append(script);
  });
  await until(async () => (await ann.violations()).length >= 2, async () => JSON.stringify(await ann.violations()));
  assert.deepEqual((await skeleton(ann)).filter((node) => !ownElements.has(node)), ['img src', 'script']);
  assert.equal(await ann.page.evaluate(() => globalThis.ran), undefined);
  await assert.rejects(assertNothingGrew(ann));
  await ann.page.reload();
  ann.sins.length = 0; // its own, and seen
});

test('hostile texts are shown as text, as they come and in the history', limits, async (t) => {
  assert.ok(hostileTexts.length >= 40);
  const ann = await arrive(t, browser, `${server.address}/?room=texts`);
  await ann.join('Ann');
  await speak(ann, { room: 'texts', name: 'Eve', texts: hostileTexts });
  await ann.hears(hostileTexts.at(-1));
  const later = await arrive(t, browser, `${server.address}/?room=texts`);
  await later.hears(hostileTexts.at(-1));
  for (const person of [ann, later]) {
    assert.deepEqual(await person.texts(), hostileTexts);
    await assertNothingGrew(person);
  }
});

test('hostile texts that are typed into the box come back as they were', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=typed`);
  await ann.join('Ann');
  const typed = hostileTexts.filter((text) => !/[\u0000\ufeff\u2028\u2029]/.test(text)); // a browser's box changes those itself
  for (const text of typed) await ann.say(text);
  assert.deepEqual(await ann.texts(), typed);
  await assertNothingGrew(ann);
});

test('hostile names are shown as text, as they come and in the history', limits, async (t) => {
  assert.ok(hostileNames.length >= 40);
  const ann = await arrive(t, browser, `${server.address}/?room=names`);
  await ann.becomes('connected');
  for (const name of hostileNames) await speak(ann, { room: 'names', name, texts: [`I am ${name}`] });
  await ann.hears(`I am ${hostileNames.at(-1)}`);
  const later = await arrive(t, browser, `${server.address}/?room=names`);
  await later.hears(`I am ${hostileNames.at(-1)}`);
  for (const person of [ann, later]) {
    assert.deepEqual(await person.heard(), hostileNames.map((name) => [name, `I am ${name}`]));
    await assertNothingGrew(person);
  }
});

test('hostile names chosen in the page and hostile rooms in its address work like any other', limits, async (t) => {
  const ann = await arrive(t, browser, server.address);
  for (const name of hostileNames) {
    await ann.page.evaluate(() => sessionStorage.clear());
    await ann.page.goto(`${server.address}/?room=${encodeURIComponent(name)}`);
    await ann.join(name);
    await ann.say(`in ${name}`);
    assert.deepEqual(await ann.heard(), [[name, `in ${name}`]]);
    const heading = await ann.page.locator('h1 bdi').evaluate((node) => [node.textContent, node.childElementCount]);
    assert.deepEqual(heading, [name, 0]);
    assert.equal(await ann.page.locator('#hint b').textContent(), name);
    assert.equal(await ann.page.title(), `${name} · Klatsch`);
    await assertNothingGrew(ann);
  }
  // And the tab remembers them as any other.
  const last = hostileNames.at(-1);
  await ann.page.reload();
  await ann.hears(`in ${last}`);
  await ann.ready();
  assert.equal(await ann.page.locator('#hint b').textContent(), last);
  assert.equal(await ann.page.locator('.note.own').count(), 1);
});

test('frames that the dialect does not know are ignored', limits, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const note = (text, rest = {}) => ({ time: 1700000000000, text, author: 'Eve', color: 'red', ...rest });
  await page.routeWebSocket(/^ws:/, (socket) => {
    for (const frame of [
      'not JSON', 'null', '7', '"text"', '[]', '{}', '{"type":"__proto__"}', '{"type":"history"}', '{"type":"history","data":{"length":9}}',
      '{"type":"message"}', '{"type":"message","data":null}', '{"type":"message","data":{"text":7,"author":[]}}',
      '{"__proto__":{"type":"message"},"constructor":{"prototype":{"polluted":true}}}',
      '{"type":"message","data":{"__proto__":{"text":"x","author":"y"},"time":1}}',
      JSON.stringify({ type: 'message', data: note('no such time', { time: 'javascript:alert(1)' }) }),
      JSON.stringify({ type: 'message', data: note('beyond time', { time: 1e300 }) }),
      JSON.stringify({ type: 'message', data: note('no such colour', { color: 'red;background:url(//x)' }) }),
      JSON.stringify({ type: 'message', data: note('class', { color: 'red own' }) }),
      JSON.stringify({ type: 'message', data: note('colour of every object', { color: 'constructor' }) }),
      JSON.stringify({ type: 'color', data: 'hotpink' }),
      JSON.stringify({ type: 'message', data: note('last') }),
    ]) socket.send(frame);
    socket.send(Buffer.from([0, 255, 1]));
  });
  await page.goto(server.address);
  await page.locator('.text', { hasText: 'last' }).waitFor({ timeout: 15_000 });
  assert.deepEqual(
    await page.locator('.text').allTextContents(),
    ['no such time', 'beyond time', 'no such colour', 'class', 'colour of every object', 'last'],
  );
  const classes = await page.locator('.author').evaluateAll((authors) => authors.map((author) => author.className));
  assert.deepEqual(classes, ['red', 'red', 'black', 'black', 'black', 'red'].map((color) => `author c-${color}`));
  assert.equal(await page.evaluate(() => ({}).polluted), undefined);
  assert.deepEqual(errors, []);
});
