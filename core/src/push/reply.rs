//! What a client of the v1 dialect is answered, and what it is told unasked.

use crate::command::request::{Act, Role};
use crate::error::ErrorCode;
use crate::id::{ConnectionId, Position, UserId};
use crate::message::Color;

/// One message as it stands now: edits, deletion and reactions folded in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folded<'a> {
    pub(crate) position: Position,
    pub(crate) mid: Option<&'a str>,
    pub(crate) user: &'a str,
    pub(crate) name: &'a str,
    pub(crate) color: Color,
    pub(crate) at_ms: u64,
    /// `None` when it was deleted.
    pub(crate) text: Option<&'a str>,
    pub(crate) reply_to: Option<u64>,
    /// How many times it was edited.
    pub(crate) revision: u64,
    pub(crate) reactions: &'a [Reaction],
    /// JSON.
    pub(crate) data: Option<&'a str>,
}

/// One emoji on a message, and who put it there, in the order in which they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reaction {
    pub(crate) emoji: String,
    pub(crate) users: Vec<UserId>,
}

/// A record of a room's log, unfolded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged<'a> {
    pub(crate) position: Position,
    /// The position of the record before it, `None` for the first.
    pub(crate) prev: Option<Position>,
    pub(crate) at_ms: u64,
    pub(crate) change: LoggedChange<'a>,
}

/// What a record changes. `of` is the offset of the message that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoggedChange<'a> {
    Message(Folded<'a>),
    Edit {
        of: u64,
        mid: &'a str,
        user: &'a str,
        text: &'a str,
    },
    Delete {
        of: u64,
        mid: &'a str,
        user: &'a str,
    },
    React {
        of: u64,
        mid: &'a str,
        user: &'a str,
        emoji: &'a str,
        add: bool,
    },
    /// `by`: who did it; `None` for the host program.
    Moderation {
        act: &'a Act<'a>,
        by: Option<&'a str>,
    },
    Rename {
        user: &'a str,
        name: &'a str,
        color: Color,
    },
}

/// What a v1 client is told unasked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening<'a> {
    Logged {
        room: &'a str,
        record: Logged<'a>,
    },
    /// The reader was too slow for what lies between.
    Gap {
        room: &'a str,
        from: Position,
        to: Position,
    },
    /// The log has lost what came after.
    Rollback {
        room: &'a str,
        to: Position,
    },
    Join {
        room: &'a str,
        user: &'a str,
        name: &'a str,
        member_count: u64,
    },
    Leave {
        room: &'a str,
        user: &'a str,
        name: &'a str,
        member_count: u64,
    },
    /// Some came or went: too many to name.
    Members {
        room: &'a str,
        member_count: u64,
    },
    /// The client is in a room that it did not ask for.
    Joined(RoomLine<'a>),
    Removed {
        room: &'a str,
        reason: &'a str,
    },
    Typing {
        room: &'a str,
        user: &'a str,
        active: bool,
    },
    Read {
        room: &'a str,
        user: &'a str,
        offset: u64,
    },
    /// No user: it is from the host program. No room: it is for this client or user alone.
    Tell {
        room: Option<&'a str>,
        user: Option<&'a str>,
        data: &'a str,
    },
    /// The connection is about to be closed; the client comes back at a random moment within the window.
    Bye {
        code: u16,
        reason: &'a str,
        reconnect_ms: (u64, u64),
    },
}

/// One of a user's rooms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomLine<'a> {
    pub(crate) room: &'a str,
    /// The other user of a direct room.
    pub(crate) with: Option<&'a str>,
    pub(crate) topic: &'a str,
    pub(crate) member_count: u64,
    pub(crate) top: Position,
    /// How far the user has read.
    pub(crate) read: u64,
    pub(crate) unread_count: u64,
    pub(crate) last: Option<Folded<'a>>,
}

/// One member of a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberLine<'a> {
    pub(crate) user: &'a str,
    pub(crate) name: &'a str,
    pub(crate) color: Color,
    pub(crate) role: Role,
}

/// What a page of history holds, ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Messages(&'a [Folded<'a>]),
    Records(&'a [Logged<'a>]),
}

/// What a v1 client is answered when its request was carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply<'a> {
    Hello(Welcome<'a>),
    Refreshed {
        expires_at_ms: u64,
    },
    Joined(Entered<'a>),
    Rooms {
        rooms: &'a [RoomLine<'a>],
        cursor: Option<&'a str>,
    },
    Sent {
        room: &'a str,
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
        content: Content<'a>,
        top: Position,
        more: bool,
    },
    Found {
        hits: &'a [Hit<'a>],
        cursor: Option<&'a str>,
    },
    Members {
        members: &'a [MemberLine<'a>],
        member_count: u64,
        cursor: Option<&'a str>,
    },
    Read {
        offset: u64,
    },
    Renamed {
        name: &'a str,
        color: Color,
    },
    Moderated {
        position: Position,
    },
    /// What the host's handler said, JSON.
    Called {
        data: &'a str,
    },
    Done,
}

/// The answer to `hello`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Welcome<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) user: &'a str,
    pub(crate) name: &'a str,
    pub(crate) color: Color,
    /// The secret by which the client comes back.
    pub(crate) session: &'a str,
    pub(crate) heartbeat_ms: u64,
    /// Limits that clients can keep to, by the names of their options.
    pub(crate) limits: &'a [(&'static str, u64)],
    pub(crate) time_ms: u64,
    /// Each room of a resume; empty: nothing was resumed.
    pub(crate) rooms: &'a [Resumed<'a>],
}

/// What became of one room in a resume.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resumed<'a> {
    In(Entered<'a>),
    Out { room: &'a str, refusal: Refusal<'a> },
}

/// The answer to `join`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered<'a> {
    pub(crate) room: &'a str,
    pub(crate) top: Position,
    /// Whether nothing is missing between what the client had and `content`.
    pub(crate) recovered: bool,
    pub(crate) content: Content<'a>,
    pub(crate) members: &'a [MemberLine<'a>],
    pub(crate) member_count: u64,
    pub(crate) read: u64,
    pub(crate) unread_count: u64,
    pub(crate) more: bool,
}

/// A message that was searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) room: &'a str,
    pub(crate) offset: u64,
    pub(crate) snippet: &'a str,
}

/// What a v1 client is answered when its request was not carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    pub(crate) code: ErrorCode,
    pub(crate) message: &'a str,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) fate: Option<Fate>,
    /// A name that is free.
    pub(crate) suggestion: Option<&'a str>,
}

/// What became of a change that could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has no place.
    Refused,
    /// It has a place and was delivered; whether it stays is open.
    Open(Position),
}
