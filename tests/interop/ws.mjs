// npm ws as a client.
// Run: node ws.mjs ECHO_URL SMALL_URL [CA_FILE]

import { once } from 'node:events';

import { Inbox, packageNamed, play } from './lib/scenario.mjs';

const WebSocket = packageNamed('ws');

async function open(url, { ca, deflate }) {
  const socket = new WebSocket(url, { ca, perMessageDeflate: deflate && { threshold: 0 } });
  const inbox = new Inbox();
  socket.on('message', (data, isBinary) => inbox.put(isBinary ? data : String(data)));
  const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
  await once(socket, 'open');
  return {
    extensions: socket.extensions,
    closed,
    send: (data) => socket.send(data),
    sendParts: (parts) => parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1 })),
    next: () => inbox.next(),
    async ping(payload) {
      socket.ping(payload);
      const [pong] = await once(socket, 'pong');
      return pong;
    },
    close: (code, reason) => socket.close(code, reason),
  };
}

await play({ name: 'ws', modes: ['plain', 'deflate'], open });
