// What the peers on Node and Bun share: the tutorial's escaping, colours and history.
'use strict';

const { readFileSync } = require('node:fs');

const COLORS = ['red', 'green', 'blue', 'magenta', 'purple', 'plum', 'orange'];
const HISTORY_COUNT = 100;
const [, , port, way, cert, key] = process.argv;

const history = [];
let joined = 0;

const escape = (text) =>
  String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');

module.exports = {
  port: Number(port),
  deflates: way === 'deflate',
  /** Certificate and key, if it is to speak TLS. */
  tls: way === 'tls' ? { cert: readFileSync(cert), key: readFileSync(key) } : null,
  history,
  escape,
  nextColor: () => COLORS[joined++ % COLORS.length],
  /** Puts a message into the history, and gives it. */
  record(text, author, color) {
    const message = { time: Date.now(), text: escape(text), author, color };
    history.push(message);
    if (history.length > HISTORY_COUNT) history.shift();
    return message;
  },
  /** A web server that listens, plain or with TLS. */
  listen() {
    const refuse = (request, response) => response.writeHead(404).end();
    const { tls } = module.exports;
    const server = tls ? require('node:https').createServer(tls, refuse) : require('node:http').createServer(refuse);
    return server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
  },
};
