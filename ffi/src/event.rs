//! What the host is told and asked, as one flat struct for C.
//!
//! In: the core's events. Out: the struct, and what keeps its texts.

use std::ffi::c_char;
use std::net::SocketAddr;
use std::ptr;

use klatsch::{Dialect, Error, Event, Payload, Subject};

use crate::error::klatsch_code_t;
use crate::guard::value_or;
use crate::message::{klatsch_message_t, klatsch_payload_kind_t, klatsch_position_t, message, position};
use crate::text::{self, Arena, klatsch_text_t};

/// What an event tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_event_kind_t {
    /// The engine listens. `addresses`.
    KLATSCH_EVENT_STARTED = 1,
    /// A WebSocket is open. `connection`, `dialect`, `room` (a raw connection may have none), `path`,
    /// `address`. For a chat connection `NAMED` and `JOINED` follow when it names itself, or at once when
    /// the host's admission gave it a name.
    KLATSCH_EVENT_CONNECTED = 2,
    /// A connection has a name, and so a user. `connection`, `user`, `name`, `color`.
    KLATSCH_EVENT_NAMED = 3,
    /// A user is in a room with a first connection. `room`, `connection`, `user`, `name`, `member_count`.
    KLATSCH_EVENT_JOINED = 4,
    /// A user's last connection has left a room. `room`, `connection`, `user`, `name`, `member_count`.
    KLATSCH_EVENT_LEFT = 5,
    /// A message got its place in a room's log: somebody's, or the host's own. `connection` (0 for what the
    /// host sent or broadcast), `position`, `at_ms`, `room`, `user`, `name`, `color`, `text`, `message`.
    KLATSCH_EVENT_MESSAGE = 6,
    /// A direct message got its place, and its addressee is not here: a host that can, tells them by another way.
    /// `user` is whom it is for; who sent it stands in `message`. `position`, `at_ms`, `room`, `text`, `message`.
    KLATSCH_EVENT_AWAY = 7,
    /// A raw connection sent a whole message. `connection`, `payload_kind`, `data`, `data_length`.
    KLATSCH_EVENT_RECEIVED = 8,
    /// A WebSocket that was `CONNECTED` is gone. Nothing more comes from it. `connection`, `close_code`,
    /// `reason`.
    KLATSCH_EVENT_DISCONNECTED = 9,
    /// A connection, or something it wanted, was refused. `connection` (0 where it had no number yet),
    /// `address`, `code`, `reason`.
    KLATSCH_EVENT_REFUSED = 10,
    /// The host is asked, and what was asked about waits for `klatsch_engine_answer`, at most for the
    /// option `question_timeout_ms`; silence refuses. `question`, `subject`, `connection`, `address`, and
    /// what that subject names.
    KLATSCH_EVENT_QUESTION = 11,
    /// What became of what the host broadcast, when the option `receipts` is on: told once for each record, after
    /// it was sent to everybody who was in the room then. Who is in none of the counts was gone or was closed.
    /// `room`, `position`, `connection_count`, `sent_count`, `queued_count`, `lagging_count`.
    KLATSCH_EVENT_RECEIPT = 12,
    /// The host was slower than the events: so many had to go, here. The rooms' logs still have the messages
    /// among them. `missed_count`.
    KLATSCH_EVENT_MISSED = 13,
    /// Something works less well than it should, and the engine goes on. `code`, `reason`.
    KLATSCH_EVENT_DEGRADED = 14,
    /// Something failed that should not have. `code`, `reason`.
    KLATSCH_EVENT_ERROR = 15,
    /// The engine has stopped. Nothing follows until it is started again.
    KLATSCH_EVENT_STOPPED = 16,
}

/// What a connection speaks.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_dialect_t {
    /// The classic tutorial's JSON.
    KLATSCH_DIALECT_TUTORIAL = 1,
    /// Whole messages to the host and back; no chat.
    KLATSCH_DIALECT_RAW = 2,
    /// The engine's own, `klatsch.v1`: rooms, replies, positions.
    KLATSCH_DIALECT_V1 = 3,
}

