/** The chat client for Node: that of the browsers, with a WebSocket where Node has none of its own. */
import type { WebSocketLike } from './client/klatsch.mjs';

export * from './client/klatsch.mjs';

/**
 * A WebSocket with the browser's shape over the library's native client: what {@link Chat} uses where there is no global one (Node
 * 20). Binary messages come as an `ArrayBuffer`. Open, it keeps the process alive.
 */
export class WebSocket extends EventTarget implements WebSocketLike {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  constructor(url: string | URL, protocols?: string | readonly string[]);
  readonly url: string;
  /** The subprotocol that the server chose; empty: none. */
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: 0 | 1 | 2 | 3;
  /** How many bytes wait for the network. */
  readonly bufferedAmount: number;
  readonly binaryType: 'arraybuffer';
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  /** @throws `InvalidStateError` before it is open; once it is closing, nothing is sent. */
  send(data: string | ArrayBuffer | NodeJS.ArrayBufferView): void;
  /** @throws `InvalidAccessError`, `SyntaxError`: a code other than 1000 and 3000 to 4999, a reason over 123 bytes. */
  close(code?: number, reason?: string): void;
}

/** How a WebSocket was closed. */
export interface CloseEvent extends Event {
  /** 1006: the line broke, or was never there. */
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}
