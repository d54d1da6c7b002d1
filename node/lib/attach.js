'use strict';
// WebSockets from the port of the host's own HTTP server: which requests are the engine's, and how the
// connection changes hands.

const http = require('node:http');
const tls = require('node:tls');

const { KlatschError } = require('./error.js');
const { shown } = require('./arguments.js');

/** What is attached to each server: one listener serves them all, in the order of attaching. */
const attachments = new WeakMap();

/**
 * Gives upgrade requests of `server` to `take(request, socket, head)`: all, or those of one path. Gives the
 * function that ends it. Requests of no attachment's path are left to the server's other listeners; where
 * there is none they are answered 404, because nobody else would.
 */
function attach(server, path, take) {
  if (server instanceof tls.Server) {
    const words = 'connections of an https.Server cannot be taken over yet; end TLS in front of an http.Server';
    throw new KlatschError('cannot_adopt', words);
  }
  if (!(server instanceof http.Server)) {
    throw new KlatschError('invalid_argument', `attach takes an http.Server, not ${shown(server)}`);
  }
  if (path !== undefined && !path.startsWith('/')) {
    throw new KlatschError('invalid_argument', `path is ${shown(path)}; a path begins with /`);
  }
  let entry = attachments.get(server);
  if (entry === undefined) {
    entry = { takers: [], listener: (...upgrade) => dispatch(server, ...upgrade) };
    attachments.set(server, entry);
  }
  const taker = { path, take };
  entry.takers.push(taker);
  if (entry.takers.length === 1) server.on('upgrade', entry.listener);
  return () => {
    const index = entry.takers.indexOf(taker);
    if (index === -1) return;
    entry.takers.splice(index, 1);
    if (entry.takers.length === 0) server.off('upgrade', entry.listener);
  };
}

function dispatch(server, request, socket, head) {
  if (socket.destroyed) return;
  const path = request.url.split('?', 1)[0];
  const taker = attachments.get(server).takers.find((taker) => taker.path === undefined || taker.path === path);
  if (taker !== undefined) {
    taker.take(request, socket, head);
  } else if (server.listenerCount('upgrade') === 1) {
    refuse(socket, 404, `there is no WebSocket at ${path}`);
  }
}

/** Says why a socket cannot be taken over; undefined when it can. */
function obstacle(socket) {
  if (socket.encrypted) return 'a TLS connection cannot be taken over yet; end TLS in front of an http.Server';
  const handle = socket._handle;
  // A TLSSocket's handle has a descriptor too, and other runtimes have none: look at what it is.
  if (!['TCP', 'Pipe'].includes(handle?.constructor?.name) || !(handle.fd > 0)) {
    return 'this runtime gives no descriptor of the connection that could be taken over';
  }
  if (socket.writableLength > 0 || handle.writeQueueSize > 0) {
    return 'something is still waiting to be written to the connection';
  }
  return undefined;
}

/**
 * Hands a socket's descriptor and all that was read from it to `adopt(descriptor, read)`, which makes its own
 * copy of the descriptor. Then the socket is destroyed: that closes Node's descriptor and shuts nothing down.
 */
function handOver(request, socket, head, adopt) {
  const handle = socket._handle;
  handle.readStop();
  const rest = socket.readableLength > 0 ? socket.read() : null;
  adopt(handle.fd, Buffer.concat([requestHead(request), head, ...(rest === null ? [] : [rest])]));
  socket.destroy();
}

/** The request's head as it came: Node reads it as latin1, so it is written as latin1. */
function requestHead({ method, url, httpVersion, rawHeaders }) {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  }
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Answers a request for an upgrade with an HTTP error, and closes. */
function refuse(socket, status, words) {
  // Whoever is gone before the answer needs none.
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  const body = `${words}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

module.exports = { attach, obstacle, handOver, refuse };
