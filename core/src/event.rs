//! What the host is told, and what it is asked.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::Error;
use crate::id::{ConnectionId, Position, QuestionId, RoomName, UserId, UserName};
use crate::message::{Color, Message, Payload, Role};

/// What the host is told, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The engine listens.
    Started {
        /// Where, one for each listener that is TCP.
        addresses: Vec<SocketAddr>,
    },
    /// A WebSocket is open. For a chat connection [`Event::Named`] and [`Event::Joined`] follow when it
    /// names itself, or at once when the host's admission gave it a name.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// What it speaks.
        dialect: Dialect,
        /// The room it is in; `None` for a raw connection that named no room.
        room: Option<RoomName>,
        /// The path it asked for, without the query.
        path: String,
        /// Where it comes from; `None` for a Unix socket. If a trusted proxy said so, the port may be 0.
        address: Option<SocketAddr>,
    },
    /// A connection has a name, and so a user.
    Named {
        /// Which connection.
        connection: ConnectionId,
        /// Who it is.
        user: UserId,
        /// What they are called.
        name: UserName,
        /// The colour they got.
        color: Color,
    },
    /// A user is in a room with a first connection.
    Joined {
        /// The room.
        room: RoomName,
        /// The connection by which they came.
        connection: ConnectionId,
        /// Who.
        user: UserId,
        /// What they are called.
        name: UserName,
        /// How many members the room has now.
        member_count: u64,
    },
    /// A user's last connection has left a room.
    Left {
        /// The room.
        room: RoomName,
        /// The connection that was the last one.
        connection: ConnectionId,
        /// Who.
        user: UserId,
        /// What they are called.
        name: UserName,
        /// How many members the room has now.
        member_count: u64,
    },
    /// A message got its place in a room's log: somebody's, or the host's own.
    Message {
        /// The connection that sent it; `None` for what the host sent or broadcast.
        connection: Option<ConnectionId>,
        /// The message.
        message: Arc<Message>,
    },
    /// A direct message got its place, and its addressee is not here: a host that can, tells them by another way.
    Away {
        /// Whom it is for.
        user: UserId,
        /// The message, in the room of the two.
        message: Arc<Message>,
    },
    /// A raw connection sent a whole message.
    Received {
        /// Which connection.
        connection: ConnectionId,
        /// What it sent.
        payload: Payload,
    },
    /// A WebSocket that was [`Connected`](Event::Connected) is gone. Nothing more comes from it.
    Disconnected {
        /// Which connection.
        connection: ConnectionId,
        /// The close code: the peer's, or the engine's own; 1006 when the line broke without one.
        code: u16,
        /// Why, in words; may be empty.
        reason: String,
    },
    /// A connection, or something it wanted, was refused.
    Refused {
        /// Which connection, where it had got so far as to have a number.
        connection: Option<ConnectionId>,
        /// Where it comes from; `None` for a Unix socket. If a trusted proxy said so, the port may be 0.
        address: Option<SocketAddr>,
        /// What was refused, and why.
        error: Error,
    },
    /// The host is asked; see [`Question`]. Answer with [`Engine::answer`](crate::Engine::answer).
    Question(Question),
    /// What became of what the host broadcast, when the option `receipts` is on: told once for each record, after it was
    /// sent to everybody who was in the room then. Who is in none of the counts was gone or was closed.
    Receipt {
        /// The room.
        room: RoomName,
        /// The record's position, as [`Engine::broadcast`](crate::Engine::broadcast) gave it.
        position: Position,
        /// For how many connections it was.
        connection_count: u64,
        /// How many of them had all of it at once.
        sent_count: u64,
        /// For how many all or a part of it waits, because they read too slowly.
        queued_count: u64,
        /// How many lag, and will be shown it later.
        lagging_count: u64,
    },
    /// The host was slower than the events: so many had to go, here. The rooms' logs still have the
    /// messages among them.
    Missed {
        /// How many events.
        count: u64,
    },
    /// Something works less well than it should, and the engine goes on: it cannot accept connections
    /// because descriptors have run out, for example.
    Degraded {
        /// What, and why.
        error: Error,
    },
    /// Something failed that should not have.
    Error {
        /// What, and why.
        error: Error,
    },
    /// The engine has stopped. Nothing follows until it is started again.
    Stopped,
}

impl Event {
    /// Every kind of event, by its stable name.
    pub const KINDS: &'static [&'static str] = &[
        "started",
        "connected",
        "named",
        "joined",
        "left",
        "message",
        "away",
        "received",
        "disconnected",
        "refused",
        "question",
        "receipt",
        "missed",
        "degraded",
        "error",
        "stopped",
    ];

    /// The stable name of this kind of event: `"message"`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Connected { .. } => "connected",
            Event::Named { .. } => "named",
            Event::Joined { .. } => "joined",
            Event::Left { .. } => "left",
            Event::Message { .. } => "message",
            Event::Away { .. } => "away",
            Event::Received { .. } => "received",
            Event::Disconnected { .. } => "disconnected",
            Event::Refused { .. } => "refused",
            Event::Question(_) => "question",
            Event::Receipt { .. } => "receipt",
            Event::Missed { .. } => "missed",
            Event::Degraded { .. } => "degraded",
            Event::Error { .. } => "error",
            Event::Stopped => "stopped",
        }
    }

    /// About how many bytes the event holds beside itself, for the queue's bound.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Event::Message { message, .. } | Event::Away { message, .. } => message.text.len(),
            Event::Received { payload, .. } => payload.as_bytes().len(),
            Event::Question(Question { subject, .. }) => match subject {
                Subject::Admit { headers, token, .. } => {
                    let headers = headers.iter().map(|(name, value)| name.len() + value.len());
                    headers.sum::<usize>() + token.as_ref().map_or(0, String::len)
                }
                Subject::MayJoin { .. } => 0,
                Subject::MaySend { text, .. } => text.len(),
                Subject::Call { method, data, .. } => method.len() + data.len(),
            },
            _ => 0,
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// The classic tutorial's JSON.
    Tutorial,
    /// Whole messages to the host and back; no chat.
    Raw,
    /// The engine's own, `klatsch.v1`: rooms, replies, positions.
    V1,
}

