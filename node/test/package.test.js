'use strict';
// The package as others get it: in a project outside, by folder and by tarball, with both kinds of loading.
const assert = require('node:assert/strict');
const { mkdtempSync, writeFileSync, rmSync, readFileSync, lstatSync, existsSync, mkdirSync, cpSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, delimiter, relative } = require('node:path');
const { test } = require('node:test');

const { load, fittingName } = require('../lib/native.js');
const { ROOT, within, runProcess } = require('./helpers.js');

const PACKAGE = join(ROOT, 'node');

/** Makes an empty project in a folder of its own. */
function makeProject(t) {
  const folder = mkdtempSync(join(tmpdir(), 'klatsch-project-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'package.json'), '{"name": "outside", "private": true}\n');
  writeFileSync(join(folder, 'required.js'), `const { Engine } = require('klatsch');\n${use}`);
  writeFileSync(join(folder, 'imported.mjs'), `import { Engine } from 'klatsch';\n${use}`);
  writeFileSync(join(folder, 'client.mjs'), `import { Chat, WebSocket } from 'klatsch/client';\nconsole.log(typeof Chat, WebSocket.OPEN);`);
  writeFileSync(
    join(folder, 'both.mjs'),
    `import { createRequire } from 'node:module';
     import { Engine, KlatschError, version } from 'klatsch';
     const required = createRequire(import.meta.url)('klatsch');
     console.log(Engine === required.Engine && KlatschError === required.KlatschError, version);`
  );
  return folder;
}

const use = `
  const engine = new Engine({ listen: 0 });
  engine.on('message', ({ text }) => { console.log(text); engine.stop(); });
  engine.start().then(() => engine.broadcast('lobby', 'it works'));
`;

async function run(t, folder, command, ...args) {
  const { code, stdout, stderr } = await within(runProcess(t, command, args, { cwd: folder }).ended, command, 120_000);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

async function worksIn(t, folder) {
  assert.equal(await run(t, folder, process.execPath, 'required.js'), 'it works\n');
  assert.equal(await run(t, folder, process.execPath, 'imported.mjs'), 'it works\n');
  assert.equal(await run(t, folder, process.execPath, 'client.mjs'), 'function 1\n');
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  assert.equal(await run(t, folder, process.execPath, 'both.mjs'), `true ${version}\n`);
}

const npm = (t, folder, ...args) => run(t, folder, 'npm', ...args, '--no-audit', '--no-fund', '--offline');

test('npm install of the folder works in a project outside', async (t) => {
  const folder = makeProject(t);
  await npm(t, folder, 'install', relative(folder, PACKAGE));
  assert.ok(lstatSync(join(folder, 'node_modules', 'klatsch')).isSymbolicLink());
  await worksIn(t, folder);
});

test('the packed tarball has what it needs and no more, runs no script, and works in a project outside', async (t) => {
  const folder = makeProject(t);
  const [{ filename, files }] = JSON.parse(
    (await npm(t, PACKAGE, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)).trim()
  );
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    [
      'README.md', 'client.d.mts', 'client.mjs', 'client/klatsch.d.mts', 'client/klatsch.mjs', 'index.d.mts', 'index.d.ts', 'index.js',
      'index.mjs', 'lib/arguments.js', 'lib/attach.js', 'lib/error.js', 'lib/native.js', 'lib/questions.js', 'lib/websocket.js',
      'package.json', `prebuilds/${fittingName()}/klatsch.node`,
      'sim.d.ts', 'sim.js',
    ].sort()
  );
  const { scripts } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  assert.deepEqual(Object.keys(scripts).filter((name) => /install/.test(name)), []);
  assert.ok(!existsSync(join(PACKAGE, 'binding.gyp')));
  await npm(t, folder, 'install', join(folder, filename));
  assert.ok(!lstatSync(join(folder, 'node_modules', 'klatsch')).isSymbolicLink());
  await worksIn(t, folder);
});

test('a checkout without a native build makes one with cargo, once', { skip: process.platform === 'win32' }, async (t) => {
  const checkout = mkdtempSync(join(tmpdir(), 'klatsch-checkout-'));
  t.after(() => rmSync(checkout, { recursive: true }));
  const folder = join(checkout, 'node');
  cpSync(join(ROOT, 'core', 'web'), join(checkout, 'core', 'web'), { recursive: true });
  const sources = ['lib', 'build.mjs', 'package.json'];
  for (const name of sources) cpSync(join(PACKAGE, name), join(folder, name), { recursive: true });
  const prebuild = join('prebuilds', fittingName(), 'klatsch.node');
  // Stands in for cargo: says what it was asked, and that the library is where it is already.
  const artifact = { reason: 'compiler-artifact', target: { name: 'klatsch_node' }, filenames: [join(folder, 'lib.so')] };
  cpSync(join(PACKAGE, prebuild), join(folder, 'lib.so'));
  mkdirSync(join(folder, 'bin'));
  const cargo = `#!/bin/sh\necho "$@" >> "${folder}/asked"\necho '${JSON.stringify(artifact)}'\n`;
  writeFileSync(join(folder, 'bin', 'cargo'), cargo, { mode: 0o755 });
  const build = (path, ...args) => {
    const env = { ...process.env, PATH: path, KLATSCH_NATIVE: '' };
    return within(runProcess(t, process.execPath, ['build.mjs', ...args], { cwd: folder, env }).ended, 'build.mjs');
  };
  const missing = await build(join(folder, 'nowhere'));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /cannot run cargo \(ENOENT\): install Rust/);
  const path = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`;
  for (let time = 0; time < 2; time++) assert.equal((await build(path)).code, 0);
  const asked = readFileSync(join(folder, 'asked'), 'utf8');
  assert.equal(asked, 'build --release --package klatsch-node --message-format=json-render-diagnostics\n');
  assert.ok(existsSync(join(folder, prebuild)));
  assert.equal((await build(path, '--force')).code, 0);
  assert.equal(readFileSync(join(folder, 'asked'), 'utf8'), asked + asked);
});

test('a native build that is missing or does not load is named with the true reason', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'klatsch-prebuilds-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.throws(() => load(folder, 'plan9-mips'), /no native build for plan9-mips \(there is none\)/);
  mkdirSync(join(folder, 'linux-x64'));
  writeFileSync(join(folder, 'linux-x64', 'klatsch.node'), 'no library');
  assert.throws(() => load(folder, 'plan9-mips'), /\(there is linux-x64\)/);
  assert.throws(() => load(folder, 'linux-x64'), (error) => {
    assert.match(error.message, /linux-x64 does not load: .*(invalid ELF header|file too short|not a mach-o)/i);
    return error.cause instanceof Error;
  });
});
