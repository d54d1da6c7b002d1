// The front end in the tutorial's manner: served by the tutorial's server, and opened as a file.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { limits, arrive, startBrowser, until } from './lib/people.mjs';
import { hostileNames, hostileTexts } from './lib/payloads.mjs';
import { frontendFile, startKlatsch, startTutorial } from './lib/servers.mjs';

let tutorial;
let klatsch;
let browser;
before(async () => {
  if (limits.skip) return;
  // One after the other, so that whatever has started is stopped again when the next one fails to.
  tutorial = await startTutorial();
  klatsch = await startKlatsch({ args: ['--limits', 'load-test'] });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await tutorial?.stop();
  await klatsch?.stop();
});

const asFile = () => `${frontendFile}?server=127.0.0.1:${klatsch.port}`;

/** Opens the front end and gives what one does with it. */
async function open(t, url) {
  const person = await arrive(t, browser, url);
  person.allowedSocket = `127.0.0.1:${klatsch.port}`;
  const { page } = person;
  const input = page.locator('#input');
  const status = page.locator('#status');
  return {
    page,
    person,
    async join(name) {
      await status.filter({ hasText: 'Choose name:' }).waitFor();
      await input.fill(name);
      await input.press('Enter');
      await until(async () => (await status.textContent()) === `${name}:`, () => status.textContent());
    },
    async say(text) {
      await input.fill(text);
      await input.press('Enter');
      await this.hears(text);
    },
    texts: () => page.locator('#content .text').allTextContents(),
    async hears(text) {
      await until(async () => (await this.texts()).includes(text), async () => JSON.stringify(await this.texts()));
    },
    lines: () => page.locator('#content p').allTextContents(),
  };
}

for (const [where, url] of [['the tutorial\'s server', () => tutorial.address], ['a file beside klatsch', asFile]]) {
  test(`from ${where}: two chat, a third sees the history, markup shows as text`, limits, async (t) => {
    const [ann, bob] = [await open(t, url()), await open(t, url())];
    await ann.join('Ann');
    await bob.join('Bob');
    await ann.say('hello <b>Bob</b> & "all"');
    await bob.hears('hello <b>Bob</b> & "all"');
    await bob.say('<img src=x onerror=alert(1)>');
    await ann.hears('<img src=x onerror=alert(1)>');
    const third = await open(t, url());
    await third.hears('<img src=x onerror=alert(1)>');
    for (const { page } of [ann, bob, third]) assert.equal(await page.locator('#content :not(p, bdi)').count(), 0);
    assert.match((await third.lines())[0], /^Ann @ \d\d:\d\d: hello <b>Bob<\/b> & "all"$/);
    const color = await ann.page.locator('#status').getAttribute('class');
    assert.equal(await third.page.locator('.author').first().getAttribute('class'), `author ${color}`);
    await ann.person.screenshot(`frontend-${where.replaceAll(/\W+/g, '-')}`);
  });
}

test('a file\'s page and the engine\'s page are in the same room', limits, async (t) => {
  const ann = await open(t, asFile());
  const bob = await arrive(t, browser, klatsch.address);
  await ann.join('Ann in a file');
  await bob.join('Bob in the page');
  await ann.say('from the file');
  await bob.hears('from the file');
  await bob.say('from the page');
  await ann.hears('from the page');
});

test('hostile texts and names are shown as text', limits, async (t) => {
  const eve = await open(t, asFile());
  const [name] = hostileNames;
  await eve.join(name);
  const typed = hostileTexts.filter((text) => !/[\u0000\ufeff\u2028\u2029]/.test(text));
  for (const text of typed) await eve.say(text);
  const later = await open(t, asFile());
  await later.hears(typed.at(-1));
  assert.deepEqual((await later.texts()).slice(-typed.length), typed);
  assert.equal(await later.page.locator('.author').last().textContent(), name);
  for (const { page } of [eve, later]) {
    assert.equal(await page.locator('#content :not(p, bdi)').count(), 0);
    assert.deepEqual(await page.locator('#content *').evaluateAll((nodes) => nodes.flatMap((node) => node.getAttributeNames()).filter((name) => name !== 'class')), []);
  }
});

test('a refused name, and a server that goes away, are told in words', limits, async (t) => {
  const own = await startKlatsch();
  t.after(() => own.stop());
  const url = `${frontendFile}?server=127.0.0.1:${own.port}`;
  const ann = await open(t, url);
  ann.person.allowedSocket = `127.0.0.1:${own.port}`;
  await ann.page.locator('#input').fill('x'.repeat(40));
  await ann.page.locator('#input').press('Enter');
  await until(async () => (await ann.lines()).some((line) => /40 characters.*1008/.test(line)), async () => JSON.stringify(await ann.lines()));
  await ann.page.reload();
  await ann.join('Ann');
  await own.stop();
  await until(async () => (await ann.lines()).some((line) => /cannot be reached/.test(line)), async () => JSON.stringify(await ann.lines()));
  assert.ok(await ann.page.locator('#input').isDisabled());
});
