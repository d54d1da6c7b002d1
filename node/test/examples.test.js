'use strict';
const assert = require('node:assert/strict');
const { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');

const { ROOT, within, runProcess, Client } = require('./helpers.js');

/** Copies the examples to where `npm install` would have put the package beside them. */
function copyExamples(t) {
  const folder = mkdtempSync(join(tmpdir(), 'klatsch-examples-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, 'examples', 'node'), folder, { recursive: true });
  rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'node'), join(folder, 'node_modules', 'klatsch'));
  return folder;
}

test('chat.mjs prints what it hears, welcomes who comes, and stops on SIGTERM', async (t) => {
  const example = runProcess(t, process.execPath, ['chat.mjs', '127.0.0.1:0'], { cwd: copyExamples(t) });
  const [, address] = await example.printed(/^listening on http:\/\/(127\.0\.0\.1:\d+)\n/);
  const ann = await Client.open(`ws://${address}/?room=tea`, 'Ann');
  await ann.says('Welcome, Ann!');
  ann.socket.send('hi');
  await ann.says('hi');
  await ann.close();
  await example.printed(/- Ann left/);
  example.child.kill('SIGTERM');
  const { code, stdout, stderr } = await within(example.ended, 'the example to stop');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.deepEqual(stdout.split('\n').slice(1), [
    '+ Ann joined tea (1 here)',
    'tea Host: Welcome, Ann!',
    'tea Ann: hi',
    '- Ann left tea (0 here)',
    'stopped',
    '',
  ]);
});

test('chat.mjs says why it cannot start', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  t.after(() => taken.close());
  const example = runProcess(t, process.execPath, ['chat.mjs', `127.0.0.1:${taken.address().port}`], { cwd: copyExamples(t) });
  const { code, stderr } = await within(example.ended, 'the example to give up');
  assert.equal(code, 1);
  assert.match(stderr, /^cannot start: cannot listen on 127\.0\.0\.1/);
});

test('chat.mjs fits on a screen', () => {
  const lines = readFileSync(join(ROOT, 'examples', 'node', 'chat.mjs'), 'utf8').split('\n');
  assert.ok(lines.length <= 60, `${lines.length} lines`);
  assert.match(lines[0], /^\/\/ /);
  assert.match(lines[1], /^\/\/ Run it: /);
});

test("tutorial.mjs serves the tutorial's page and chats on the same port", async (t) => {
  const folder = copyExamples(t);
  const example = runProcess(t, process.execPath, ['tutorial.mjs', '0'], { cwd: folder });
  const [, port] = await example.printed(/Server is listening on port (\d+)/);
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.equal(await page.text(), readFileSync(join(folder, 'frontend', 'index.html'), 'utf8'));
  for (const path of ['/nothing.html', '/../package.json', '/..%2fpackage.json', '/frontend/index.html', '/package.json']) {
    assert.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 404, path);
  }
  const ann = await Client.open(`ws://127.0.0.1:${port}`, 'Ann');
  ann.socket.send('hi');
  assert.equal((await ann.says('hi')).color, ann.color);
  await ann.close();
  await example.printed(/disconnected/);
  example.child.kill('SIGTERM');
  const { code, stdout } = await within(example.ended, 'the example to stop');
  assert.equal(code, 0);
  assert.match(stdout, /User is known as: Ann with \w+ color\./);
  assert.match(stdout, /Received Message from Ann: hi/);
  assert.match(stdout, /Peer 127\.0\.0\.1:\d+ disconnected/);
});
