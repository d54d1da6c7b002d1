//! What a client of the v1 dialect asks for.

use std::borrow::Cow;

use crate::id::Position;
use crate::message::Role;

/// One request. Texts are borrowed from what it sent; what they name (rooms, users) is
/// for the chat to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// "This is who I am", always the first.
    Hello(Hello<'a>),
    Refresh {
        token: Cow<'a, str>,
    },
    Join {
        room: Cow<'a, str>,
        since: Option<Position>,
        history: Option<u64>,
    },
    Leave {
        room: Cow<'a, str>,
    },
    /// The rooms that the user is in.
    Rooms {
        page: Page<'a>,
    },
    Send(Post<'a>),
    Edit {
        of: Target<'a>,
        text: Cow<'a, str>,
    },
    Delete {
        of: Target<'a>,
        reason: Option<Cow<'a, str>>,
    },
    React {
        of: Target<'a>,
        emoji: Cow<'a, str>,
        add: bool,
    },
    History {
        room: Cow<'a, str>,
        from: From,
        limit: Option<u64>,
    },
    Search {
        query: Cow<'a, str>,
        room: Option<Cow<'a, str>>,
        from_user: Option<Cow<'a, str>>,
        page: Page<'a>,
    },
    Members {
        room: Cow<'a, str>,
        page: Page<'a>,
    },
    /// "I have read up to here."
    Read {
        room: Cow<'a, str>,
        offset: u64,
    },
    Typing {
        room: Cow<'a, str>,
        active: bool,
    },
    /// To those who are here, in no log. `data` is JSON.
    Tell {
        to: Place<'a>,
        data: &'a str,
    },
    Rename {
        name: Cow<'a, str>,
    },
    Moderate {
        room: Cow<'a, str>,
        act: Act<'a>,
    },
    Block {
        user: Cow<'a, str>,
        on: bool,
    },
    /// A question of the client's to the host. `data` is JSON.
    Call {
        method: Cow<'a, str>,
        data: &'a str,
    },
}

impl Request<'_> {
    /// Whether it wants a place in a room's log.
    pub(crate) const fn is_change(&self) -> bool {
        matches!(
            self,
            Request::Send(_) | Request::Edit { .. } | Request::Delete { .. } | Request::React { .. }
        )
    }
}

/// How a v1 client introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) token: Option<Cow<'a, str>>,
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) resume: Option<Resume<'a>>,
}

/// A session to go on with, and how far each of its rooms was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume<'a> {
    pub(crate) session: Cow<'a, str>,
    pub(crate) rooms: Vec<(Cow<'a, str>, Position)>,
}

/// A message that gets its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post<'a> {
    pub(crate) to: Place<'a>,
    pub(crate) mid: Cow<'a, str>,
    pub(crate) text: Cow<'a, str>,
    pub(crate) reply_to: Option<u64>,
    /// JSON that means something to clients alone.
    pub(crate) data: Option<&'a str>,
}

/// Where something goes: a room, or the direct room with a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Room(Cow<'a, str>),
    User(Cow<'a, str>),
}

/// The message that a change is about, and the change's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) room: Cow<'a, str>,
    pub(crate) offset: u64,
    pub(crate) mid: Cow<'a, str>,
}

/// A part of a longer list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) limit: Option<u64>,
    pub(crate) cursor: Option<Cow<'a, str>>,
}

/// Where a page of history stands: records after an offset, or messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Newest,
    After(u64),
    Before(u64),
    Around(u64),
}

/// What is done to a room or to somebody in it. No seconds: for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    Kick {
        user: Cow<'a, str>,
    },
    Mute {
        user: Cow<'a, str>,
        seconds: Option<u64>,
    },
    Ban {
        user: Cow<'a, str>,
        seconds: Option<u64>,
    },
    Unban {
        user: Cow<'a, str>,
    },
    /// Seconds between two messages of one user; 0: no slow mode.
    Slow {
        seconds: u64,
    },
    Topic {
        topic: Cow<'a, str>,
    },
    Role {
        user: Cow<'a, str>,
        role: Role,
    },
    /// Takes the messages of one user away, or all.
    Clear {
        user: Option<Cow<'a, str>>,
    },
}
