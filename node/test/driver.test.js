'use strict';
const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');

const { ROOT, within, runProcess, Client } = require('./helpers.js');

test('the driver of the shared scenarios speaks its protocol', async (t) => {
  const driver = runProcess(t, process.execPath, [join(ROOT, 'tests', 'drivers', 'host.mjs')]);
  const tell = (...fields) => driver.child.stdin.write(`${fields.join('\t')}\n`);
  tell('option', 'listen', '127.0.0.1:0');
  tell('option', 'history', 'many');
  tell('new');
  await driver.printed(/^ok\nok\nerror\tinvalid_option\thistory is "many".*\n/);
  // What was refused is set anew.
  tell('option', 'history', '5');
  tell('option', 'raw', '/echo', '');
  tell('option', 'ask_may_send', 'true');
  tell('new');
  tell('start');
  const [, address] = await driver.printed(/\nok\t(127\.0\.0\.1:\d+)\n/);
  tell('broadcast', 'tea', 'a\\tb\\\\c\\nd');
  await driver.printed(/\nevent\tmessage\t\ttea\t1\thost\tHost\ta\\tb\\\\c\\nd\n/);
  const ann = await Client.open(`ws://${address}/?room=tea`, 'Ann');
  ann.socket.send('hi');
  const [, user] = await driver.printed(/\nevent\tquestion\t1\tmay_send\t\d+\ttea\t(\w+)\tAnn\thi\n/);
  tell('answer', '1', 'rewrite', 'ho');
  await ann.says('ho');
  tell('answer', '1', 'allow');
  await driver.printed(/\nerror\tunknown_question\t/);
  tell('members', 'tea');
  await driver.printed(new RegExp(`\nok\t${user}\tAnn\t${ann.color}\t1\n`));
  tell('history', 'tea', '0', '10');
  await driver.printed(/\nok\t1\tHost\ta\\tb\\\\c\\nd\t2\tAnn\tho\n/);
  tell('rooms');
  await driver.printed(/\nok\ttea\t1\t2\n/);
  const raw = await Client.open(`ws://${address}/echo`);
  raw.socket.send(Buffer.from([0, 255]));
  const [, connection] = await driver.printed(/\nevent\treceived\t(\d+)\tbinary\t00ff\n/);
  tell('tell', connection, 'binary', '01fe');
  assert.deepEqual(await raw.until(Buffer.isBuffer), Buffer.from([1, 254]));
  tell('nonsense');
  await driver.printed(/\nerror\tinvalid_argument\t/);
  tell('stop', '0');
  await driver.printed(/\nevent\tstopped\nok\n/);
  tell('quit');
  assert.equal((await within(driver.ended, 'the driver to end')).code, 0);
});
