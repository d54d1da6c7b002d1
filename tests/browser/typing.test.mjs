// Input methods: the Enter that ends a word belongs to the input method, the next one sends.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, startBrowser } from './lib/people.mjs';
import { startKlatsch } from './lib/servers.mjs';

let server;
let browser;
before(async () => {
  if (limits.skip) return;
  [server, browser] = await Promise.all([startKlatsch(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** An input method as Chromium knows it: a composition that changes, keys that it keeps, a commit. */
async function inputMethod(person) {
  const session = await person.page.context().newCDPSession(person.page);
  const key = (type, rest) => session.send('Input.dispatchKeyEvent', { type, key: 'Enter', code: 'Enter', ...rest });
  return {
    async compose(...steps) {
      for (const text of steps) {
        await session.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
      }
    },
    /** Enter while the composition is open, as Chromium on Linux and Windows tells it (`key: Process`, code 229). */
    async enterAsProcess() {
      await key('rawKeyDown', { key: 'Process', windowsVirtualKeyCode: 229 });
      await key('keyUp', { windowsVirtualKeyCode: 13 });
    },
    /** Enter while the composition is open, as Chromium on macOS tells it (`key: Enter`, `isComposing`). */
    async enterAsEnter() {
      await key('rawKeyDown', { windowsVirtualKeyCode: 13 });
      await key('keyUp', { windowsVirtualKeyCode: 13 });
    },
    /** The Enter that Safari tells after the composition has ended: code 229, not composing. */
    async enterAfterEnd() {
      await key('rawKeyDown', { windowsVirtualKeyCode: 229 });
      await key('keyUp', { windowsVirtualKeyCode: 13 });
    },
    commit: (text) => session.send('Input.insertText', { text }),
  };
}

const words = [
  ['Korean', ['ㅎ', '하', '한', '한ㄱ', '한구', '한국', '한국ㅇ', '한국어'], '한국어'],
  ['Japanese', ['に', 'にほ', 'にほんご', '日本語'], '日本語'],
];

for (const [language, steps, word] of words) {
  for (const enter of ['enterAsProcess', 'enterAsEnter']) {
    test(`${language}: ${enter} while composing sends nothing and keeps the word; the next Enter sends it`, limits, async (t) => {
      const ann = await arrive(t, browser, `${server.address}/?room=${language}-${enter}`);
      await ann.join('Ann');
      await ann.page.evaluate(() => {
        globalThis.compositions = [];
        for (const type of ['compositionstart', 'compositionend']) addEventListener(type, ({ data }) => compositions.push([type, data]), true);
      });
      await ann.box.focus();
      const method = await inputMethod(ann);
      await method.compose(...steps);
      await method[enter]();
      assert.equal(await ann.box.inputValue(), word);
      await method.commit(word);
      assert.equal(await ann.box.inputValue(), word);
      assert.deepEqual(await ann.page.evaluate(() => compositions.map(([type]) => type)), ['compositionstart', 'compositionend']);
      await method.enterAfterEnd();
      await ann.say(`${word}!`); // had any Enter sent something, it would stand before this
      assert.deepEqual(await ann.texts(), [`${word}!`]);
    });
  }

  test(`${language}: Enter while composing does not choose half a name`, limits, async (t) => {
    const ann = await arrive(t, browser, `${server.address}/?room=${language}-name`);
    await ann.becomes('connected');
    await ann.name.focus();
    const method = await inputMethod(ann);
    await method.compose(...steps.slice(0, -1));
    await method.enterAsProcess();
    await method.enterAsEnter();
    assert.ok(await ann.name.isVisible());
    await method.compose(word);
    await method.commit(word);
    await ann.name.press('Enter');
    await ann.ready();
    assert.equal(await ann.page.locator('#hint b').textContent(), word);
  });
}
