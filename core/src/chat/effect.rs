//! What the chat wants done: it does nothing itself.

use crate::close::Cause;
use crate::event::{Event, Question};
use crate::id::{ConnectionId, Position, RoomName, UserId, UserName};
use crate::message::{Color, Record, Role};
use crate::push::reply::{Happening, Refusal, Reply};

use super::room::RoomKey;

/// One thing for the server to carry out, in the order of happening.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The connection is in the room: from now on it is shown what the room is shown, and, where its dialect has that,
    /// the history first. `alone`: it is shown something else than others. `top`: the newest record by then, because more
    /// may be placed before this is carried out.
    Enter { connection: ConnectionId, room: RoomKey, name: RoomName, alone: bool, top: Position },
    /// The connection is in the room no longer.
    Exit { connection: ConnectionId, room: RoomKey, alone: bool },
    /// A record got its place in the room's log: show it to the room.
    Record { room: RoomKey, record: Record },
    /// Show the room's v1 connections something that stands in no log. `from`: who must not be blocked by those who are
    /// shown it.
    Show { room: RoomKey, happening: Happening, from: Option<UserId> },
    /// Tell one v1 connection something, after what it was shown of the room, or of all its rooms.
    Notify { connection: ConnectionId, room: Option<RoomKey>, happening: Happening },
    /// Answer a v1 connection's request, after what it was shown of the room, or of all its rooms.
    Reply { connection: ConnectionId, id: u64, room: Option<RoomKey>, reply: Reply },
    /// Refuse a v1 connection's request. No id: a text that was none.
    Refuse { connection: ConnectionId, id: Option<u64>, refusal: Refusal },
    /// How often a v1 connection hears something, from now on.
    Heartbeat { connection: ConnectionId, interval_ms: u64 },
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
    Forget { room: RoomKey },
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

/// Who a connection is, as the host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) user: Option<UserId>,
    pub(crate) name: UserName,
    pub(crate) role: Role,
    /// Rooms that it is in from the beginning.
    pub(crate) rooms: Vec<RoomName>,
    /// Until when, in Unix milliseconds.
    pub(crate) expires_at_ms: Option<u64>,
}
