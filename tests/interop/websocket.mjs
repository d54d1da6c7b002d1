// npm websocket (WebSocket-Node) as a client. It has no permessage-deflate.
// Run: node websocket.mjs ECHO_URL SMALL_URL [CA_FILE]

import { once } from 'node:events';

import { Inbox, packageNamed, play } from './lib/scenario.mjs';

const { client: Client } = packageNamed('websocket');
const CLOSE_FRAME = 0x88;

async function open(url, { ca }) {
  const client = new Client({ fragmentationThreshold: 65_536, maxReceivedFrameSize: 2 << 20, tlsOptions: { ca } });
  const connected = Promise.race([
    once(client, 'connect'),
    once(client, 'connectFailed').then(([error]) => Promise.reject(error)),
  ]);
  client.connect(url);
  const [connection] = await connected;
  const inbox = new Inbox();
  connection.on('message', ({ type, utf8Data, binaryData }) => inbox.put(type === 'utf8' ? utf8Data : binaryData));
  let closed = once(connection, 'close').then(([code, reason]) => ({ code, reason }));
  return {
    extensions: '',
    get closed() {
      return closed;
    },
    send: (data) => (typeof data === 'string' ? connection.sendUTF(data) : connection.sendBytes(data)),
    // The library splits by itself, at its threshold.
    sendParts: (parts) => connection.sendBytes(Buffer.concat(parts)),
    next: () => inbox.next(),
    async ping(payload) {
      connection.ping(payload);
      const [pong] = await once(connection, 'pong');
      return pong;
    },
    close(code, reason) {
      // Whoever closes first is told their own code by the library, which reads nothing more: we look at the answer
      // ourselves, all of it in one piece.
      const answer = once(connection.socket, 'data').then(([bytes]) => bytes);
      closed = Promise.all([answer, closed]).then(([bytes]) => {
        const isClose = bytes[0] === CLOSE_FRAME && bytes[1] >= 2;
        return { code: isClose ? bytes.readUInt16BE(2) : 1005 };
      });
      connection.close(code, reason);
    },
  };
}

await play({ name: 'websocket', modes: ['plain'], open });
