// The tutorial's chat on Bun's own WebSockets and topics: bun bun.js PORT [deflate | tls CERT KEY]
const chat = require('./chat.js');

const server = Bun.serve({
  port: chat.port,
  hostname: '127.0.0.1',
  tls: chat.tls ?? undefined,
  fetch(request, server) {
    if (server.upgrade(request, { data: {} })) return;
    return new Response('not found', { status: 404 });
  },
  websocket: {
    perMessageDeflate: chat.deflates,
    open(socket) {
      if (chat.history.length) socket.send(JSON.stringify({ type: 'history', data: chat.history }));
      socket.subscribe('chat');
    },
    message(socket, text) {
      const user = socket.data;
      if (user.name === undefined) {
        user.name = chat.escape(text);
        user.color = chat.nextColor();
        socket.send(JSON.stringify({ type: 'color', data: user.color }));
        return;
      }
      const message = chat.record(text, user.name, user.color);
      server.publish('chat', JSON.stringify({ type: 'message', data: message }), chat.deflates);
    },
  },
});
