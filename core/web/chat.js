// The chat page: one room, spoken in the tutorial dialect.
//
// In: the server's frames, and what the reader types. Out: frames, and nodes. Nothing that came over
// the wire is ever parsed as HTML or used as a key of an object: it becomes a node's text, and a colour
// only if the palette has it. Without a framework, so that it can be read and served as it is.

const COLORS = new Set(['red', 'green', 'blue', 'magenta', 'purple', 'plum', 'orange', 'black']);
const MAX_NOTES = 1000;
const GROUP_MS = 5 * 60_000; // so close together, one author's messages stand under one name
const CONNECT_MS = 10_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
const STEADY_MS = 10_000; // a connection that lived so long makes the next wait short again
const SLOW_MS = 1_000; // a text that takes longer is shown on its way
const UNHEARD_MS = 15_000; // the server reads a fast talker up to 10 s later: only then a text counts as not taken

const $ = (id) => document.getElementById(id);
const [log, list, nameForm, nameField, sendForm, box] = ['log', 'list', 'name-form', 'name', 'send-form', 'text'].map($);

const path = document.documentElement.dataset.chatPath;
const room = (new URLSearchParams(location.search).get('room') ?? '').trim() || 'lobby';
const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}?room=${encodeURIComponent(room)}`;

/** What this tab remembers; a browser that forbids storage forgets, and the chat goes on. */
const memory = {
  get(key) {
    try { return sessionStorage.getItem(`klatsch.${key}`); } catch { return null; }
  },
  set(key, value) {
    try { value ? sessionStorage.setItem(`klatsch.${key}`, value) : sessionStorage.removeItem(`klatsch.${key}`); } catch { /* forgotten */ }
  },
};

let name = memory.get('name'); // as the reader chose it
let author = name; // as the server writes it in our messages; it may put a number behind
let settled = false; // one of our messages has come back, so `author` is certain
let named = null; // the name that the present connection has sent
let color = null; // ours on the present connection; given when the name was taken
let socket = null;
let state = 'connecting'; // connecting, connected, lost (a retry is due), refused (the reader decides)
let notes = []; // what is shown: the newest MAX_NOTES, and where some may be missing
let pending = []; // notes that were sent and have not yet come back
let whyLost = ''; // why what is pending may not have arrived
let own = new Set(memory.get(`own.${room}`)?.split('\n') ?? []); // marks of our own messages: a name alone proves nothing
let attempt = 0;
let everOpen = false;
let retryAt = 0;
let retryTimer = 0;
let openedAt = 0;
let heardAt = 0;
let firstFrame = false;
let stuck = true; // the reader is at the end of the list, and stays there
let unread = 0; // came while the reader was further up
let missed = 0; // came while the tab was hidden

// ---- the connection

function connect() {
  clearTimeout(retryTimer);
  socket?.close();
  const current = new WebSocket(address);
  const deadline = setTimeout(() => current.close(), CONNECT_MS);
  socket = current;
  color = named = null;
  settled = false;
  openedAt = 0;
  firstFrame = true;
  current.onopen = () => {
    clearTimeout(deadline);
    if (current !== socket) return;
    openedAt = Date.now();
    everOpen = true;
    if (name) sendName();
    setState('connected');
  };
  current.onmessage = (event) => current === socket && received(event.data);
  current.onclose = (event) => {
    clearTimeout(deadline);
    if (current === socket) closed(event.code, event.reason);
  };
  setState('connecting');
}

function sendName() {
  named = name;
  socket.send(name);
}

function closed(code, reason) {
  const nameRefused = code === 1008 && named !== null && color === null;
  socket = null;
  color = null;
  if (openedAt && Date.now() - openedAt > STEADY_MS) attempt = 0;
  if (nameRefused) {
    // Ask for another, and meanwhile listen without one.
    askName(reason || 'The server did not take this name.');
    return connect();
  }
  if (code === 1008) {
    giveBack();
    setState('refused');
    return notice(reason ? `The server ended the connection: ${reason}` : 'The server ended the connection.', 'passing');
  }
  if (code === 1009) whyLost = `Too long for this server${reason ? ` (${reason})` : ''}. Your text is back in the box.`;
  else if (reason) notice(`The server ended the connection: ${reason}`, 'passing');
  // A browser does not tell why an opening was refused: name all that it can be.
  else if (!everOpen && attempt >= 2) notice(`No connection yet. The server is away, is full, or does not allow the room “${room}”.`, 'passing');
  // Full jitter: clients that were cut together do not come back together.
  const ceiling = Math.min(RETRY_MAX_MS, 1000 * 2 ** Math.min(attempt, 5));
  const wait = RETRY_MIN_MS + Math.random() * (ceiling - RETRY_MIN_MS);
  attempt += 1;
  retryAt = Date.now() + wait;
  retryTimer = setTimeout(connect, wait);
  setState('lost');
}

function retryNow() {
  if (state === 'lost') connect();
}

function received(data) {
  let frame;
  try { frame = JSON.parse(data); } catch { return; }
  heardAt = Date.now();
  const first = firstFrame;
  firstFrame = false;
  if (frame?.type === 'history' && Array.isArray(frame.data)) {
    merge(frame.data.map(toNote).filter(Boolean));
  } else {
    if (first && notes.length) merge([]); // this room's log was lost with the old connection
    if (frame?.type === 'color') joined(frame.data);
    if (frame?.type === 'message') arrived(toNote(frame.data));
  }
  render();
}

function joined(given) {
  color = COLORS.has(given) ? given : 'black';
  // The history has come before the colour: what it does not show did not arrive.
  if (noticeKind === 'passing') notice('');
  giveBack(whyLost || 'The connection broke while sending. What may not have arrived is back in the box.');
  whyLost = '';
  setState('connected');
}

function arrived(note) {
  if (!note) return;
  if (isEcho(note)) note.own = true;
  note.fresh = true;
  notes.push(note);
  if (notes.length > 2 * MAX_NOTES) notes = notes.slice(-MAX_NOTES); // a hidden tab is not rendered
  if (!note.own && !stuck) unread += 1;
  if (!note.own && document.hidden) missed += 1;
  showUnread();
}

// ---- messages

function toNote(data) {
  if (typeof data?.text !== 'string' || typeof data.author !== 'string') return null;
  const time = Number.isFinite(data.time) && Math.abs(data.time) <= 8.64e15 ? data.time : Date.now();
  const note = { time, author: unescape(data.author), text: unescape(data.text), color: COLORS.has(data.color) ? data.color : 'black' };
  note.own = own.has(mark(note));
  return note;
}

/** Takes back the dialect's four escapes, in one pass, so that "&amp;lt;" is "&lt;" and no more. */
function unescape(text) {
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => ({ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' })[entity]);
}

const sameNote = (a, b) => a.time === b.time && a.author === b.author && a.text === b.text && a.color === b.color;

const mark = (note) => `${note.time} ${note.color} ${note.text.length} ${JSON.stringify(note.author)}`;

/** Whether this is one of our own texts coming back; it is then no longer pending. */
function isEcho(note) {
  if (!pending.length || (color !== null && note.color !== color)) return false;
  const sameAuthor = note.author === author;
  if ((settled || color === null) && !sameAuthor) return false;
  const at = pending.findIndex((sent) => sent.text === note.text);
  if (at < 0 && !(sameAuthor && color !== null)) return false; // other words under our name: the host rewrote them
  pending.splice(Math.max(at, 0), 1);
  author = note.author;
  settled = true;
  own.add(mark(note));
  own = new Set([...own].slice(-200));
  memory.set(`own.${room}`, [...own].join('\n'));
  remember();
  return true;
}

/**
 * Puts the history in place of what it covers. What is older than the history stays, what stands in both
 * stays once, and where nothing joins the two a line says that some may be missing.
 */
function merge(history) {
  const cut = notes.findIndex((old) => !old.gap && history.some((note) => sameNote(old, note)));
  const kept = cut < 0 ? notes : notes.slice(0, cut);
  const covered = cut < 0 ? [] : notes.slice(cut);
  const shown = history.map((note) => {
    const at = covered.findIndex((old) => !old.gap && sameNote(old, note));
    if (at >= 0) return covered.splice(0, at + 1)[at];
    note.own ||= isEcho(note);
    if (!note.own && !stuck) unread += 1;
    return note;
  });
  const apart = cut < 0 && kept.length > 0 && !kept.at(-1).gap;
  if (!notes.length) log.ariaLive = 'off'; // a first history is not read out whole
  notes = [...kept, ...(apart ? [{ gap: true, time: Date.now() }] : []), ...shown];
}

// ---- what is shown

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const dayOf = (time) => new Date(time).toDateString();
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

function element(tag, className, text = '') {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function noteNode(note) {
  const node = element('li', `note${note.own ? ' own' : ''}${note.fresh ? ' fresh' : ''}${note.unsent ? ' first last unsent' : ''}`);
  const initial = [...graphemes.segment(note.author)][0]?.segment ?? '';
  const avatar = element('span', `avatar c-${note.color}`, initial.toLocaleUpperCase());
  avatar.ariaHidden = 'true';
  const bubble = element('div', 'bubble');
  const text = element('p', 'text', note.text);
  text.dir = 'auto';
  const time = element('time', '', note.unsent ? 'Sending…' : clock.format(note.time));
  time.dateTime = new Date(note.time).toISOString();
  time.title = full.format(note.time);
  const said = element('div', 'said');
  said.append(text, time);
  bubble.append(element('bdi', `author c-${note.color}`, note.author), said);
  node.append(avatar, bubble);
  return node;
}

function dayLabel(time) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  const year = new Date(time).getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year }).format(time);
}

let rendering = 0;

/** Brings the list in line with `notes`, at most once a frame. */
function render() {
  rendering ||= requestAnimationFrame(renderNow);
}

function renderNow() {
  rendering = 0;
  notes = notes.slice(-MAX_NOTES);
  const rows = [];
  let before = null;
  for (const [at, note] of notes.entries()) {
    if (note.gap) {
      rows.push(note.node ??= element('li', 'gap', 'Messages may be missing here'));
      before = null;
      continue;
    }
    if (!before || dayOf(before.time) !== dayOf(note.time)) {
      note.dayNode ??= element('li', 'day');
      note.dayNode.textContent = dayLabel(note.time);
      rows.push(note.dayNode);
      before = null;
    }
    const next = notes[at + 1];
    note.node ??= noteNode(note);
    note.node.classList.toggle('first', !before || !together(before, note));
    note.node.classList.toggle('last', !next || next.gap || !together(note, next));
    rows.push(note.node);
    before = note;
  }
  for (const sent of pending) {
    if (state !== 'connected' || Date.now() - sent.time > SLOW_MS) rows.push(sent.node ??= noteNode(sent));
  }
  const wanted = new Set(rows);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  let cursor = list.firstChild;
  for (const node of rows) {
    if (node === cursor) cursor = cursor.nextSibling;
    else list.insertBefore(node, cursor);
  }
  $('empty').hidden = notes.length > 0 || state !== 'connected';
  if (stuck) toEnd();
  showUnread();
  if (log.ariaLive === 'off') setTimeout(() => { log.ariaLive = 'polite'; }, 100);
}

function together(a, b) {
  return a.author === b.author && a.color === b.color && a.own === b.own && b.time - a.time < GROUP_MS && dayOf(a.time) === dayOf(b.time);
}

function toEnd() {
  stuck = true;
  unread = 0;
  log.scrollTop = log.scrollHeight;
}

function showUnread() {
  $('newer').hidden = stuck || unread === 0;
  $('newer').textContent = unread === 1 ? '1 new message ↓' : `${unread} new messages ↓`;
  document.title = `${missed ? `(${missed}) ` : ''}${room} · Klatsch`;
}

let noticeKind = '';

/** Tells the reader what went wrong; what is `passing` goes when the connection is back. */
function notice(words, kind = '') {
  noticeKind = kind;
  if ($('notice').textContent !== words) $('notice').textContent = words;
  $('notice').hidden = !words;
}

/** Says it to a screen reader, once per change. */
function announce(words) {
  if ($('announce').textContent !== words) $('announce').textContent = words;
}

function setState(next) {
  state = next;
  $('state').dataset.state = next;
  $('retry').hidden = next !== 'lost' && next !== 'refused';
  const words = { connecting: 'Connecting…', connected: 'Connected', lost: 'Offline', refused: 'Disconnected' }[next];
  announce(next === 'lost' ? 'Connection lost. It comes back by itself.' : words);
  $('state-text').textContent = words;
  showHint();
  render();
}

/** The words below the box, and whether one can send; called each second, as both change with time. */
function showHint() {
  const ready = color !== null && socket?.readyState === WebSocket.OPEN;
  if (state === 'lost') {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    $('state-text').textContent = `Offline, reconnecting in ${seconds} s`;
  }
  $('send').ariaDisabled = String(!ready || !box.value.trim());
  const hint = $('hint');
  hint.dataset.tone = ready ? '' : 'wait';
  if (!ready) {
    const words = 'Not connected: your text stays here until it can be sent.';
    if (hint.textContent !== words) hint.textContent = words;
    return;
  }
  const who = element('b', '');
  who.append(element('bdi', '', author));
  const line = ['You are ', who, element('span', 'keys', ' · Enter sends, Shift+Enter starts a new line')];
  if (hint.firstElementChild?.textContent !== author) hint.replaceChildren(...line);
}

// ---- the reader's side

function askName(why) {
  nameField.value = name ?? '';
  name = null;
  memory.set('name', '');
  notice(why);
  nameForm.hidden = false;
  sendForm.hidden = true;
  nameField.focus();
  nameField.select();
}

function takeName() {
  const wish = nameField.value.trim();
  if (!wish) return nameField.focus();
  name = author = wish;
  memory.set('name', wish);
  notice('');
  openBox();
  // The name is a connection's first text: one that has not spoken takes it, none can change it later.
  if (named === null && socket?.readyState === WebSocket.OPEN) sendName();
  else if (named !== wish) connect();
  showHint();
}

function openBox() {
  nameForm.hidden = true;
  sendForm.hidden = false;
  grow();
  box.focus();
}

function send() {
  const text = box.value.trimEnd();
  if (!text.trim() || color === null || socket?.readyState !== WebSocket.OPEN) return showHint();
  socket.send(text);
  pending.push({ time: Date.now(), author, text, color, own: true, unsent: true });
  notice('');
  box.value = '';
  grow();
  toEnd();
  showUnread();
}

/** What was sent and never came back returns to the box, before what was typed since. */
function giveBack(why = '', returned = pending) {
  if (!returned.length) return;
  box.value = [...returned.map((sent) => sent.text), box.value].filter(Boolean).join('\n');
  pending = pending.filter((sent) => !returned.includes(sent));
  grow();
  notice(why);
  render();
}

function grow() {
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
  remember();
  showHint();
}

/** Keeps for this tab what has not arrived. */
function remember() {
  memory.set(`draft.${room}`, [...pending.map((sent) => sent.text), box.value].filter(Boolean).join('\n'));
}

/** Enter that ends a word of an input method (Korean, Japanese, Chinese) belongs to the input method. */
const composing = (event) => event.isComposing || event.keyCode === 229;

for (const [field, form, act] of [[nameField, nameForm, takeName], [box, sendForm, send]]) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || composing(event)) return;
    event.preventDefault();
    act();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    act();
  });
}
box.addEventListener('input', grow);
// The button must not take the focus from the box: a phone would fold its keyboard away.
$('send').addEventListener('pointerdown', (event) => event.preventDefault());
$('rename').addEventListener('click', () => askName(''));
$('retry').addEventListener('click', () => {
  notice('');
  connect();
});
$('newer').addEventListener('click', () => {
  toEnd();
  showUnread();
  log.focus({ preventScroll: true });
});
log.addEventListener('scroll', () => {
  stuck = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  if (stuck) unread = 0;
  showUnread();
}, { passive: true });
new ResizeObserver(() => stuck && toEnd()).observe(log);
addEventListener('online', retryNow);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  missed = 0;
  retryNow();
  render();
});
// Where a phone's keyboard covers the page, the page takes the height that is left.
visualViewport?.addEventListener('resize', () => {
  if (visualViewport.scale !== 1) return;
  document.documentElement.style.setProperty('--visible-height', `${visualViewport.height}px`);
  scrollTo(0, 0);
});
setInterval(() => {
  showHint();
  if (!pending.length) return;
  render();
  const overdue = pending.filter((sent) => Date.now() - sent.time > UNHEARD_MS);
  if (!overdue.length || state !== 'connected') return;
  if (heardAt > overdue[0].time) giveBack('The server did not take this message. It is back in the box.', overdue);
  else connect(); // not a byte since: the connection is dead, and the history will tell
}, 1000);

$('room').textContent = room;
box.value = memory.get(`draft.${room}`) ?? '';
if (name) openBox();
else askName('');
connect();
