// The servers of these tests: the real programs, each a child process on a free port of loopback, and a
// TCP proxy whose connections can be cut.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';

/** A certificate for localhost that nobody trusts, and its key. */
export const certificate = createRequire(import.meta.url)('../../../node/test/certificate.js');

const START_MS = 20_000;
const STOP_MS = 10_000;

const root = fileURLToPath(new URL('../../../', import.meta.url));
const binary = process.env.KLATSCH_BIN ?? `${root}target/debug/klatsch`;

/** Starts `klatsch serve`; port 0 takes a free one. */
export function startKlatsch({ port = 0, args = [] } = {}) {
  return start(binary, ['serve', '--listen', `127.0.0.1:${port}`, ...args]);
}

/** Starts the tutorial's server on a free port; it serves the tutorial's front end too. */
export function startTutorial() {
  return start(process.execPath, [`${root}examples/node/tutorial.mjs`, '0']);
}

/** Starts a host of the Node package with the raw path `/echo`, on a free port, where it speaks TLS if it is told to. */
export function startEcho({ tls = false } = {}) {
  return start(process.execPath, [`${root}tests/browser/lib/echo.mjs`, ...(tls ? ['tls'] : [])]);
}

/** Where the tutorial's front end lies, as a file. */
export const frontendFile = new URL('../../../examples/node/frontend/index.html', import.meta.url);

/** Starts a program that prints its address, and makes sure that it does not outlive the tests. */
async function start(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const orphaned = () => child.kill('SIGKILL');
  process.once('exit', orphaned);
  child.once('exit', () => process.off('exit', orphaned));
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { words = (words + text).slice(-4000); });
  const exited = once(child, 'exit');
  exited.catch(() => {}); // a program that cannot be started has its error told below
  const address = await new Promise((resolve, reject) => {
    const failed = (why) => {
      child.kill('SIGKILL');
      reject(new Error(`${command} ${args.join(' ')}: ${why}\n${words}`));
    };
    const deadline = setTimeout(() => failed(`printed no address in ${START_MS} ms`), START_MS);
    child.once('error', (error) => failed(error.message));
    child.once('exit', (code, signal) => failed(`ended with ${signal ?? code} before it listened`));
    createInterface(child.stdout).on('line', (line) => {
      const found = line.match(/(?:(https?):\/\/127\.0\.0\.1:|listening on port )(\d+)/);
      if (!found) return;
      clearTimeout(deadline);
      resolve(`${found[1] ?? 'http'}://127.0.0.1:${found[2]}`);
    });
  });
  return {
    address,
    port: Number(new URL(address).port),
    /** Ends it, by default as a machine does that goes down; gives its exit code. */
    async stop(signal = 'SIGKILL') {
      const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      child.kill(signal);
      const [code] = await exited;
      clearTimeout(hard);
      return code;
    },
  };
}

/**
 * Listens on a free port and passes bytes to `port` and back, until it is told to cut. `pages`: what it answers itself, by the
 * path.
 */
export async function startProxy(port, pages = {}) {
  const sockets = new Set();
  let refusing = false;
  const server = net.createServer(async (near) => {
    if (refusing) return near.destroy();
    near.on('error', () => near.destroy());
    const [request] = await once(near, 'data').catch(() => []);
    if (request === undefined) return near.destroy();
    near.pause();
    const page = pages[String(request).match(/^GET ([^ ?]*)/)?.[1]];
    if (page !== undefined) {
      return near.end(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${Buffer.byteLength(page)}\r\nConnection: close\r\n\r\n${page}`);
    }
    const far = net.connect(port, '127.0.0.1');
    far.write(request);
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    /** Cuts every connection, without a word. */
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    /** Whether new connections are cut at once too. */
    refuse(on) {
      refusing = on;
    },
    stop() {
      this.cut();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Listens on a free port and passes bytes to the server and back, over TLS on both sides if the server speaks it. Whoever asks
 * for a WebSocket with `spoil=` and bytes in hexadecimal has them sent in its name when it is open: what no browser sends.
 */
export async function startSpoiler({ address, port }) {
  const secure = address.startsWith('https:');
  const sockets = new Set();
  const passed = { up: 0, down: 0 };
  const pass = (near) => {
    const far = secure ? tls.connect({ port, host: '127.0.0.1', ca: certificate.cert }) : net.connect(port, '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    near.on('data', ({ length }) => { passed.up += length; });
    far.on('data', ({ length }) => { passed.down += length; });
    near.once('data', (request) => {
      const [, bytes] = String(request).match(/[?&]spoil=([0-9a-f]+)/) ?? [];
      // The first that comes back is the answer: from here on there are frames.
      if (bytes) far.once('data', () => far.write(Buffer.from(bytes, 'hex')));
    });
  };
  const server = secure ? tls.createServer(certificate, pass) : net.createServer(pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `${secure ? 'https' : 'http'}://127.0.0.1:${server.address().port}`,
    /** How many bytes the browser and the server have sent, without what TLS adds. */
    passed,
    stop() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
