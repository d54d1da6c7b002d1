'use strict';
// A handler's answer, as the verdict that the native half takes.

const { KlatschError } = require('./error.js');
const { shown } = require('./arguments.js');

/**
 * Reads what `admit` or `maySend` returned. Only `true`, an object or (for `maySend`) a string lets anything
 * through: a handler that forgets to return refuses.
 *
 * Gives the arguments of the native `answer` behind the question's number. Throws `wrong_verdict` for a value
 * that means nothing, so that a mistake is not taken for a refusal that was meant.
 */
function verdictOf(subject, answer) {
  if (answer === true) return ['allow'];
  if (answer === false || answer === undefined || answer === null) return ['refuse', ''];
  if (typeof answer === 'string' && subject === 'may_send') return ['rewrite', answer];
  if (typeof answer === 'object') {
    const { refuse, name, user } = answer;
    if (typeof refuse === 'string') return ['refuse', refuse];
    const named = typeof name === 'string' && (user === undefined || user === null || typeof user === 'string');
    if (subject === 'admit' && named) return ['allow_as', name, user ?? undefined];
  }
  const right =
    subject === 'admit' ? 'true, false, {name}, {user, name} or {refuse: words}' : 'true, false, a text or {refuse: words}';
  const handler = subject === 'admit' ? 'admit' : 'maySend';
  throw new KlatschError('wrong_verdict', `${handler} gave ${shown(answer)}; it must give ${right}`);
}

/** The question as the handler sees it. */
function questionOf({ subject, id, ...fields }) {
  if (subject !== 'admit') return fields;
  // Without a prototype: header names are the client's choice, `__proto__` among them.
  const headers = Object.create(null);
  for (const [name, value] of fields.headers) {
    headers[name] = name in headers ? `${headers[name]}${name === 'cookie' ? '; ' : ', '}${value}` : value;
  }
  return { ...fields, headers };
}

module.exports = { verdictOf, questionOf };
