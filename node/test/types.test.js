'use strict';
const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');

const klatsch = require('..');
const { native } = require('../lib/error.js');
const { ROOT, within, runProcess } = require('./helpers.js');

test('the declarations accept what is right and refuse what is wrong', async (t) => {
  const tsc = join(require.resolve('typescript'), '..', '..', 'bin', 'tsc');
  const { code, stdout } = await within(
    runProcess(t, process.execPath, [tsc, '--project', join(ROOT, 'node', 'test', 'tsconfig.json')]).ended,
    'tsc',
    120_000
  );
  assert.equal(code, 0, stdout);
});

test('the class has exactly the methods that are declared', () => {
  const declared = require('node:fs').readFileSync(join(ROOT, 'node', 'index.d.ts'), 'utf8');
  const body = declared.slice(declared.indexOf('export class Engine '));
  const ofEmitter = Object.getOwnPropertyNames(require('node:events').EventEmitter.prototype);
  const names = [...body.matchAll(/^  (?:readonly )?(\w+)[(<:]/gm)].map(([, name]) => name);
  const own = new Set(names.filter((name) => !ofEmitter.includes(name)));
  const ofClass = Object.getOwnPropertyNames(klatsch.Engine.prototype).filter((name) => !ofEmitter.includes(name));
  assert.deepEqual([...own].sort(), ofClass.sort());
});

test('every error has its number', () => {
  const codes = Object.entries(JSON.parse(native.errorCodes()));
  assert.ok(codes.length >= 20);
  for (const [code, number] of codes) assert.equal(new klatsch.KlatschError(code, 'words').number, number);
});
