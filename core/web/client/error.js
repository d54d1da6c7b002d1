// Why something was not done.

/** `code` and `name` are as on the wire, and so are the other fields of a refusal. */
export class ChatError extends Error {
  constructor({ message, ...fields }) {
    super(message);
    Object.assign(this, fields);
  }
}

// What no engine says.
export const closedError = (message = 'the chat is closed') => new ChatError({ code: 0, name: 'closed', message });
export const uncertainError = (why) =>
  new ChatError({ code: 0, name: 'uncertain', message: `${why}; it may or may not have been done` });

/** Refusals that say nothing about what was asked for: a moment later it may be done. */
export const isPassing = ({ name }) => name === 'rate_limited' || name === 'busy' || name === 'store_unavailable';

/** When to ask again, if the engine does not say it. */
export const RETRY_MS = 1000;
