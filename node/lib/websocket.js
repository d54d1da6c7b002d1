'use strict';
// A WebSocket with the browser's shape over the core's client, for where there is no global one (Node 20).
//
// Binary messages come as an ArrayBuffer; there is no Blob. Pings, compression and limits are the core's affair.

const { native, call } = require('./error.js');

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
const MAX_REASON_BYTES = 123;
/** What RFC 6455 allows in a `Sec-WebSocket-Protocol`. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

class CloseEvent extends Event {
  constructor(type, { code, reason, wasClean }) {
    super(type);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

class WebSocket extends EventTarget {
  #native;
  #url;
  #protocol = '';
  #readyState = CONNECTING;
  #handlers = new Map();

  constructor(url, protocols = []) {
    super();
    this.#url = addressOf(url);
    const offered = typeof protocols === 'string' ? [protocols] : [...protocols];
    if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
      throw new DOMException(`the subprotocols are ${JSON.stringify(offered)}`, 'SyntaxError');
    }
    // Held by the native half until the end, so that an open WebSocket is not collected.
    this.#native = call(() => native.NativeWebSocket.connect(this.#url, offered, () => this.#hear()));
  }

  get url() { return this.#url; }
  get protocol() { return this.#protocol; }
  get extensions() { return ''; }
  get readyState() { return this.#readyState; }
  get bufferedAmount() { return call(() => this.#native.buffered()); }
  get binaryType() { return 'arraybuffer'; }

  send(data) {
    if (this.#readyState === CONNECTING) throw new DOMException('it is not open yet', 'InvalidStateError');
    if (this.#readyState !== OPEN) return;
    if (data instanceof ArrayBuffer) call(() => this.#native.sendBytes(new Uint8Array(data)));
    else if (ArrayBuffer.isView(data)) call(() => this.#native.sendBytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
    else call(() => this.#native.sendText(String(data)));
  }

  close(code, reason = '') {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`the close code is ${code}; it can be 1000, or 3000 to 4999`, 'InvalidAccessError');
    }
    if (Buffer.byteLength(reason) > MAX_REASON_BYTES) {
      throw new DOMException(`the reason is longer than ${MAX_REASON_BYTES} bytes`, 'SyntaxError');
    }
    if (this.#readyState === CLOSING || this.#readyState === CLOSED) return;
    this.#readyState = CLOSING;
    call(() => this.#native.close(code ?? 1000, reason));
  }

  #hear() {
    for (const said of JSON.parse(call(() => this.#native.drain()))) {
      if (said.code !== undefined) this.#end(said);
      else if (said.open === undefined) this.#receive(said.text ?? bufferOf(said.binary));
      else if (this.#readyState === CONNECTING) this.#open(said.open);
    }
  }

  #open(protocol) {
    this.#readyState = OPEN;
    this.#protocol = protocol;
    this.dispatchEvent(new Event('open'));
  }

  #receive(data) {
    if (this.#readyState === OPEN) this.dispatchEvent(new MessageEvent('message', { data, origin: new URL(this.#url).origin }));
  }

  #end({ code, reason, clean: wasClean }) {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    call(() => this.#native.release());
    if (!wasClean) this.dispatchEvent(new Event('error'));
    this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean }));
  }

  static {
    const states = { CONNECTING, OPEN, CLOSING, CLOSED };
    for (const [name, value] of Object.entries(states)) {
      for (const place of [WebSocket, WebSocket.prototype]) Object.defineProperty(place, name, { value, enumerable: true });
    }
    for (const kind of ['open', 'message', 'error', 'close']) {
      Object.defineProperty(WebSocket.prototype, `on${kind}`, {
        configurable: true,
        enumerable: true,
        get() { return this.#handlers.get(kind) ?? null; },
        set(handler) {
          this.removeEventListener(kind, this.#handlers.get(kind));
          this.#handlers.delete(kind);
          if (typeof handler !== 'function') return;
          this.#handlers.set(kind, handler);
          this.addEventListener(kind, handler);
        },
      });
    }
  }
}

function addressOf(url) {
  let address;
  try {
    address = new URL(url);
  } catch {
    throw new DOMException(`${url} is no URL`, 'SyntaxError');
  }
  if (/^https?:$/.test(address.protocol)) address = new URL(address.href.replace(/^http/, 'ws'));
  if (!/^wss?:$/.test(address.protocol) || address.hash) {
    throw new DOMException(`${url} is no address of a WebSocket`, 'SyntaxError');
  }
  return address.href;
}

function bufferOf(base64) {
  const { buffer, byteOffset, byteLength } = Buffer.from(base64, 'base64');
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

module.exports = { WebSocket };
