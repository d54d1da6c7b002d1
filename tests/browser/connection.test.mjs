// The connection: what the page shows and keeps when it breaks, and that it comes back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { arrive, limits, speak, startBrowser, until } from './lib/people.mjs';
import { startKlatsch, startProxy } from './lib/servers.mjs';

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

test('a killed connection comes back, with the name and without doubles', limits, async (t) => {
  const proxy = await startProxy(server.port);
  t.after(() => proxy.stop());
  const ann = await arrive(t, browser, `${proxy.address}/?room=cut`);
  const bob = await arrive(t, browser, `${server.address}/?room=cut`);
  await ann.join('Ann');
  await bob.join('Bob');
  await ann.say('one');
  await bob.say('two');
  await ann.hears('two');

  proxy.refuse(true);
  proxy.cut();
  await ann.becomes('lost');
  await bob.say('three, while Ann was away');
  proxy.refuse(false);

  await ann.hears('three, while Ann was away');
  await ann.ready();
  await ann.say('four');
  await bob.hears('four');
  const said = [['Ann', 'one'], ['Bob', 'two'], ['Bob', 'three, while Ann was away'], ['Ann', 'four']];
  assert.deepEqual(await ann.heard(), said);
  assert.deepEqual(await bob.heard(), said);
  assert.deepEqual(await ann.page.locator('.note.own .text').allTextContents(), ['one', 'four']);
  assert.equal(await ann.page.locator('.gap').count(), 0);
});

test('ten cuts in a row lose nothing and double nothing', limits, async (t) => {
  const proxy = await startProxy(server.port);
  t.after(() => proxy.stop());
  const ann = await arrive(t, browser, `${proxy.address}/?room=cuts`);
  await ann.join('Ann');
  for (let at = 0; at < 10; at += 1) {
    await ann.say(`m${at}`);
    proxy.cut();
    await ann.page.getByRole('button', { name: 'Try now' }).click();
    await ann.ready();
  }
  await ann.say('end');
  assert.deepEqual(await ann.texts(), [...Array.from({ length: 10 }, (_, at) => `m${at}`), 'end']);
});

test('while the server is away the state says so, the text stays and nothing is sent', limits, async (t) => {
  const own = await startKlatsch();
  t.after(() => own.stop());
  const ann = await arrive(t, browser, `${own.address}/?room=away`);
  await ann.join('Ann');
  await ann.say('before');
  await own.stop();
  await ann.becomes('lost');
  assert.match(await ann.state.textContent(), /reconnecting in \d+ s/);
  assert.match(await ann.page.getByRole('status').textContent(), /Connection lost/);

  await ann.box.fill('kept');
  await ann.box.press('Enter');
  assert.equal(await ann.box.inputValue(), 'kept');
  assert.equal(await ann.sendButton.getAttribute('aria-disabled'), 'true');
  await ann.page.locator('#hint', { hasText: 'Not connected: your text stays here' }).waitFor();
  await ann.screenshot('away');

  const again = await startKlatsch({ port: own.port });
  t.after(() => again.stop());
  await ann.ready();
  assert.equal(await ann.box.inputValue(), 'kept');
  await ann.box.press('Enter');
  await ann.hears('kept');
  // The new server knows nothing of the past: what was shown stays, and a line says where it breaks.
  assert.deepEqual(await ann.texts(), ['before', 'kept']);
  assert.equal(await ann.page.locator('.gap').count(), 1);
});

test('a server that ends in good order and starts again has its people back', limits, async (t) => {
  const own = await startKlatsch();
  t.after(() => own.stop());
  const [ann, bob] = [await arrive(t, browser, own.address), await arrive(t, browser, own.address)];
  await ann.join('Ann');
  await bob.join('Bob');
  await own.stop('SIGTERM');
  await ann.becomes('lost');
  const again = await startKlatsch({ port: own.port });
  t.after(() => again.stop());
  await ann.ready();
  await bob.ready();
  await ann.say('we are back');
  await bob.hears('we are back');
  assert.deepEqual(await bob.heard(), [['Ann', 'we are back']]);
});

test('the waits between tries grow and are random', limits, async (t) => {
  const own = await startKlatsch();
  t.after(() => own.stop());
  const ann = await arrive(t, browser, own.address);
  await ann.join('Ann');
  await ann.page.evaluate(() => {
    globalThis.waits = [];
    const original = globalThis.setTimeout;
    // Only the retry's timer is watched, and it fires at once: the waits are read, not lived through.
    globalThis.setTimeout = (act, ms, ...rest) => {
      if (act.name !== 'connect') return original(act, ms, ...rest);
      if (waits.push(ms) >= 12) return 0;
      return original(act, 0);
    };
  });
  await own.stop();
  const waits = () => ann.page.evaluate(() => globalThis.waits);
  await until(async () => (await waits()).length >= 12, async () => JSON.stringify(await waits()), 60_000);
  const seen = (await waits()).slice(0, 12);
  for (const [at, ms] of seen.entries()) {
    assert.ok(ms >= 500 && ms <= Math.min(30_000, 1000 * 2 ** at), `wait ${at} is ${ms} ms of ${seen}`);
  }
  assert.ok(Math.max(...seen) > 1000, `${seen}`);
  assert.equal(new Set(seen).size, seen.length, `${seen}`);
});

