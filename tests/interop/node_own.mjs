// Node's own WebSocket (undici) as a client. It can neither split nor ping, and offers deflate as it likes.
// Run: NODE_EXTRA_CA_CERTS=CA_FILE node --experimental-websocket node_own.mjs ECHO_URL SMALL_URL

import { Inbox, play } from './lib/scenario.mjs';

async function open(url) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const inbox = new Inbox();
  socket.onmessage = ({ data }) => inbox.put(typeof data === 'string' ? data : Buffer.from(data));
  const closed = new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = ({ error, message }) => reject(error ?? new Error(message));
  });
  return {
    extensions: socket.extensions,
    closed,
    send: (data) => socket.send(data),
    next: () => inbox.next(),
    close: (code, reason) => socket.close(code, reason),
  };
}

await play({ name: `node-${process.versions.node}`, modes: ['own'], open });
