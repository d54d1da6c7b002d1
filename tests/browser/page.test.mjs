// The chat page: what people see and do when nothing goes wrong.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, speak, startBrowser, until } from './lib/people.mjs';
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

const inRoom = (room) => `${server.address}/?room=${encodeURIComponent(room)}`;

test('two pages chat and a third sees the history', limits, async (t) => {
  const [ann, bob] = [await arrive(t, browser, server.address), await arrive(t, browser, server.address)];
  await ann.join('Ann');
  await bob.join('Bob');
  await ann.say('hello Bob');
  await bob.hears('hello Bob');
  await bob.say('hello <b>Ann</b> & "all"');
  await ann.hears('hello <b>Ann</b> & "all"');

  const third = await arrive(t, browser, server.address);
  await third.hears('hello <b>Ann</b> & "all"');
  const said = [['Ann', 'hello Bob'], ['Bob', 'hello <b>Ann</b> & "all"']];
  for (const person of [ann, bob, third]) assert.deepEqual(await person.heard(), said);
  assert.equal(await third.page.locator('#list b').count(), 0);
});

test('rooms are apart, whatever their names', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('Kaffee & 카페'));
  const bob = await arrive(t, browser, inRoom('Kaffee'));
  await ann.join('Ann');
  await bob.join('Bob');
  await ann.say('only here');
  await bob.say('elsewhere');
  assert.deepEqual(await ann.texts(), ['only here']);
  assert.deepEqual(await bob.texts(), ['elsewhere']);
  assert.equal(await ann.page.locator('h1 bdi').textContent(), 'Kaffee & 카페');
  assert.equal(await ann.page.title(), 'Kaffee & 카페 · Klatsch');
});

test('the page works by keyboard alone, and every control has a name', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('keyboard'));
  await ann.becomes('connected');
  await ann.page.keyboard.type('Ann'); // the name's field has the focus
  await ann.page.keyboard.press('Enter');
  await ann.ready();
  await ann.page.keyboard.type('one'); // and now the box
  await ann.page.keyboard.press('Enter');
  await ann.hears('one');
  await ann.page.keyboard.type('two');
  await ann.page.keyboard.press('Tab');
  await ann.page.keyboard.press('Enter'); // the button
  await ann.hears('two');
  await ann.page.keyboard.press('Tab');
  await ann.page.keyboard.press('Enter'); // change name
  assert.ok(await ann.name.evaluate((field) => field === document.activeElement));
  const nameless = await ann.page.evaluate(() => Array.from(
    document.querySelectorAll('button, input, textarea'),
  ).filter((control) => !(control.labels?.length || control.ariaLabel || control.textContent.trim() || control.hidden)).map((control) => control.outerHTML));
  assert.deepEqual(nameless, []);
});

test('Enter sends, Shift+Enter starts a new line, and the box grows with its lines', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('lines'));
  await ann.join('Ann');
  const height = async () => (await ann.box.boundingBox()).height;
  const low = await height();
  await ann.box.pressSequentially('one');
  await ann.box.press('Shift+Enter');
  await ann.box.pressSequentially('  two');
  assert.ok((await height()) > low);
  await ann.box.press('Enter');
  await ann.hears('one\n  two');
  assert.equal(await ann.box.inputValue(), '');
  assert.equal(await height(), low);
  const shown = await ann.page.locator('.note .text').evaluate((node) => node.innerText);
  assert.equal(shown, 'one\n  two');
});

test('blank text is not sent', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('blank'));
  await ann.join('Ann');
  assert.equal(await ann.sendButton.getAttribute('aria-disabled'), 'true');
  await ann.box.fill(' \n ');
  await ann.box.press('Enter');
  await ann.say('words');
  assert.deepEqual(await ann.texts(), ['words']);
});

test('own messages are told apart from those of somebody with the same name', limits, async (t) => {
  const [ann, twin] = [await arrive(t, browser, inRoom('twins')), await arrive(t, browser, inRoom('twins'))];
  await ann.join('Ann');
  await twin.join('Ann');
  await ann.say('from me');
  await twin.say('from the other');
  await ann.hears('from the other');
  const own = () => ann.page.locator('.note.own .text').allTextContents();
  assert.deepEqual(await own(), ['from me']);
  await ann.page.reload();
  await ann.hears('from the other');
  assert.deepEqual(await own(), ['from me']);
});