/// What a question asks.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_subject_t {
    /// May this connection come in, and who is it? Asked when the option `ask_admit` is on: before the opening
    /// handshake is answered, or, of a connection that speaks `klatsch.v1`, when it says hello, and when it shows a
    /// new token. `dialect`, `room`, `path`, `query`, `headers`, `name` (what a v1 client wants to be called),
    /// `token`. Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_ALLOW_AS`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_ADMIT = 1,
    /// May this message get a place? Asked when the option `ask_may_send` is on, never about the host's own.
    /// `room`, `user`, `name`, `text`. Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_REWRITE`,
    /// `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_MAY_SEND = 2,
    /// May this user come into that room? Asked when the option `ask_may_join` is on, before each coming; of a
    /// connection of another dialect than `klatsch.v1` before its handshake is answered, since it has no other room.
    /// `room`, `user`, `name` (NULL: that is not known yet). Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_MAY_JOIN = 3,
    /// A v1 client asks the host something itself. Asked when the option `ask_call` is on. `user`, `name`, `method`,
    /// `data`, `data_length` (JSON). Fitting verdicts: `KLATSCH_ANSWER`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_CALL = 4,
}

/// One header of a request. This struct never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_header_t {
    /// Its name, in lower case.
    pub name: klatsch_text_t,
    /// Its value.
    pub value: klatsch_text_t,
}

/// What the host is told or asked. Which members are set depends on `kind`; the others are 0 and NULL.
///
/// Lives as long as the callback runs that it was given to, or as the batch it is in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_event_t {
    /// How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    pub size: u32,
    /// A `klatsch_event_kind_t`. Later versions may have kinds that are not in this header: ignore them.
    pub kind: u32,
    /// Which connection, counted from 1; 0: none.
    pub connection: u64,
    /// The question's number, for the answer.
    pub question: u64,
    /// A `klatsch_subject_t`.
    pub subject: u32,
    /// A `klatsch_dialect_t`.
    pub dialect: u32,
    /// A `klatsch_code_t`: what kind of failure.
    pub code: u32,
    /// The close code: the peer's, or the engine's own; 1006 when the line broke without one.
    pub close_code: u32,
    /// How many members the room has now.
    pub member_count: u64,
    /// How many events had to go.
    pub missed_count: u64,
    /// For how many connections a broadcast was.
    pub connection_count: u64,
    /// How many of them had all of it at once.
    pub sent_count: u64,
    /// For how many all or a part of it waits, because they read too slowly.
    pub queued_count: u64,
    /// How many lag, and will be shown it later.
    pub lagging_count: u64,
    /// The record's place in the room's log.
    pub position: klatsch_position_t,
    /// When the message got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// The room.
    pub room: klatsch_text_t,
    /// Who.
    pub user: klatsch_text_t,
    /// What they are called.
    pub name: klatsch_text_t,
    /// Their colour, a name that CSS knows.
    pub color: klatsch_text_t,
    /// What was said, as it was typed: nothing is escaped here.
    pub text: klatsch_text_t,
    /// Why, in words; may be empty.
    pub reason: klatsch_text_t,
    /// The path of the request, without the query.
    pub path: klatsch_text_t,
    /// The query of the request, as it came, without the `?`; may be empty.
    pub query: klatsch_text_t,
    /// Where the connection comes from, `IP:PORT` or `[IPv6]:PORT`; NULL for a Unix socket. If a trusted proxy
    /// said so, the port may be 0.
    pub address: klatsch_text_t,
    /// What a raw connection sent, or the JSON of a call, with a NUL behind it that is not counted.
    pub data: *const u8,
    /// How many bytes.
    pub data_length: usize,
    /// A `klatsch_payload_kind_t`.
    pub payload_kind: u32,
    /// Always 0.
    pub reserved: u32,
    /// Where the engine listens, one for each listener that is TCP.
    pub addresses: *const klatsch_text_t,
    /// How many addresses.
    pub address_count: usize,
    /// The headers of the request, in their order.
    pub headers: *const klatsch_header_t,
    /// How many headers.
    pub header_count: usize,
    /// The token that a v1 client shows; NULL: none.
    pub token: klatsch_text_t,
    /// What a v1 client's call asks for.
    pub method: klatsch_text_t,
    /// The whole message, with what only some have; lives as long as the event. NULL: the event has none.
    pub message: *const klatsch_message_t,
}

/// Finds a request's header.
///
/// - `event`: may be NULL. A question that asks `KLATSCH_SUBJECT_ADMIT`; other events have no headers.
/// - `name`: UTF-8; upper and lower case are the same.
///
/// Gives the first header's value, which lives as long as the event; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_event_header(
    event: *const klatsch_event_t,
    name: *const c_char,
    name_length: usize,
) -> *const klatsch_text_t {
    value_or(ptr::null(), || {
        // SAFETY: the conventions of the header: the event lives, its members are as they were given, and
        // `name` is text.
        let (headers, name) = unsafe {
            let Some(event) = event.as_ref().filter(|event| !event.headers.is_null()) else {
                return ptr::null();
            };
            let Ok(name) = text::required("name", name, name_length) else { return ptr::null() };
            (std::slice::from_raw_parts(event.headers, event.header_count), name)
        };
        let is_named = |header: &&klatsch_header_t| {
            // SAFETY: as above.
            let own =
                unsafe { std::slice::from_raw_parts(header.name.bytes.cast::<u8>(), header.name.length) };
            own.eq_ignore_ascii_case(name.as_bytes())
        };
        headers.iter().find(is_named).map_or(ptr::null(), |header| &raw const header.value)
    })
}