test('the reason for a refused name is shown, and another name can be chosen', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=refused`);
  let opened = 0;
  ann.page.on('websocket', () => { opened += 1; });
  await ann.name.fill('x'.repeat(33));
  await ann.joinButton.click();
  await ann.notice.filter({ hasText: '33 characters' }).waitFor();
  await ann.screenshot('refused-name');
  assert.equal(await ann.name.inputValue(), 'x'.repeat(33));
  await ann.becomes('connected'); // and listens meanwhile, without trying the name again
  await speak(ann, { room: 'refused', name: 'Bob', texts: ['can you hear me?'] });
  await ann.hears('can you hear me?');
  const before = opened;
  await ann.join('Ann');
  assert.ok(await ann.notice.isHidden());
  await ann.say('now I can speak');
  assert.equal(opened, before); // the listening connection took the name
  await ann.page.reload();
  await ann.ready(); // the good name is the one that is remembered
});

test('a name that shows nothing, or turns the direction, is refused in words', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=invisible`);
  for (const name of ['\u2800', '\u202eevil', 'a\u200bb']) {
    await ann.name.fill(name);
    await ann.name.press('Enter');
    await ann.notice.filter({ hasText: /invisible character|something to see/ }).waitFor();
    await ann.becomes('connected');
  }
});

test('a room that is not allowed is explained', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=dm:x`);
  await ann.notice.filter({ hasText: 'does not allow the room “dm:x”' }).waitFor();
  assert.notEqual(await ann.state.getAttribute('data-state'), 'connected');
});

test('a text that is too long comes back to the box, with the reason', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=long`);
  await ann.join('Ann');
  const long = 'long '.repeat(4000).trim();
  await ann.box.fill(long);
  await ann.box.press('Enter');
  await ann.notice.filter({ hasText: 'Too long for this server' }).waitFor();
  assert.equal(await ann.box.inputValue(), long);
  await ann.ready(); // and the page is back by itself
  await ann.say('short');
  assert.deepEqual(await ann.texts(), ['short']);
});

test('what was sent into a dying connection returns to the box, if it did not arrive', limits, async (t) => {
  const proxy = await startProxy(server.port);
  t.after(() => proxy.stop());
  const ann = await arrive(t, browser, `${proxy.address}/?room=dying`);
  await ann.join('Ann');
  await ann.say('arrived');
  await ann.page.evaluate(() => {
    // The browser takes the text, and the network loses it.
    WebSocket.prototype.send = new Proxy(WebSocket.prototype.send, {
      apply: (send, socket, [text]) => (text === 'lost' ? undefined : Reflect.apply(send, socket, [text])),
    });
  });
  await ann.box.fill('lost');
  await ann.box.press('Enter');
  assert.equal(await ann.box.inputValue(), '');
  await ann.box.fill('typed since');
  proxy.cut();
  await ann.notice.filter({ hasText: 'may not have arrived' }).waitFor();
  assert.equal(await ann.box.inputValue(), 'lost\ntyped since');
  assert.deepEqual(await ann.texts(), ['arrived']);
});

