//! What the chat wants done: it does nothing itself.

use crate::event::{Event, Question};
use crate::id::{ConnectionId, RoomName, UserId, UserName};
use crate::message::{Color, Record};
use crate::push::Cause;

use super::room::RoomKey;

/// One thing for the server to carry out, in the order of happening.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The connection is in the room: show it the history, and from now on what the room is shown.
    Enter { connection: ConnectionId, room: RoomKey, name: RoomName },
    /// A record got its place: into the log with it, and show it to the room.
    Record { room: RoomKey, record: Record },
    /// Show the connection its colour.
    Color { connection: ConnectionId, color: Color },
    /// Close the connection.
    Close { connection: ConnectionId, cause: Cause, reason: String },
    /// A held connection may be read again, not before this moment.
    Release { connection: ConnectionId, at_ms: u64 },
    /// Let the connection in, as this user if there is one.
    Admitted { connection: ConnectionId, given: Option<Given> },
    /// Do not let the connection in.
    Denied { connection: ConnectionId, reason: String },
    /// Ask the host. If that is not possible, tell the chat by [`unanswered`](super::Chat::unanswered).
    Ask(Question),
    /// The room is no more, and neither is its log.
    Forget { room: RoomKey, name: RoomName },
    /// Tell the host.
    Tell(Event),
}

/// How to go on with a connection after a command of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Read on.
    Go,
    /// Read on at this moment, in ticks.
    PauseUntil(u64),
    /// Read on when [`Effect::Release`] says so.
    Hold,
    /// It will be closed: discard what it sent.
    Discard,
}

/// Who a connection is, as the host's admission said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) user: Option<UserId>,
    pub(crate) name: UserName,
}
