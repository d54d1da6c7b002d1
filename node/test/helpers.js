'use strict';
// What the tests share: engines that end with their test, waits that have a deadline, clients that remember.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { inspect, isDeepStrictEqual } = require('node:util');

const WebSocket = require('ws');

const { Engine } = require('..');

/** Longer than anything here takes, shorter than patience. */
const DEADLINE_MS = 20_000;

const ROOT = join(__dirname, '..', '..');

/** Waits for a promise, but not for ever. */
async function within(promise, what, deadlineMs = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Makes and starts an engine on a free port that stops with the test `t`. Gives it with its ws:// address. */
async function startEngine(t, options = {}) {
  const engine = new Engine({ listen: 0, ...options });
  t.after(() => engine.stop({ graceMs: 0 }));
  const [address] = await engine.start();
  return { engine, url: `ws://${address}` };
}

/** The first event of that kind for which `fits` says so. Ask before you cause it. */
function heard(engine, kind, fits = () => true) {
  let listener;
  const event = new Promise((resolve) => {
    listener = (fields) => fits(fields) && resolve(fields);
    engine.on(kind, listener);
  });
  return within(event, `the event ${kind}`).finally(() => engine.off(kind, listener));
}

/** Reads again and again until it is as wanted: for what the system tells only when it is asked. */
async function settled(read, wanted, what) {
  const isRight = async () => {
    while (!isDeepStrictEqual(read(), wanted)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await within(isRight(), `${what} to be ${inspect(wanted)}`).catch((error) => {
    throw new Error(`${error.message}; it is ${inspect(read())}`);
  });
}

/** A client of the tutorial's dialect that remembers all it was sent. */
class Client {
  received = [];
  #waiting = new Set();

  constructor(socket) {
    this.socket = socket;
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      this.received.push(isBinary ? data : readable(String(data)));
      for (const look of this.#waiting) look();
    });
  }

  /** Connects; with a name, it is in the room when this resolves. */
  /** `options` are those of npm ws; by default it offers permessage-deflate. */
  static async open(url, name, options) {
    const client = new Client(new WebSocket(url, options));
    await within(once(client.socket, 'open'), `${url} to open`);
    if (name !== undefined) {
      client.socket.send(name);
      client.color = (await client.until((message) => message.type === 'color')).data;
    }
    return client;
  }

  /** The first message that fits, received already or still to come. */
  until(fits) {
    let look;
    const message = new Promise((resolve) => {
      look = () => {
        const found = this.received.find(fits);
        if (found !== undefined) resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
    return within(message, 'a message to a client').finally(() => this.#waiting.delete(look));
  }

  /** The message of that text, as the client sees it. */
  async says(text) {
    return (await this.until((message) => message.type === 'message' && message.data.text === text)).data;
  }

  async close() {
    this.socket.close();
    return within(this.closed, 'a client to close');
  }
}

function readable(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Runs source text in a Node of its own, which ends with the test `t` at the latest. It finds the package as `klatsch`, npm's ws as `WebSocket`, and `args`
 * as `args`.
 */
function runScript(t, source, { nodeArguments = [], args = [] } = {}) {
  const prelude = `const klatsch = require(${JSON.stringify(join(ROOT, 'node'))});
    const WebSocket = require(${JSON.stringify(require.resolve('ws'))});
    const args = process.argv.slice(1);`;
  return runProcess(t, process.execPath, [...nodeArguments, '--eval', `${prelude}${source}`, '--', ...args]);
}

/** Starts a process, which ends with the test `t` at the latest; `ended` resolves with its code, signal and all that it printed. */
function runProcess(t, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  t.after(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  const looks = new Set();
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text;
      for (const look of looks) look();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  const printed = (fits) => {
    let look;
    const text = new Promise((resolve, reject) => {
      look = () => {
        const found = output.stdout.match(fits);
        if (found !== null) resolve(found);
      };
      looks.add(look);
      look();
      ended.then(({ stderr }) => reject(new Error(`the process ended without printing ${fits}: ${stderr}`)));
    });
    return within(text, `a process to print ${fits}`).finally(() => looks.delete(look));
  };
  return { child, ended, printed, output };
}

module.exports = { DEADLINE_MS, ROOT, within, startEngine, heard, settled, Client, runScript, runProcess };