test('close codes and reasons reach the browser', limits, async (t) => {
  const ann = await arrive(t, browser, `${server.address}/?room=codes`);
  const close = (send) => ann.page.evaluate((texts) => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}/?room=codes`);
    const deadline = setTimeout(() => reject(new Error('no close in 15 s')), 15_000);
    socket.onopen = () => texts.forEach((text) => socket.send(text));
    socket.onclose = ({ code, reason, wasClean }) => {
      clearTimeout(deadline);
      resolve({ code, reason, wasClean });
    };
  }), send);
  const tooLong = await close(['Ann', 'x'.repeat(16_385)]);
  assert.deepEqual([tooLong.code, tooLong.wasClean], [1009, true]);
  const farTooLong = await close(['Ann', 'x'.repeat(70_000)]);
  assert.equal(farTooLong.code, 1009);
  const badName = await close(['x'.repeat(40)]);
  assert.deepEqual([badName.code, badName.wasClean], [1008, true]);
  assert.match(badName.reason, /40 characters/);
});

test('a closed door is not stormed: after a refusal the reader decides', limits, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  let opened = 0;
  await page.routeWebSocket(/^ws:/, (socket) => {
    opened += 1;
    socket.send('{"type":"color","data":"red"}');
    setTimeout(() => socket.close({ code: 1008, reason: 'you were removed' }), 50);
  });
  await page.addInitScript(() => sessionStorage.setItem('klatsch.name', 'Ann'));
  await page.goto(server.address);
  await page.getByRole('alert').filter({ hasText: 'you were removed' }).waitFor({ timeout: 15_000 });
  await page.evaluate(() => {
    dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
  });
  assert.equal(await page.locator('#state').getAttribute('data-state'), 'refused');
  assert.equal(opened, 1);
  await page.getByRole('button', { name: 'Try now' }).click();
  await until(() => opened === 2, () => `${opened} connections`);
});

/** A page whose server is the test itself, and whose clock it turns. */
async function arriveAtPuppet(t, onText) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const sockets = [];
  await page.clock.install();
  await page.routeWebSocket(/^ws:/, (socket) => {
    sockets.push(socket);
    socket.onMessage((text) => (text === 'Ann' ? socket.send('{"type":"color","data":"red"}') : onText?.(socket, text)));
  });
  await page.addInitScript(() => sessionStorage.setItem('klatsch.name', 'Ann'));
  await page.goto(server.address);
  await page.locator('#hint', { hasText: 'You are' }).waitFor({ timeout: 15_000 });
  return { page, box: page.getByRole('textbox', { name: 'Message' }), sockets };
}

test('a text that the server drops is shown on its way, then returns to the box', limits, async (t) => {
  const other = { type: 'message', data: { time: Date.now(), text: 'from Bob', author: 'Bob', color: 'blue' } };
  const { page, box, sockets } = await arriveAtPuppet(t);
  await box.fill('I am muted');
  await box.press('Enter');
  await page.clock.fastForward(2000);
  await page.locator('.unsent', { hasText: 'Sending…' }).waitFor({ timeout: 15_000 });
  sockets[0].send(JSON.stringify(other));
  await page.locator('.text', { hasText: 'from Bob' }).waitFor({ timeout: 15_000 });
  await page.clock.fastForward(16_000);
  await page.getByRole('alert').filter({ hasText: 'did not take this message' }).waitFor({ timeout: 15_000 });
  await until(async () => (await page.locator('.unsent').count()) === 0, () => 'it is still shown on its way');
  assert.equal(await box.inputValue(), 'I am muted');
  assert.equal(sockets.length, 1);
});

test('a connection that has gone deaf is left for a new one, and the history tells what arrived', limits, async (t) => {
  const arrived = [];
  const { page, box, sockets } = await arriveAtPuppet(t, (_, text) => arrived.push(text));
  for (const text of ['arrived', 'lost']) {
    await box.fill(text);
    await box.press('Enter');
  }
  await until(() => arrived.length === 2, () => JSON.stringify(arrived));
  await page.routeWebSocket(/^ws:/, (socket) => {
    sockets.push(socket);
    const data = [{ time: Date.now(), text: 'arrived', author: 'Ann', color: 'red' }];
    socket.send(JSON.stringify({ type: 'history', data }));
    socket.onMessage(() => socket.send('{"type":"color","data":"green"}'));
  });
  await page.clock.fastForward(17_000);
  await page.getByRole('alert').filter({ hasText: 'may not have arrived' }).waitFor({ timeout: 15_000 });
  assert.equal(await box.inputValue(), 'lost');
  assert.deepEqual(await page.locator('.note.own .text').allTextContents(), ['arrived']);
  assert.equal(sockets.length, 2);
});

test('the chat may be on another path', limits, async (t) => {
  const own = await startKlatsch({ args: ['--path', '/talk'] });
  t.after(() => own.stop());
  const ann = await arrive(t, browser, `${own.address}/?room=path`);
  await ann.join('Ann');
  await ann.say('here');
  assert.deepEqual(await ann.texts(), ['here']);
});

test('coming back online ends the wait at once', limits, async (t) => {
  const proxy = await startProxy(server.port);
  t.after(() => proxy.stop());
  const ann = await arrive(t, browser, `${proxy.address}/?room=online`);
  await ann.join('Ann');
  await ann.page.evaluate(() => { Math.random = () => 1; }); // the longest waits
  proxy.refuse(true);
  proxy.cut();
  await ann.page.locator('#state-text', { hasText: /in (7|8) s/ }).waitFor({ timeout: 30_000 });
  proxy.refuse(false);
  await ann.page.evaluate(() => dispatchEvent(new Event('online')));
  await ann.page.locator('#hint', { hasText: 'You are' }).waitFor({ timeout: 3000 });
});
