// The tutorial's chat as events of npm socket.io, with its own defaults: node socket.io.js PORT
'use strict';

const { Server } = require('socket.io');

const chat = require('./chat.js');

const io = new Server(chat.listen());

io.on('connection', (socket) => {
  let name, color;
  if (chat.history.length) socket.emit('history', chat.history);
  socket.on('name', (given) => {
    name = chat.escape(given);
    color = chat.nextColor();
    socket.emit('color', color);
  });
  socket.on('message', (text) => {
    if (name !== undefined) io.emit('message', chat.record(text, name, color));
  });
});
