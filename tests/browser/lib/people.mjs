// People in a browser: each has a context of their own, sees the page by roles and labels as a screen
// reader does, and is watched for everything that a chat page must never do.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const WAIT_MS = 15_000;
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why the browser's tests cannot run here, or `false`. */
export const skip = existsSync(executablePath) ? false : `there is no browser at ${executablePath}: install chromium, or set CHROMIUM`;

/** What every test takes: a deadline, and the reason to be skipped. */
export const limits = { timeout: 180_000, skip };

/** Starts a browser with a new, empty profile. */
export function startBrowser() {
  return chromium.launch({
    executablePath,
    timeout: 30_000,
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

/** Opens a page for one more person, and looks at the test's end that it did nothing forbidden. */
export async function arrive(t, browser, url, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const person = new Person(page, url);
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      (globalThis.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(url);
  t.after(async () => {
    try {
      await person.assertHarmless();
    } finally {
      await context.close();
    }
  });
  return person;
}

class Person {
  constructor(page, url) {
    this.page = page;
    this.sins = [];
    const own = new URL(url).host;
    const elsewhere = (address) => {
      const { protocol, host } = new URL(address);
      if (host !== own && protocol !== 'file:') this.sins.push(`request to ${address}`);
    };
    page.on('request', (request) => elsewhere(request.url()));
    page.on('websocket', (socket) => this.allowedSocket !== new URL(socket.url()).host && elsewhere(socket.url()));
    page.on('pageerror', (error) => this.sins.push(`error in the page: ${error.message}`));
    page.on('dialog', (dialog) => {
      this.sins.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('popup', (popup) => this.sins.push(`window: ${popup.url()}`));

    this.name = page.getByRole('textbox', { name: 'What should we call you?' });
    this.joinButton = page.getByRole('button', { name: 'Join' });
    this.box = page.getByRole('textbox', { name: 'Message' });
    this.sendButton = page.getByRole('button', { name: 'Send' });
    this.log = page.getByRole('log', { name: 'Messages' });
    this.state = page.locator('#state');
    this.notice = page.getByRole('alert');
    this.notes = page.locator('#list .note');
  }

  async join(name) {
    await this.name.fill(name);
    await this.name.press('Enter');
    await this.ready();
  }

  /** Waits until a message could be sent. */
  async ready() {
    await this.page.locator('#hint', { hasText: 'You are' }).waitFor();
  }

  /** Types a message and waits until it has come back. */
  async say(text) {
    const before = await this.page.locator('.note.own').count();
    await this.box.fill(text);
    await this.box.press('Enter');
    await this.page.locator('.note.own').nth(before).waitFor();
  }

  /** Waits until somebody's message with exactly this text is shown. */
  async hears(text) {
    await until(async () => (await this.texts()).includes(text), async () => `${JSON.stringify(text)} among ${JSON.stringify(await this.texts())}`);
  }

  texts() {
    return this.page.locator('#list .note .text').allTextContents();
  }

  /** All messages as [author, text], in their order. */
  heard() {
    return this.page.evaluate(() => Array.from(
      document.querySelectorAll('#list .note'),
      (note) => [note.querySelector('.author').textContent, note.querySelector('.text').textContent],
    ));
  }

  async becomes(state) {
    await this.page.locator(`#state[data-state="${state}"]`).waitFor({ timeout: 40_000 });
  }

  async violations() {
    return this.page.evaluate(() => globalThis.violations ?? []);
  }

  async assertHarmless() {
    assert.deepEqual([...this.sins, ...(await this.violations())], []);
  }

  /** Writes a screenshot for people to look at, if they ask for it. */
  async screenshot(name) {
    if (process.env.SCREENSHOTS !== '1') return;
    const folder = fileURLToPath(new URL('../screenshots/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    await this.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
    await this.page.screenshot({ path: `${folder}${name}.png` });
  }
}

/** Looks again and again until it is true; fails at the deadline with the words. */
export async function until(look, words, deadlineMs = WAIT_MS) {
  const deadline = Date.now() + deadlineMs;
  while (!(await look())) {
    if (Date.now() > deadline) assert.fail(`not within ${deadlineMs} ms: ${await words()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Speaks in a room without the page: a WebSocket that the person's browser opens. Gives the raw frames,
 * once every text has come back.
 */
export function speak(person, { room = 'lobby', name, texts = [] }) {
  return person.page.evaluate(([room, name, texts, deadlineMs]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}/?room=${encodeURIComponent(room)}`);
    const frames = [];
    let waiting = texts.length;
    const deadline = setTimeout(() => socket.close(), deadlineMs);
    socket.onopen = () => socket.send(name);
    socket.onmessage = ({ data }) => {
      frames.push(data);
      const { type } = JSON.parse(data);
      if (type === 'color') texts.forEach((text) => socket.send(text));
      if (type === 'message') waiting -= 1;
      if (frames.some((frame) => frame.startsWith('{"type":"color"')) && waiting <= 0) socket.close(1000);
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(deadline);
      if (waiting > 0) reject(new Error(`closed with ${code} ${reason}; ${waiting} texts did not come back`));
      else resolve(frames);
    };
  }), [room, name, texts, WAIT_MS]);
}
