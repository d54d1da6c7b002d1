// How the page looks: nothing overflows, everything can be read, in light and in dark, on a desk and on a phone.

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

const conversation = [
  ['Ann', ['Good morning! Is the demo still on for Thursday?', 'I have written <b>everything</b> down & sent it.']],
  ['민수', ['네, 목요일 오후 3시입니다. 저는 벌써 준비됐어요.']],
  ['さくら', ['おはようございます。新しいページ、とてもきれいですね!']],
  ['דוד', ['שלום לכולם, מה שלומכם? (hello)']],
  ['Jürgen Müller-Lüdenscheidt', [
    'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsentwurfsänderungsantragsformular',
    `https://chat.example/${'a-path-without-end/'.repeat(8)}`,
    'W'.repeat(400),
  ]],
  ['W'.repeat(32), ['I have a wide name 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽']],
  ['Petra', ['Two kinds:\n  - apple\n  - plum']],
];

const screens = [
  ['desk', { viewport: { width: 1280, height: 800 } }],
  ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
  ['narrow', { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true }],
];

for (const [screen, options] of screens) {
  for (const colorScheme of ['light', 'dark']) {
    test(`${screen}, ${colorScheme}: nothing overflows, the box is in sight, every text can be read`, limits, async (t) => {
      const room = `look-${screen}-${colorScheme}`;
      const ann = await arrive(t, browser, `${server.address}/?room=${room}`, { ...options, colorScheme });
      await ann.becomes('connected');
      await ann.page.locator('#empty').waitFor();
      await assertFits(ann);
      await assertReadable(ann);
      await ann.screenshot(`${screen}-${colorScheme}-empty`);

      for (const [name, texts] of conversation) await speak(ann, { room, name, texts });
      await ann.hears('Two kinds:\n  - apple\n  - plum');
      await assertFits(ann);
      await ann.screenshot(`${screen}-${colorScheme}-name`);
      await ann.join('Tom');
      await ann.say('I can bring the coffee.');
      await ann.say('W'.repeat(200));
      await ann.say('And milk, of course: oat milk for everybody who asks before noon.');
      await ann.box.fill('Anybody for');
      await assertFits(ann);
      await assertReadable(ann);
      await ann.screenshot(`${screen}-${colorScheme}-chat`);

      await ann.box.fill('line\n'.repeat(40));
      await assertFits(ann);
      const { height } = await ann.box.boundingBox();
      assert.ok(height <= options.viewport.height * 0.31, `the box is ${height} px high`);
    });
  }
}

test('above a phone\'s keyboard the box and the newest message stay in sight', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=keyboard`, screens[1][1]);
  await ann.join('Tom');
  for (let at = 0; at < 12; at += 1) await ann.say(`message ${at}`);
  await ann.page.setViewportSize({ width: 390, height: 400 }); // what a keyboard leaves
  const inSight = async () => {
    const [box, last] = [await ann.box.boundingBox(), await ann.notes.last().boundingBox()];
    return box.y + box.height <= 400 && last.y + last.height <= box.y && last.y >= 0;
  };
  await until(inSight, async () => JSON.stringify([await ann.box.boundingBox(), await ann.notes.last().boundingBox()]));
  await assertFits(ann);
  await ann.screenshot('phone-keyboard');
});

async function assertFits(person) {
  const measured = await person.page.evaluate(() => {
    const field = document.querySelector('form:not([hidden]) .field').getBoundingClientRect();
    return {
      page: document.documentElement.scrollWidth - innerWidth,
      log: document.getElementById('log').scrollWidth - document.getElementById('log').clientWidth,
      below: Math.max(0, document.documentElement.scrollHeight - innerHeight),
      beside: Array.from(document.querySelectorAll('#list *, .bar *, .dock *'))
        .filter((node) => node.checkVisibility() && node.getBoundingClientRect().width > 1)
        .filter((node) => node.getBoundingClientRect().right > innerWidth || node.getBoundingClientRect().left < 0)
        .map((node) => node.outerHTML.slice(0, 80)),
      field: field.top >= 0 && field.bottom <= innerHeight,
    };
  });
  assert.deepEqual(measured, { page: 0, log: 0, below: 0, beside: [], field: true });
}

/** Every visible text has a contrast of 4.5 with what lies behind it (WCAG 2.2, 1.4.3). */
async function assertReadable(person) {
  const weak = await person.page.evaluate(async () => {
    await Promise.all(document.getAnimations().filter((animation) => animation.effect.getTiming().iterations === 1).map((animation) => animation.finished));
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const paint = (colors) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const color of colors) {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => rgb
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    // Each colour of the palette, beside those that happen to be shown.
    const bubble = document.querySelector('.note:not(.own) .bubble');
    for (const color of bubble ? ['red', 'green', 'blue', 'magenta', 'purple', 'plum', 'orange', 'black'] : []) {
      const sample = document.createElement('bdi');
      sample.className = `author c-${color} sample`;
      sample.textContent = color;
      bubble.append(sample);
    }
    const texts = Array.from(document.querySelectorAll('body *')).filter((node) => node.checkVisibility()
      && node.getBoundingClientRect().width > 1 && !node.ariaDisabled
      && Array.from(node.childNodes).some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()));
    const found = texts.map((node) => {
      const behind = [];
      for (let at = node; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
      const [paper, ink] = [paint(behind), paint([...behind, getComputedStyle(node).color])].map(luminance);
      const contrast = (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
      return [`${node.className || node.id || node.localName}: ${node.textContent.slice(0, 20)}`, Math.round(contrast * 10) / 10];
    });
    document.querySelectorAll('.sample').forEach((node) => node.remove());
    return { looked: found.length, weak: found.filter(([, contrast]) => contrast < 4.5) };
  });
  assert.ok(weak.looked >= 5, `only ${weak.looked} texts found`);
  assert.deepEqual(weak.weak, []);
}