/// An event for C, and what keeps its texts.
pub(crate) struct Told {
    event: klatsch_event_t,
    texts: Arena,
    addresses: Box<[klatsch_text_t]>,
    headers: Box<[klatsch_header_t]>,
    message: Option<Box<klatsch_message_t>>,
}

// SAFETY: the pointers in it lead into the boxes beside them; nothing of it ever changes once it is made.
unsafe impl Send for Told {}
// SAFETY: as above.
unsafe impl Sync for Told {}

impl Told {
    pub(crate) fn new(event: &Event) -> Told {
        let mut told = Told {
            event: EMPTY,
            texts: Arena::default(),
            addresses: Box::default(),
            headers: Box::default(),
            message: None,
        };
        told.fill(event);
        told
    }

    pub(crate) fn event(&self) -> &klatsch_event_t {
        &self.event
    }

    fn fill(&mut self, event: &Event) {
        let (told, texts) = (&mut self.event, &mut self.texts);
        told.kind = kind(event);
        match event {
            Event::Started { addresses } => {
                self.addresses = addresses.iter().map(|address| texts.text(&address.to_string())).collect();
                (told.addresses, told.address_count) = (self.addresses.as_ptr(), self.addresses.len());
            }
            Event::Connected { connection, dialect, room, path, address } => {
                told.connection = connection.0;
                told.dialect = self::dialect(*dialect);
                told.room = optional(texts, room.as_deref());
                told.path = texts.text(path);
                told.address = self::address(texts, *address);
            }
            Event::Named { connection, user, name, color } => {
                told.connection = connection.0;
                (told.user, told.name) = (texts.text(user), texts.text(name));
                told.color = texts.text(color.name());
            }
            Event::Joined { room, connection, user, name, member_count }
            | Event::Left { room, connection, user, name, member_count } => {
                told.connection = connection.0;
                told.member_count = *member_count;
                told.room = texts.text(room);
                (told.user, told.name) = (texts.text(user), texts.text(name));
            }
            Event::Message { connection, message } => {
                told.connection = connection.map_or(0, |connection| connection.0);
                let message = self.message.insert(Box::new(self::message(message, texts)));
                told.message = ptr::from_ref(&**message);
                (told.position, told.at_ms) = (message.position, message.at_ms);
                (told.room, told.text) = (message.room, message.text);
                (told.user, told.name, told.color) = (message.user, message.name, message.color);
            }
            Event::Away { user, message } => {
                told.user = texts.text(user);
                let message = self.message.insert(Box::new(self::message(message, texts)));
                told.message = ptr::from_ref(&**message);
                (told.position, told.at_ms) = (message.position, message.at_ms);
                (told.room, told.text) = (message.room, message.text);
            }
            Event::Received { connection, payload } => {
                told.connection = connection.0;
                told.payload_kind = match payload {
                    Payload::Text(_) => klatsch_payload_kind_t::KLATSCH_PAYLOAD_TEXT,
                    Payload::Binary(_) => klatsch_payload_kind_t::KLATSCH_PAYLOAD_BINARY,
                } as u32;
                told.data = texts.data(payload.as_bytes());
                told.data_length = payload.as_bytes().len();
            }
            Event::Disconnected { connection, code, reason } => {
                told.connection = connection.0;
                told.close_code = u32::from(*code);
                told.reason = texts.text(reason);
            }
            Event::Refused { connection, address, error } => {
                told.connection = connection.map_or(0, |connection| connection.0);
                told.address = self::address(texts, *address);
                (told.code, told.reason) = failure(texts, error);
            }
            Event::Question(question) => {
                (told.question, told.connection) = (question.id.0, question.connection.0);
                told.address = address(texts, question.address);
                self.fill_subject(&question.subject);
            }
            Event::Receipt {
                room,
                position: at,
                connection_count,
                sent_count,
                queued_count,
                lagging_count,
            } => {
                (told.room, told.position) = (texts.text(room), position(*at));
                (told.connection_count, told.sent_count) = (*connection_count, *sent_count);
                (told.queued_count, told.lagging_count) = (*queued_count, *lagging_count);
            }
            Event::Missed { count } => told.missed_count = *count,
            Event::Degraded { error } | Event::Error { error } => {
                (told.code, told.reason) = failure(texts, error);
            }
            // `stopped` has nothing to say. The core's list of kinds may grow; C hears of a new one what
            // every event has.
            _ => {}
        }
    }

