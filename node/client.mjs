// The chat client for Node: that of the browsers, with a WebSocket where Node has none of its own.
import * as client from './client/klatsch.mjs';
import socket from './lib/websocket.js';

export const { ChatError, indexedDbStore } = client;
export const { WebSocket } = socket;

export class Chat extends client.Chat {
  constructor(url, options) {
    super(url, { ...options, WebSocket: options?.WebSocket ?? globalThis.WebSocket ?? WebSocket });
  }
}
