//! What a chat holds, as the client sees it. Texts are the server's own: a newer one may name colours, roles and acts
//! that this version does not know.

use std::sync::Arc;

use crate::id::Position;

/// One message as it stands now: edits, deletion and reactions folded in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its place in the room's log; the offset alone names it.
    pub position: Position,
    /// The sender's id for it.
    pub mid: Option<String>,
    /// The id of its author; `host` for the host program.
    pub user: String,
    /// The author's name when it was said.
    pub name: String,
    /// The author's colour when it was said, a name that CSS knows.
    pub color: String,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// What was said, unescaped; `None` when it was deleted.
    pub text: Option<String>,
    /// The offset of the message that it answers.
    pub reply_to: Option<u64>,
    /// How many times it was edited.
    pub revision: u64,
    /// Who put which emoji there.
    pub reactions: Vec<Reaction>,
    /// What the sender's client added, JSON as it was written.
    pub data: Option<String>,
}

/// One emoji on a message, and who put it there, in the order in which they did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// The users' ids.
    pub users: Vec<String>,
}

/// One entry of a room's log, unfolded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// The position of the record before it, `None` for the first.
    pub prev: Option<Position>,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// What it changes.
    pub change: Change,
}

/// What a record changes in its room. `of` is the offset of the message that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are those of the event of the same name")]
pub enum Change {
    /// Somebody said something.
    Message(Arc<Message>),
    /// A message has another text.
    Edit { of: u64, mid: Option<String>, user: String, text: String },
    /// A message was taken away.
    Delete { of: u64, mid: Option<String>, user: String },
    /// An emoji was put on a message or taken off.
    React { of: u64, mid: String, user: String, emoji: String, add: bool },
    /// Somebody moderated; `by` is `None` for the host program.
    Moderation { act: Act, by: Option<String> },
    /// Somebody has another name.
    Rename { user: String, name: String, color: String },
    /// What this version does not know, by its name.
    Other { on: String },
}

/// What is done to a room or to somebody in it. No seconds: for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Act {
    /// Puts a user out of the room.
    Kick { user: String },
    /// The user may not speak.
    Mute { user: String, seconds: Option<u64> },
    /// The user may not be there.
    Ban { user: String, seconds: Option<u64> },
    /// Takes a ban back.
    Unban { user: String },
    /// Seconds between two messages of one user; 0 ends it.
    Slow { seconds: u64 },
    /// What the room is about.
    Topic { topic: String },
    /// `owner`, `moderator`, `member` or `guest`.
    Role { user: String, role: String },
    /// Takes the messages of one user away, or all.
    Clear { user: Option<String> },
    /// What this version does not know, by its name. It cannot be asked for.
    Other { act: String },
}

/// One member of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Who it is.
    pub user: String,
    /// What they are called.
    pub name: String,
    /// Their colour.
    pub color: String,
    /// `owner`, `moderator`, `member` or `guest`.
    pub role: String,
}

/// One of the user's rooms, as `rooms` lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomLine {
    /// Its name.
    pub room: String,
    /// The other user, where it is a direct room.
    pub with: Option<String>,
    /// What it is about.
    pub topic: String,
    /// How many members are in it.
    pub member_count: u64,
    /// Its newest position.
    pub position: Position,
    /// Up to where the user has read.
    pub read: u64,
    /// How many messages are unread.
    pub unread_count: u64,
    /// Its newest message.
    pub last: Option<Arc<Message>>,
}

/// Who the client is, as the server said in its reply to `hello`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Me {
    /// The server's number for this connection.
    pub connection: u64,
    /// The user's id.
    pub user: String,
    /// What the user is called.
    pub name: String,
    /// The user's colour.
    pub color: String,
    /// The limits of the server that clients can keep to, by the names of its options.
    pub limits: std::collections::BTreeMap<String, u64>,
    /// The server's clock when it answered, in Unix milliseconds.
    pub time_ms: u64,
}
