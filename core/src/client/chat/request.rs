//! What a client asks for, and what it is answered.

use std::sync::Arc;

use super::message::{Act, Member, Message, Record, RoomLine};
use crate::id::Position;

/// The client's own number for a request: [`Answered`](super::Action::Answered) repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One request.
///
/// `Send`, `Edit`, `Delete` and `React` are **changes**: they get a `mid` of the client's, wait in the outbox while there
/// is no connection, and are sent again under the same `mid` after a break, so that each happens once. `Typing` and
/// `Tell` are for the moment and fail at once without a connection. `Call`, `Moderate`, `Rename` and `Refresh` wait for
/// a connection, but are not sent twice: a break before their reply answers them `uncertain`. All others may be asked
/// again, and are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Enters a room: [`Reply::Joined`]. With `since`, the position up to which the host of the client knows the room,
    /// the records after it come as events; otherwise `history` of the newest messages (`None`: the settings').
    Join {
        /// Its name.
        room: String,
        /// How many of the newest messages are wanted.
        history: Option<u64>,
        /// Up to where the room is known.
        since: Option<Position>,
    },
    /// Leaves a room: [`Reply::Done`]. Waits for the changes of that room that were asked for before.
    Leave {
        /// Its name.
        room: String,
    },
    /// Lists the user's rooms, direct ones too: [`Reply::Rooms`].
    Rooms {
        /// At most so many.
        limit: Option<u64>,
        /// Where the last list ended.
        cursor: Option<String>,
    },
    /// Says something: [`Reply::Sent`].
    Send(Post),
    /// Gives a message another text: [`Reply::Sent`].
    Edit {
        /// The room it stands in.
        room: String,
        /// Its offset.
        offset: u64,
        /// What it shall say.
        text: String,
    },
    /// Takes a message away: [`Reply::Sent`].
    Delete {
        /// The room it stands in.
        room: String,
        /// Its offset.
        offset: u64,
        /// Why; nobody else sees it.
        reason: Option<String>,
    },
    /// Puts an emoji on a message, or takes it off: [`Reply::Sent`].
    React {
        /// The room it stands in.
        room: String,
        /// Its offset.
        offset: u64,
        /// The emoji.
        emoji: String,
        /// Whether it is put there.
        add: bool,
    },
    /// One page of a room's history: [`Reply::Page`].
    History {
        /// The room.
        room: String,
        /// Which page.
        from: From,
        /// At most so many.
        limit: Option<u64>,
    },
    /// Who is in a room: [`Reply::Members`].
    Members {
        /// The room.
        room: String,
        /// At most so many.
        limit: Option<u64>,
        /// Where the last list ended.
        cursor: Option<String>,
    },
    /// Finds messages by their words: [`Reply::Found`].
    Search {
        /// The words.
        query: String,
        /// In this room only.
        room: Option<String>,
        /// Of this user only.
        from_user: Option<String>,
        /// At most so many.
        limit: Option<u64>,
        /// Where the last list ended.
        cursor: Option<String>,
    },
    /// Says up to where the user has read: [`Reply::Read`].
    Read {
        /// The room.
        room: String,
        /// The offset of the last message that was read.
        offset: u64,
    },
    /// Says that the user is typing, or no more: [`Reply::Done`].
    Typing {
        /// The room.
        room: String,
        /// It ends by itself after 6 seconds.
        active: bool,
    },
    /// Carries JSON to those who are there, in no log: [`Reply::Done`].
    Tell {
        /// Where to.
        to: Place,
        /// JSON.
        data: String,
    },
    /// Takes another name: [`Reply::Renamed`].
    Rename {
        /// The name.
        name: String,
    },
    /// Moderates in one room: [`Reply::Moderated`].
    Moderate {
        /// The room.
        room: String,
        /// What is done.
        act: Act,
    },
    /// Hides a user from this one: [`Reply::Done`].
    Block {
        /// Who.
        user: String,
        /// Whether it is so from now on.
        on: bool,
    },
    /// Asks the host's program: [`Reply::Called`].
    Call {
        /// What for.
        method: String,
        /// JSON.
        data: String,
    },
    /// Shows a new token before the old one ends: [`Reply::Refreshed`].
    Refresh {
        /// The token.
        token: String,
    },
}

