'use strict';
// Looks at what the host hands in: the native half takes only values of the right type.

const { isUint8Array } = require('node:util').types;

const { KlatschError } = require('./error.js');

/** The options that are functions, by what they answer. */
const HANDLERS = { admit: 'admit', may_join: 'mayJoin', may_send: 'maySend', call: 'call' };

/** Splits the constructor's object: what the native half reads as JSON, and what stays on this side. */
function readOptions(options) {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new KlatschError('invalid_argument', `options must be an object, not ${shown(options)}`);
  }
  const { signal, ...values } = options;
  const handlers = {};
  for (const [subject, name] of Object.entries(HANDLERS)) {
    const handler = values[name];
    delete values[name];
    if (handler === undefined) continue;
    if (typeof handler !== 'function') {
      throw new KlatschError('invalid_option', `${name} is ${shown(handler)}; it must be a function`);
    }
    handlers[subject] = handler;
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new KlatschError('invalid_option', `signal is ${shown(signal)}; it must be an AbortSignal`);
  }
  for (const [name, value] of Object.entries(values)) {
    if (['function', 'symbol', 'bigint'].includes(typeof value) || (typeof value === 'number' && !Number.isFinite(value))) {
      const words = `a number, a text, true, false or a list (only ${Object.values(HANDLERS).join(', ')} are functions)`;
      throw new KlatschError('invalid_option', `${name} is ${shown(value)}; an option is ${words}`);
    }
  }
  if (values.tlsPem !== undefined) values.tlsPem = pemTexts(values.tlsPem);
  return { json: JSON.stringify(values), handlers, signal };
}

/** Certificates and keys are text, also where they come as the bytes of a file. */
function pemTexts(pairs) {
  if (Array.isArray(pairs)) return pairs.map(pemTexts);
  if (pairs === null || typeof pairs !== 'object') return pairs;
  const asText = (value) => (isUint8Array(value) ? Buffer.from(value).toString() : value);
  return Object.fromEntries(Object.entries(pairs).map(([name, value]) => [name, asText(value)]));
}

/** Takes the fields that a call's last argument may have; others are refused. */
function readFields(call, fields, defaults) {
  if (fields === null || typeof fields !== 'object') {
    throw new KlatschError('invalid_argument', `${call} takes an object, not ${shown(fields)}`);
  }
  const known = Object.keys(defaults);
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) {
      throw new KlatschError('invalid_argument', `${call} takes ${known.join(' and ')}, not ${name}`);
    }
  }
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

function text(name, value) {
  if (typeof value !== 'string') {
    throw new KlatschError('invalid_argument', `${name} must be a string, not ${shown(value)}`);
  }
  return value;
}

function wholeNumber(name, value) {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new KlatschError('invalid_argument', `${name} must be a whole number, 0 or more, not ${shown(value)}`);
  }
  return value;
}

function milliseconds(name, value) {
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new KlatschError('invalid_argument', `${name} must be a number of milliseconds, 0 or more, not ${shown(value)}`);
  }
  return value;
}

/** A number of seconds; nothing: without an end. */
function seconds(value) {
  if (value !== undefined && value !== null) wholeNumber('seconds', value);
  return value;
}

/** True, false, or nothing. */
function choice(name, value) {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new KlatschError('invalid_argument', `${name} must be true or false, not ${shown(value)}`);
  }
  return value;
}

/** An object as JSON, of whose fields the native half knows what they may be. */
function object(name, value) {
  if (value === null || typeof value !== 'object') {
    throw new KlatschError('invalid_argument', `${name} must be an object, not ${shown(value)}`);
  }
  return JSON.stringify(value);
}

/** A string or bytes; bytes that other threads may write meanwhile are copied. */
function payload(name, value) {
  if (typeof value === 'string') return value;
  if (!isUint8Array(value)) {
    throw new KlatschError('invalid_argument', `${name} must be a string or a Uint8Array, not ${shown(value)}`);
  }
  return value.buffer instanceof ArrayBuffer ? value : new Uint8Array(value);
}

/** A value as words quote it: short, and without calling anything of the host's. */
function shown(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value === null || ['number', 'boolean', 'undefined'].includes(typeof value)) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

module.exports = {
  HANDLERS,
  readOptions,
  readFields,
  text,
  wholeNumber,
  milliseconds,
  seconds,
  choice,
  object,
  payload,
  shown,
};
