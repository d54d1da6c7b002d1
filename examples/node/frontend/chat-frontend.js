// A simple chat's front end: one WebSocket, one line to type in, no library.
//
// The server speaks first where there is a history. The first line that is typed is the name, each later
// one a message. The server escapes & < > " in names and texts for pages that write them as HTML; this
// one takes that back and writes them as text.
'use strict';

const content = document.getElementById('content');
const statusLabel = document.getElementById('status');
const input = document.getElementById('input');
const COLORS = new Set(['red', 'green', 'blue', 'magenta', 'purple', 'plum', 'orange', 'black']);

let myName = null;
let myColor = null;

// A page that was opened as a file has no host of its own; `?server=HOST:PORT` names another.
const host = new URLSearchParams(location.search).get('server') || location.host || '127.0.0.1:1337';
const connection = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${host}`);

connection.onopen = () => {
  input.disabled = false;
  statusLabel.textContent = 'Choose name:';
  input.focus();
};

connection.onmessage = (event) => {
  let frame;
  try {
    frame = JSON.parse(event.data);
  } catch {
    console.log('Not JSON:', event.data);
    return;
  }
  if (frame.type === 'history') {
    frame.data.forEach(addMessage);
  } else if (frame.type === 'color') {
    myColor = COLORS.has(frame.data) ? frame.data : 'black';
    statusLabel.textContent = `${myName}:`;
    statusLabel.className = myColor;
    input.disabled = false;
    input.focus();
  } else if (frame.type === 'message') {
    addMessage(frame.data);
  } else {
    console.log('Unknown frame:', frame);
  }
};

connection.onclose = (event) => {
  input.disabled = true;
  statusLabel.className = '';
  statusLabel.textContent = 'Not connected';
  const why = event.reason || (event.wasClean ? 'the server has ended the connection' : 'the server cannot be reached');
  addLine(paragraph('error', `Sorry: ${why} (${event.code}). Load the page again to return.`));
};

document.getElementById('line').addEventListener('submit', (event) => {
  event.preventDefault();
  const line = input.value;
  if (!line.trim() || connection.readyState !== WebSocket.OPEN) return;
  connection.send(line);
  input.value = '';
  if (myName === null) {
    myName = line.trim();
    input.disabled = true; // until the colour says that the name was taken
  }
});

function addMessage(note) {
  const time = new Date(note.time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
  const line = paragraph('', '');
  line.append(
    isolated(`author ${COLORS.has(note.color) ? note.color : 'black'}`, unescape(note.author)),
    ` @ ${time}: `,
    isolated('text', unescape(note.text)),
  );
  addLine(line);
}

/** Text whose direction does not turn what stands beside it. */
function isolated(className, text) {
  const node = document.createElement('bdi');
  node.className = className;
  node.textContent = text;
  return node;
}

function addLine(line) {
  const atEnd = content.scrollHeight - content.scrollTop - content.clientHeight < 30;
  content.append(line);
  if (atEnd) content.scrollTop = content.scrollHeight;
}

function paragraph(className, text) {
  const line = document.createElement('p');
  line.className = className;
  line.textContent = text;
  return line;
}

function unescape(text) {
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => ({ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' })[entity]);
}
