'use strict';
// A handler's answer, as the verdict that the native half takes.

const { KlatschError } = require('./error.js');
const { HANDLERS, shown } = require('./arguments.js');

/** What each handler may give. */
const RIGHT = {
  admit: 'true, false, {name}, {user, name} or {refuse: words}',
  may_join: 'true, false or {refuse: words}',
  may_send: 'true, false, a text or {refuse: words}',
  call: 'what has a JSON form, undefined or {refuse: words}',
};

/**
 * Reads what a handler returned. Only `true`, an object or (for `maySend`) a string lets anything through: a handler
 * that forgets to return refuses. What `call` gives is the answer itself.
 *
 * Gives the arguments of the native `answer` behind the question's number. Throws `wrong_verdict` for a value
 * that means nothing, so that a mistake is not taken for a refusal that was meant.
 */
function verdictOf(subject, answer) {
  if (answer === undefined) return ['refuse', ''];
  if (typeof answer?.refuse === 'string') return ['refuse', answer.refuse];
  if (subject === 'call') {
    const json = JSON.stringify(answer);
    if (json !== undefined) return ['answer', json];
  } else {
    if (answer === true) return ['allow'];
    if (answer === false || answer === null) return ['refuse', ''];
    if (typeof answer === 'string' && subject === 'may_send') return ['rewrite', answer];
    if (typeof answer.name === 'string' && subject === 'admit') {
      const { user, name, role, rooms, expiresAtMs } = answer;
      if (user === undefined || user === null || typeof user === 'string') {
        return ['allow_as', JSON.stringify({ user, name, role, rooms, expiresAtMs })];
      }
    }
  }
  const words = `${HANDLERS[subject]} gave ${shown(answer)}; it must give ${RIGHT[subject]}`;
  throw new KlatschError('wrong_verdict', words);
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