impl Dialect {
    /// The stable name: `"tutorial"`, `"raw"`, `"v1"`.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Tutorial => "tutorial",
            Dialect::Raw => "raw",
            Dialect::V1 => "v1",
        }
    }
}

/// Something the host is asked before it happens. Only what was asked about waits, at most for
/// `question_timeout_ms`; silence refuses.
#[derive(Debug)]
pub struct Question {
    /// Its number, for the answer.
    pub id: QuestionId,
    /// The connection that it is about.
    pub connection: ConnectionId,
    /// Where the connection comes from; `None` for a Unix socket. If a trusted proxy said so, the port may be 0.
    pub address: Option<SocketAddr>,
    /// What is asked.
    pub subject: Subject,
}

/// What a question asks.
#[derive(Debug)]
#[non_exhaustive]
pub enum Subject {
    /// May this connection come in, and who is it? Asked when the option `ask_admit` is on: before the opening handshake
    /// is answered, or, of a connection that speaks `klatsch.v1`, when it says hello, and when it shows a new token: then
    /// path, query and headers are empty.
    ///
    /// Fitting verdicts: [`Verdict::Allow`], [`Verdict::AllowAs`], [`Verdict::Refuse`].
    Admit {
        /// What it wants to speak.
        dialect: Dialect,
        /// The room it wants to enter.
        room: Option<RoomName>,
        /// The request's path, without the query.
        path: String,
        /// The request's query, as it came, without the `?`; may be empty.
        query: String,
        /// The request's headers, names in lower case, in their order.
        headers: Vec<(String, String)>,
        /// What a v1 client wants to be called, if it says so.
        name: Option<String>,
        /// The token that a v1 client shows; yours to judge.
        token: Option<String>,
    },
    /// May this user come into that room? Asked when the option `ask_may_join` is on, before each coming; of a
    /// connection of another dialect than `klatsch.v1` before its handshake is answered, since it has no other room.
    ///
    /// Fitting verdicts: [`Verdict::Allow`], [`Verdict::Refuse`].
    MayJoin {
        /// The room.
        room: RoomName,
        /// Who wants to come in.
        user: UserId,
        /// What they are called; `None`: that is not known yet.
        name: Option<UserName>,
    },
    /// May this message get a place? Asked when the option `ask_may_send` is on. The host's own messages
    /// are never asked about.
    ///
    /// Fitting verdicts: [`Verdict::Allow`], [`Verdict::Rewrite`], [`Verdict::Refuse`].
    MaySend {
        /// The room it is for.
        room: RoomName,
        /// Whose message it is.
        user: UserId,
        /// What they are called.
        name: UserName,
        /// The text as it was typed.
        text: String,
    },
    /// A v1 client asks you something yourself. Asked when the option `ask_call` is on.
    ///
    /// Fitting verdicts: [`Verdict::Answer`], [`Verdict::Refuse`].
    Call {
        /// Who asks.
        user: UserId,
        /// What they are called.
        name: UserName,
        /// What they ask for; you say what there is.
        method: String,
        /// What belongs to it, JSON.
        data: String,
    },
}

impl Subject {
    /// The stable name of what is asked: `"admit"`, `"may_join"`, `"may_send"`, `"call"`.
    pub const fn name(&self) -> &'static str {
        match self {
            Subject::Admit { .. } => "admit",
            Subject::MayJoin { .. } => "may_join",
            Subject::Call { .. } => "call",
            Subject::MaySend { .. } => "may_send",
        }
    }
}

/// The host's answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Yes.
    Allow,
    /// Yes, and this is who it is (to `admit`).
    AllowAs(Admission),
    /// Yes, but with this text (to `may_send`).
    Rewrite(String),
    /// This is what the client is answered (to `call`): JSON.
    Answer(String),
    /// No, with words for whoever is refused; they may be empty.
    Refuse(String),
}

/// Who somebody is whom the host lets in: by its answer to `admit`, or by a [ticket](crate::Engine::ticket).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The user's id; `None`: the engine gives one. Not `u` and a number: those are the engine's.
    pub user: Option<String>,
    /// The user's name.
    pub name: String,
    /// What they may do where no room says otherwise.
    pub role: Role,
    /// Rooms that a v1 client is in from the beginning, private ones too.
    pub rooms: Vec<String>,
    /// Until when a v1 client may be here without showing a new token, in Unix milliseconds; `None`: for ever.
    pub expires_at_ms: Option<u64>,
}

impl Admission {
    /// Somebody of that name, a member, until they go.
    pub fn new(name: impl Into<String>) -> Admission {
        Admission { name: name.into(), ..Admission::default() }
    }

    /// A user of yours: the same whenever they come.
    pub fn user(user: impl Into<String>, name: impl Into<String>) -> Admission {
        Admission { user: Some(user.into()), ..Admission::new(name) }
    }
}
