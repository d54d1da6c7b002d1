//! What a client's host is told, and what the machine wants done.

use std::sync::Arc;

use super::message::{Act, Message, RoomLine};
use super::request::{Reply, RequestId};
use crate::error::Error;
use crate::id::Position;

/// How it stands with the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// On the way: the token, the WebSocket, the `hello`.
    Connecting,
    /// Everything can be asked.
    Open,
    /// There is no connection; the next try is at `until_ms`, by the clock of the arguments.
    Waiting {
        /// When.
        until_ms: u64,
    },
    /// Closed for good.
    Closed {
        /// The close code; 1000 when it was the client's own wish; the error's number where `hello` was refused.
        code: u16,
        /// The reason.
        reason: String,
        /// Why it cannot go on, where it was not a close frame that ended it.
        error: Option<Error>,
    },
}

/// What happens, in order. What has a `position` is a record of a room's log: each comes once, and none is left out
/// without a [`Reset`](Event::Reset).
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are those of the protocol")]
pub enum Event {
    /// The connection stands otherwise than before.
    State(State),
    /// Somebody said something.
    Message { room: String, message: Arc<Message> },
    /// The message at `of` has another text.
    Edit {
        room: String,
        position: Position,
        of: u64,
        mid: Option<String>,
        user: String,
        text: String,
        at_ms: u64,
    },
    /// The message at `of` was taken away.
    Delete { room: String, position: Position, of: u64, mid: Option<String>, user: String, at_ms: u64 },
    /// An emoji was put on the message at `of`, or taken off.
    React {
        room: String,
        position: Position,
        of: u64,
        mid: String,
        user: String,
        emoji: String,
        add: bool,
        at_ms: u64,
    },
    /// Somebody moderated; `by` is `None` for the host program.
    Moderation { room: String, position: Position, act: Act, by: Option<String>, at_ms: u64 },
    /// Somebody has another name.
    Rename { room: String, position: Position, user: String, name: String, color: String, at_ms: u64 },
    /// Somebody is here now.
    Join { room: String, user: String, name: String, member_count: u64 },
    /// Somebody is no longer here.
    Leave { room: String, user: String, name: String, member_count: u64 },
    /// Some came or went: too many to name.
    Members { room: String, member_count: u64 },
    /// This user is in a room without having asked for it: somebody wrote to them, or the host put them there.
    Joined(RoomLine),
    /// This user is in the room no longer: put out, or the room could not be entered again after a break. `reason` is
    /// the server's, or the name of the error.
    Removed { room: String, reason: String },
    /// Somebody is typing, or no more.
    Typing { room: String, user: String, active: bool },
    /// A user has read up to there.
    Read { room: String, user: String, offset: u64 },
    /// Somebody, or (no user) the host program, says something for the moment. `data` is JSON.
    Tell { room: Option<String>, user: Option<String>, data: String },
    /// The log has lost what came after `to`; the messages `dropped` are gone.
    Rollback { room: String, to: Position, dropped: Vec<Arc<Message>> },
    /// The room was begun anew, because the log does not reach back to what was known: its messages are the newest
    /// page now, at `position`.
    Reset { room: String, position: Position },
    /// Something went wrong that belongs to no request; the chat goes on.
    Error(Error),
}

/// What is to be done for a [`Machine`](super::Machine), in this order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a WebSocket that offers `klatsch.v1`; then [`opened`](super::Machine::opened),
    /// [`failed`](super::Machine::failed) or [`closed`](super::Machine::closed).
    Connect,
    /// Send this text message.
    Send(String),
    /// Close the WebSocket, or give its opening up, and tell nothing more of it.
    Close {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// Tell the host.
    Event(Event),
    /// A request has its answer.
    Answered {
        /// Which.
        request: RequestId,
        /// What.
        result: Result<Reply, Error>,
    },
    /// Get a fresh token; then [`token`](super::Machine::token). Only with
    /// [`Token::Asked`](super::Token::Asked).
    Token,
    /// Keep [`saved`](super::Machine::saved), before anything that follows is done. Only with
    /// [`Settings::saves`](super::Settings::saves).
    Save,
}
