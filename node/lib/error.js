'use strict';
// The one class of errors, and the way from the native half's to it.

const native = require('./native.js').load();

const NUMBERS = new Map(Object.entries(JSON.parse(native.errorCodes())));

class KlatschError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
    this.number = NUMBERS.get(code);
  }
}
// As the built-in ones have it: not listed among an error's own fields.
Object.defineProperty(KlatschError.prototype, 'name', { value: 'KlatschError', writable: true, configurable: true });

/** Makes one call to the native half; what that throws comes out as a KlatschError. */
function call(body) {
  try {
    return body();
  } catch (error) {
    throw NUMBERS.has(error?.code) ? new KlatschError(error.code, error.message) : error;
  }
}

/** Makes an error of an event's `{code, message}`: nothing of the host's stands on the stack then. */
function fromEvent({ code, message }) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new KlatschError(code, message);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

module.exports = { native, KlatschError, call, fromEvent };
