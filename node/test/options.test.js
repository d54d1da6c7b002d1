'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Engine, KlatschError } = require('..');

function refusal(act) {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof KlatschError, error);
    return error;
  }
  assert.fail('nothing was refused');
}

test('an unknown option is refused with the nearest one', () => {
  for (const [name, right] of [['histroy', 'history'], ['history_kept', 'historyKept'], ['askAdmit', 'admit'], ['port', 'listen']]) {
    const error = refusal(() => new Engine({ [name]: 1 }));
    assert.equal(error.code, 'invalid_option');
    assert.match(error.message, new RegExp(`no option "${name}".*"${right}"`));
  }
});

test('a wrong value is refused with what would be right', () => {
  for (const [options, words] of [
    [{ history: '5' }, /history is "5"; it must be a whole number from 0 to 10000/],
    [{ history: -1 }, /history is -1/],
    [{ history: NaN }, /history is NaN/],
    [{ history: 10n }, /history is a bigint/],
    [{ history: null }, /history is null/],
    [{ page: () => true }, /page is a function/],
    [{ listen: 65_536 }, /a port from 0 to 65535/],
    [{ listen: 'example.org:80' }, /IP:PORT/],
    [{ adoptOnly: true, listen: 0 }, /adoptOnly is on and listen is set/],
    [{ maxTextBytes: 0 }, /maxTextBytes is 0/],
    [{ raw: { '/': '' } }, /choose another path/],
    [{ allowOrigin: 'chat.example' }, /https:\/\/chat.example/],
    [{ limits: 'none' }, /load-test/],
    [{ hostColor: 'white' }, /hostColor is "white"/],
    [{ admit: true }, /admit is true; it must be a function/],
    [{ maySend: null }, /maySend is null/],
    [{ signal: {} }, /AbortSignal/],
  ]) {
    const error = refusal(() => new Engine(options));
    assert.equal(error.code, 'invalid_option');
    assert.match(error.message, words);
  }
  assert.equal(refusal(() => new Engine(null)).code, 'invalid_argument');
  assert.equal(refusal(() => new Engine([])).code, 'invalid_argument');
});

test('what is undefined is not set', () => {
  assert.ok(new Engine({ history: undefined, listen: undefined, admit: undefined, signal: undefined }));
});

test('a call with an argument of the wrong type is refused before it reaches the engine', () => {
  const engine = new Engine({ listen: 0 });
  for (const [act, words] of [
    [() => engine.broadcast(5, 'x'), /room must be a string, not 5/],
    [() => engine.broadcast('lobby'), /text must be a string, not undefined/],
    [() => engine.broadcastAll({}), /an object/],
    [() => engine.tell('1', 'x'), /connection must be a whole number, 0 or more, not "1"/],
    [() => engine.tell(-1, 'x'), /not -1/],
    [() => engine.tell(2 ** 60, 'x'), /connection/],
    [() => engine.tell(1, new ArrayBuffer(1)), /a string or a Uint8Array/],
    [() => engine.tellRoom('lobby', [1]), /an array/],
    [() => engine.tellAll(undefined), /undefined/],
    [() => engine.send('lobby', 'u1', null), /text must be a string, not null/],
    [() => engine.kick(1, 5), /reason/],
    [() => engine.members(), /room/],
    [() => engine.history('lobby', { after: 5 }), /before and limit, not after/],
    [() => engine.history('lobby', { limit: 1.5 }), /limit/],
    [() => engine.history('lobby', 5), /an object/],
    [() => engine.attach({}), /an http.Server/],
    [() => engine.attach(require('node:http').createServer(), { path: 'chat' }), /begins with \//],
  ]) {
    const error = refusal(act);
    assert.equal(error.code, 'invalid_argument');
    assert.match(error.message, words);
  }
});

test('a call on an engine that does not run is refused with the code that C has too', () => {
  const engine = new Engine({ listen: 0 });
  const error = refusal(() => engine.broadcast('lobby', 'hi'));
  assert.equal(error.name, 'KlatschError');
  assert.equal(error.code, 'not_running');
  assert.equal(error.number, 110);
  assert.deepEqual(engine.addresses, []);
});

test('the names of rooms, users and texts are refused with what is wrong with them', async (t) => {
  const engine = new Engine({ listen: 0, maxTextBytes: 10 });
  t.after(() => engine.stop({ graceMs: 0 }));
  await engine.start();
  for (const [act, code] of [
    [() => engine.broadcast('', 'hi'), 'bad_room_name'],
    [() => engine.broadcast('dm:x', 'hi'), 'bad_room_name'],
    [() => engine.broadcast('lobby', '  '), 'empty_text'],
    [() => engine.broadcast('lobby', 'x'.repeat(11)), 'too_long'],
    [() => engine.send('lobby', 'host', 'hi'), 'bad_name'],
    [() => engine.send('lobby', 'a b', 'hi'), 'bad_name'],
    [() => engine.members('nowhere'), 'unknown_room'],
    [() => engine.tell(99, 'hi'), 'unknown_connection'],
    [() => engine.kick(99), 'unknown_connection'],
  ]) {
    assert.equal(refusal(act).code, code);
  }
});