/// A message that is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Post {
    /// Where to.
    pub to: Place,
    /// What.
    pub text: String,
    /// The offset of the message that it answers.
    pub reply_to: Option<u64>,
    /// JSON that means something to clients alone.
    pub data: Option<String>,
}

impl Post {
    /// A text for a room.
    pub fn to_room(room: impl Into<String>, text: impl Into<String>) -> Post {
        Post { to: Place::Room(room.into()), text: text.into(), reply_to: None, data: None }
    }

    /// A text for a user alone.
    pub fn to_user(user: impl Into<String>, text: impl Into<String>) -> Post {
        Post { to: Place::User(user.into()), text: text.into(), reply_to: None, data: None }
    }

    /// Answers the message at that offset.
    #[must_use]
    pub fn reply_to(mut self, offset: u64) -> Post {
        self.reply_to = Some(offset);
        self
    }

    /// Adds JSON for the other clients; it must be whole.
    #[must_use]
    pub fn data(mut self, json: impl Into<String>) -> Post {
        self.data = Some(json.into());
        self
    }
}

/// Where something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A room, by its name.
    Room(String),
    /// The direct room with a user, by the user's id.
    User(String),
}

/// Where a page of history stands: messages, or (`After`) records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The newest messages.
    Newest,
    /// Records after an offset.
    After(u64),
    /// Messages before an offset. What adjoins the messages that are kept joins them.
    Before(u64),
    /// Messages around an offset.
    Around(u64),
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// It was done.
    Done,
    /// The user is in the room; [`Machine::room`](super::Machine::room) has it from now on.
    Joined(Joined),
    /// Some of the user's rooms; `cursor`: there are more.
    Rooms {
        /// The rooms.
        rooms: Vec<RoomLine>,
        /// For the next part.
        cursor: Option<String>,
    },
    /// The change has its place and is stored.
    Sent(Sent),
    /// One page of history.
    Page(Page),
    /// Some of a room's members; `cursor`: there are more.
    Members {
        /// The members.
        members: Vec<Member>,
        /// How many there are in all.
        member_count: u64,
        /// For the next part.
        cursor: Option<String>,
    },
    /// Messages that were searched for; `cursor`: there are more.
    Found {
        /// The messages.
        hits: Vec<Hit>,
        /// For the next part.
        cursor: Option<String>,
    },
    /// Up to where the user has read.
    Read {
        /// An offset.
        offset: u64,
    },
    /// What the user is called now.
    Renamed {
        /// The name.
        name: String,
        /// The colour.
        color: String,
    },
    /// Where the record of it stands.
    Moderated {
        /// Its position.
        position: Position,
    },
    /// What the host's program said.
    Called {
        /// JSON.
        data: String,
    },
    /// How long the new token is good.
    Refreshed {
        /// Until then, in Unix milliseconds of the server's clock.
        expires_at_ms: u64,
    },
}

/// A room that was entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// Its name.
    pub room: String,
    /// Its newest position.
    pub position: Position,
    /// The log reaches back to the `since` that was asked for; the records since then come as events.
    pub recovered: bool,
    /// Its newest messages; none where it is recovered.
    pub messages: Vec<Arc<Message>>,
    /// The first of its members.
    pub members: Vec<Member>,
    /// How many members are in it.
    pub member_count: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// How many messages are unread.
    pub unread_count: u64,
    /// There are older messages.
    pub more: bool,
}

/// A change that has its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The room; of a message to a user, its direct room.
    pub room: String,
    /// Where its record stands.
    pub position: Position,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// It had its place already, from an earlier try.
    pub duplicate: bool,
    /// The id under which it was sent; its record has it too.
    pub mid: String,
}

/// One page of a room's history, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Messages as they stand now; none of [`From::After`].
    pub messages: Vec<Arc<Message>>,
    /// Records, of [`From::After`] only.
    pub records: Vec<Record>,
    /// Before the records: the log has lost what came after this position, and was asked for.
    pub rollback: Option<Position>,
    /// The room's newest position.
    pub position: Position,
    /// There is more in that direction.
    pub more: bool,
}

/// A message that was searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Its room.
    pub room: String,
    /// Its offset.
    pub offset: u64,
    /// Some of its words.
    pub snippet: String,
}
