//! What a client of the v1 dialect is answered, and what it is told unasked.

use std::sync::Arc;

use crate::error::ErrorCode;
use crate::id::{ConnectionId, Position, RoomName, UserId, UserName};
use crate::message::{Color, Message, Record, Role};

/// What a v1 client is told unasked.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Logged {
        room: RoomName,
        record: Record,
    },
    /// The reader was too slow for what lies between.
    Gap {
        room: RoomName,
        from: Position,
        to: Position,
    },
    /// The log has lost what came after.
    Rollback {
        room: RoomName,
        to: Position,
    },
    Join {
        room: RoomName,
        user: UserId,
        name: UserName,
        member_count: u64,
    },
    Leave {
        room: RoomName,
        user: UserId,
        name: UserName,
        member_count: u64,
    },
    /// Some came or went: too many to name.
    Members {
        room: RoomName,
        member_count: u64,
    },
    /// The client is in a room that it did not ask for.
    Joined(RoomLine),
    Removed {
        room: RoomName,
        reason: String,
    },
    Typing {
        room: RoomName,
        user: UserId,
        active: bool,
    },
    Read {
        room: RoomName,
        user: UserId,
        offset: u64,
    },
    /// No user: it is from the host program. No room: it is for this client or user alone. `data` is JSON.
    Tell {
        room: Option<RoomName>,
        user: Option<UserId>,
        data: String,
    },
    /// The connection is about to be closed; the client comes back at a random moment within the window.
    Bye {
        code: u16,
        reason: String,
        reconnect_ms: (u64, u64),
    },
}

/// One of a user's rooms.
#[derive(Clone, Debug)]
pub(crate) struct RoomLine {
    pub(crate) room: RoomName,
    /// The other user of a direct room.
    pub(crate) with: Option<UserId>,
    pub(crate) topic: Box<str>,
    pub(crate) member_count: u64,
    pub(crate) top: Position,
    /// How far the user has read.
    pub(crate) read: u64,
    pub(crate) unread_count: u64,
    pub(crate) last: Option<Arc<Message>>,
}

/// One member of a room.
#[derive(Clone, Debug)]
pub(crate) struct MemberLine {
    pub(crate) user: UserId,
    pub(crate) name: UserName,
    pub(crate) color: Color,
    pub(crate) role: Role,
}

/// What a page of history holds, ascending.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Messages(Vec<Arc<Message>>),
    Records(Vec<Record>),
}

/// What a v1 client is answered when its request was carried out.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Hello(Box<Welcome>),
    Refreshed {
        expires_at_ms: u64,
    },
    Joined(Entered),
    Rooms {
        rooms: Vec<RoomLine>,
        cursor: Option<String>,
    },
    Sent {
        room: RoomName,
        position: Position,
        at_ms: u64,
        duplicate: bool,
    },
    Changed {
        position: Position,
        at_ms: u64,
        duplicate: bool,
    },
    History {
        content: Content,
        top: Position,
        more: bool,
    },
    Members {
        members: Vec<MemberLine>,
        member_count: u64,
        cursor: Option<String>,
    },
    Read {
        offset: u64,
    },
    Renamed {
        name: UserName,
        color: Color,
    },
    Moderated {
        position: Position,
    },
    /// What the host's handler said, JSON.
    Called {
        data: String,
    },
    Done,
}

/// The answer to `hello`.
#[derive(Clone, Debug)]
pub(crate) struct Welcome {
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserId,
    pub(crate) name: UserName,
    pub(crate) color: Color,
    /// The secret by which the client comes back.
    pub(crate) session: String,
    pub(crate) heartbeat_ms: u64,
    /// Limits that clients can keep to, by the names of their options.
    pub(crate) limits: Vec<(&'static str, u64)>,
    pub(crate) time_ms: u64,
    /// When the host wants to see a token again; `None`: never.
    pub(crate) expires_at_ms: Option<u64>,
    /// Each room of a resume; empty: nothing was resumed.
    pub(crate) rooms: Vec<Resumed>,
}

/// What became of one room in a resume.
#[derive(Clone, Debug)]
pub(crate) enum Resumed {
    In(Entered),
    Out { room: String, refusal: Refusal },
}

/// The answer to `join`.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) room: RoomName,
    pub(crate) top: Position,
    /// Whether nothing is missing between what the client had and `content`.
    pub(crate) recovered: bool,
    /// The client holds records behind this one that the log lost.
    pub(crate) rollback: Option<Position>,
    pub(crate) content: Content,
    pub(crate) members: Vec<MemberLine>,
    pub(crate) member_count: u64,
    pub(crate) read: u64,
    pub(crate) unread_count: u64,
    pub(crate) more: bool,
}

/// What a v1 client is answered when its request was not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) fate: Option<Fate>,
    /// A name that is free.
    pub(crate) suggestion: Option<String>,
}

/// What became of a change that could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has no place.
    Refused,
    /// It has a place and was delivered; whether it stays is open.
    #[cfg_attr(not(test), expect(dead_code, reason = "logs in memory store everything at once"))]
    Open(Position),
}

impl From<crate::error::Error> for Refusal {
    fn from(error: crate::error::Error) -> Refusal {
        Refusal {
            code: error.code(),
            message: error.message(),
            retry_after_ms: None,
            fate: None,
            suggestion: None,
        }
    }
}