test('the tab remembers the name and the words that were not sent; another tab asks', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('memory'));
  await ann.join('Ann');
  await ann.box.fill('half a sent');
  await ann.page.reload();
  await ann.ready();
  assert.equal(await ann.page.locator('#hint b').textContent(), 'Ann');
  assert.equal(await ann.box.inputValue(), 'half a sent');
  const other = await arrive(t, browser, inRoom('memory'));
  assert.ok(await other.name.isVisible());
});

test('a changed name holds for what is said from then on', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('rename'));
  await ann.join('Ann');
  await ann.say('first');
  await ann.page.getByRole('button', { name: 'Change name' }).click();
  await ann.join('Anna');
  await ann.say('second');
  assert.deepEqual(await ann.heard(), [['Ann', 'first'], ['Anna', 'second']]);
});

test('each message shows its time, the full date behind it, and the day above', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('time'));
  await ann.join('Ann');
  await ann.say('now');
  const time = ann.page.locator('.note time');
  const at = new Date(await time.getAttribute('datetime'));
  assert.ok(Math.abs(Date.now() - at) < 60_000, `${at}`);
  assert.match(await time.textContent(), new RegExp(`^0?${at.getUTCHours()}:${String(at.getUTCMinutes()).padStart(2, '0')}`));
  assert.match(await time.getAttribute('title'), new RegExp(`${at.getUTCFullYear()}`));
  assert.deepEqual(await ann.page.locator('.day').allTextContents(), ['Today']);
});

test('seven people have seven colours, all from the palette', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('colours'));
  for (let person = 1; person <= 7; person += 1) await speak(ann, { room: 'colours', name: `P${person}`, texts: [`${person}`] });
  await ann.hears('7');
  const colors = await ann.page.locator('.note .author').evaluateAll((authors) => authors.map((author) => author.className));
  assert.deepEqual([...colors].sort(), ['blue', 'green', 'magenta', 'orange', 'plum', 'purple', 'red'].map((color) => `author c-${color}`));
});

test('who reads further up stays there and is told of new messages', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('scroll'));
  const talker = await arrive(t, browser, server.address);
  await speak(talker, { room: 'scroll', name: 'Bob', texts: Array.from({ length: 60 }, (_, at) => `line ${at}`) });
  await ann.hears('line 59');
  const gapBelow = () => ann.log.evaluate((log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
  await until(async () => (await gapBelow()) <= 1, async () => `${await gapBelow()} px below`);

  await ann.log.evaluate((log) => { log.scrollTop = 100; });
  await until(async () => (await gapBelow()) > 500, async () => `${await gapBelow()} px below`);
  await speak(talker, { room: 'scroll', name: 'Bob', texts: ['new one', 'new two'] });
  const button = ann.page.getByRole('button', { name: '2 new messages' });
  await button.waitFor();
  assert.equal(await ann.log.evaluate((log) => log.scrollTop), 100);
  await button.click();
  await until(async () => (await gapBelow()) <= 1, async () => `${await gapBelow()} px below`);
  assert.ok(await button.isHidden());
  await speak(talker, { room: 'scroll', name: 'Bob', texts: ['followed'] });
  await ann.hears('followed');
  await until(async () => (await gapBelow()) <= 1, async () => `${await gapBelow()} px below`);
});

test('at most a thousand messages are in the page, the newest ones', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('many'));
  await ann.becomes('connected');
  const talker = await arrive(t, browser, server.address);
  for (let part = 0; part < 12; part += 1) {
    await speak(talker, { room: 'many', name: 'Bob', texts: Array.from({ length: 100 }, (_, at) => `m${part * 100 + at}`) });
  }
  await ann.hears('m1199');
  const texts = await ann.texts();
  assert.equal(texts.length, 1000);
  assert.deepEqual([texts[0], texts.at(-1)], ['m200', 'm1199']);
});

test('a message that a hidden tab receives is counted in its title', limits, async (t) => {
  const ann = await arrive(t, browser, inRoom('hidden'));
  await ann.join('Ann');
  // Headless tabs never hide; the page is told what a real one would tell.
  const pretend = (hidden) => ann.page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await pretend(true);
  const bob = await arrive(t, browser, server.address);
  await speak(bob, { room: 'hidden', name: 'Bob', texts: ['psst'] });
  await until(async () => (await ann.page.title()) === '(1) hidden · Klatsch', () => ann.page.title());
  await pretend(false);
  await until(async () => (await ann.page.title()) === 'hidden · Klatsch', () => ann.page.title());
  await ann.hears('psst');
});