    fn fill_subject(&mut self, subject: &Subject) {
        let (told, texts) = (&mut self.event, &mut self.texts);
        match subject {
            Subject::Admit { dialect, room, path, query, headers, name, token } => {
                told.subject = klatsch_subject_t::KLATSCH_SUBJECT_ADMIT as u32;
                told.dialect = self::dialect(*dialect);
                told.room = optional(texts, room.as_deref());
                (told.path, told.query) = (texts.text(path), texts.text(query));
                (told.name, told.token) =
                    (optional(texts, name.as_deref()), optional(texts, token.as_deref()));
                self.headers = headers
                    .iter()
                    .map(|(name, value)| klatsch_header_t {
                        name: texts.text(name),
                        value: texts.text(value),
                    })
                    .collect();
                (told.headers, told.header_count) = (self.headers.as_ptr(), self.headers.len());
            }
            Subject::MaySend { room, user, name, text } => {
                told.subject = klatsch_subject_t::KLATSCH_SUBJECT_MAY_SEND as u32;
                told.room = texts.text(room);
                (told.user, told.name) = (texts.text(user), texts.text(name));
                told.text = texts.text(text);
            }
            Subject::MayJoin { room, user, name } => {
                told.subject = klatsch_subject_t::KLATSCH_SUBJECT_MAY_JOIN as u32;
                told.room = texts.text(room);
                (told.user, told.name) = (texts.text(user), optional(texts, name.as_deref()));
            }
            Subject::Call { user, name, method, data } => {
                told.subject = klatsch_subject_t::KLATSCH_SUBJECT_CALL as u32;
                (told.user, told.name) = (texts.text(user), texts.text(name));
                told.method = texts.text(method);
                (told.data, told.data_length) = (texts.data(data.as_bytes()), data.len());
            }
            _ => {}
        }
    }
}

fn kind(event: &Event) -> u32 {
    let place = Event::KINDS.iter().position(|kind| *kind == event.kind());
    place.map_or(0, |place| place as u32 + 1)
}

fn dialect(dialect: Dialect) -> u32 {
    match dialect {
        Dialect::Tutorial => klatsch_dialect_t::KLATSCH_DIALECT_TUTORIAL as u32,
        Dialect::Raw => klatsch_dialect_t::KLATSCH_DIALECT_RAW as u32,
        Dialect::V1 => klatsch_dialect_t::KLATSCH_DIALECT_V1 as u32,
        _ => 0,
    }
}

fn optional(texts: &mut Arena, text: Option<&str>) -> klatsch_text_t {
    text.map_or(klatsch_text_t::NONE, |text| texts.text(text))
}

fn address(texts: &mut Arena, address: Option<SocketAddr>) -> klatsch_text_t {
    address.map_or(klatsch_text_t::NONE, |address| texts.text(&address.to_string()))
}

fn failure(texts: &mut Arena, error: &Error) -> (u32, klatsch_text_t) {
    (klatsch_code_t::from(error.code()) as u32, texts.text(&error.message()))
}

/// cbindgen:ignore
const EMPTY: klatsch_event_t = klatsch_event_t {
    size: size_of::<klatsch_event_t>() as u32,
    kind: 0,
    connection: 0,
    question: 0,
    subject: 0,
    dialect: 0,
    code: 0,
    close_code: 0,
    member_count: 0,
    missed_count: 0,
    connection_count: 0,
    sent_count: 0,
    queued_count: 0,
    lagging_count: 0,
    position: klatsch_position_t { epoch: 0, offset: 0 },
    at_ms: 0,
    room: klatsch_text_t::NONE,
    user: klatsch_text_t::NONE,
    name: klatsch_text_t::NONE,
    color: klatsch_text_t::NONE,
    text: klatsch_text_t::NONE,
    reason: klatsch_text_t::NONE,
    path: klatsch_text_t::NONE,
    query: klatsch_text_t::NONE,
    address: klatsch_text_t::NONE,
    data: ptr::null(),
    data_length: 0,
    payload_kind: 0,
    reserved: 0,
    addresses: ptr::null(),
    address_count: 0,
    headers: ptr::null(),
    header_count: 0,
    token: klatsch_text_t::NONE,
    method: klatsch_text_t::NONE,
    message: ptr::null(),
};
