//! What stands in a room's log.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ecow::EcoString;

use crate::id::{Mid, Position, RoomName, UserId, UserName};

macro_rules! palette {
    ($($variant:ident $name:literal),+) => {
        /// A colour of the fixed palette: a name that CSS knows. Clients never choose one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Color { $(#[doc = concat!("`", $name, "`")] $variant,)+ }

        impl Color {
            /// The CSS name.
            pub const fn name(self) -> &'static str {
                match self { $(Color::$variant => $name,)+ }
            }

            /// Finds the colour of that name.
            pub fn from_name(name: &str) -> Option<Color> {
                match name { $($name => Some(Color::$variant),)+ _ => None }
            }
        }
    };
}

palette! {
    Red "red", Green "green", Blue "blue", Magenta "magenta", Purple "purple", Plum "plum", Orange "orange",
    Black "black"
}

impl Color {
    /// The colours that are handed out to people; black is the host's.
    pub const HANDED_OUT: [Color; 7] =
        [Color::Red, Color::Green, Color::Blue, Color::Magenta, Color::Purple, Color::Plum, Color::Orange];
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record that people read, as it stands now: edits, deletion and reactions are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The room it stands in.
    pub room: RoomName,
    /// Its place in the room's log.
    pub position: Position,
    /// Who said it; [`UserId::host`] for what the host broadcast.
    pub user: UserId,
    /// The author's name when it was said.
    pub name: UserName,
    /// The author's colour when it was said.
    pub color: Color,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// What was said, as it was typed: nothing is escaped here. Empty when it was deleted.
    pub text: String,
    /// What only some messages have.
    pub more: More,
}

/// What only some messages have. Empty, it is one word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More(Option<Box<Extras>>);

/// What a message may have beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extras {
    /// The sender's own id for it, where the sender's dialect has such.
    pub mid: Option<Mid>,
    /// The offset of the message that it answers.
    pub reply_to: Option<u64>,
    /// JSON that means something to clients alone.
    pub data: Option<Box<str>>,
    /// How many times it was edited.
    pub revision: u64,
    /// It was deleted: its text and data are gone.
    pub is_deleted: bool,
    /// What others have put on it, in the order in which they did.
    pub reactions: Vec<Reaction>,
}

/// One emoji on a message, and who put it there, in the order in which they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: EcoString,
    /// Who put it there; never empty.
    pub users: Vec<UserId>,
}

impl More {
    /// Keeps the extras, if there are any.
    pub fn new(extras: Extras) -> More {
        More((extras != NONE).then(|| Box::new(extras)))
    }

    /// To change them.
    pub(crate) fn change(&mut self) -> &mut Extras {
        self.0.get_or_insert_default()
    }
}

impl Deref for More {
    type Target = Extras;
    fn deref(&self) -> &Extras {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

static NONE: Extras =
    Extras { mid: None, reply_to: None, data: None, revision: 0, is_deleted: false, reactions: Vec::new() };

impl Message {
    /// At most so many bytes on any wire.
    pub(crate) fn wire_bytes(&self) -> usize {
        let more = &self.more;
        let texts = [&*self.user, &*self.name, &*self.text, more.mid.as_deref().unwrap_or("")];
        let reaction = |reaction: &Reaction| {
            let users = reaction.users.iter().map(|user| user.len() + PUNCTUATION_BYTES);
            quoted_bytes(&reaction.emoji) + PUNCTUATION_BYTES + users.sum::<usize>()
        };
        let reactions: usize = more.reactions.iter().map(reaction).sum();
        let texts: usize = texts.into_iter().map(quoted_bytes).sum();
        OVERHEAD_BYTES + texts + reactions + more.data.as_ref().map_or(0, |data| data.len())
    }

    /// About how much memory the message holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let Some(more) = &self.more.0 else { return size_of::<Message>() + self.text.len() };
        let reaction = |reaction: &Reaction| {
            size_of::<Reaction>() + reaction.emoji.len() + reaction.users.len() * size_of::<UserId>()
        };
        let reactions: usize = more.reactions.iter().map(reaction).sum();
        let texts = self.text.len() + more.data.as_ref().map_or(0, |data| data.len());
        size_of::<Message>() + size_of::<Extras>() + texts + reactions
    }
}

/// One entry of a room's log: everything that changes a room is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// The position of the record before it, `None` for the first: who keeps it can tell a gap, a
    /// duplicate and a rollback apart.
    pub prev: Option<Position>,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// What changed.
    pub change: Change,
}

/// What a record changes in its room. `of` is the offset of the message that it is about, `mid` the sender's own id for
/// the change: the host program has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Somebody said something.
    Message(Arc<Message>),
    /// Somebody gave a message another text.
    #[allow(missing_docs)]
    Edit { of: u64, mid: Option<Mid>, user: UserId, text: Arc<str> },
    /// Somebody took a message away.
    #[allow(missing_docs)]
    Delete { of: u64, mid: Option<Mid>, user: UserId },
    /// Somebody put an emoji on a message (`add`), or took it away again.
    #[allow(missing_docs)]
    React { of: u64, mid: Mid, user: UserId, emoji: EcoString, add: bool },
    /// The room, or somebody in it, was moderated; `by` whom: `None` for the host program.
    #[allow(missing_docs)]
    Moderation { act: Moderation, by: Option<UserId> },
    /// Somebody has another name.
    #[allow(missing_docs)]
    Rename { user: UserId, name: UserName, color: Color },
}

/// What is done to a room, or to somebody in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Moderation {
    /// Takes somebody out of the room; they may come back.
    Kick { user: UserId },
    /// Somebody may not speak there, for so many seconds, or for good; 0: may speak again.
    Mute { user: UserId, seconds: Option<u64> },
    /// Takes somebody out and keeps them out, for so many seconds, or for good. Whom the host did not name is kept out by
    /// address too.
    Ban { user: UserId, seconds: Option<u64> },
    /// Ends a ban.
    Unban { user: UserId },
    /// So many seconds lie between two messages of one user; 0: no slow mode.
    Slow { seconds: u64 },
    /// What the room is about.
    Topic { topic: Box<str> },
    /// What somebody may do there.
    Role { user: UserId, role: Role },
    /// Takes the messages of one user away, or all.
    Clear { user: Option<UserId> },
}

impl Moderation {
    /// The stable name of the act: `"mute"`.
    pub const fn name(&self) -> &'static str {
        match self {
            Moderation::Kick { .. } => "kick",
            Moderation::Mute { .. } => "mute",
            Moderation::Ban { .. } => "ban",
            Moderation::Unban { .. } => "unban",
            Moderation::Slow { .. } => "slow",
            Moderation::Topic { .. } => "topic",
            Moderation::Role { .. } => "role",
            Moderation::Clear { .. } => "clear",
        }
    }

    /// Whom it is about.
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Moderation::Kick { user }
            | Moderation::Mute { user, .. }
            | Moderation::Ban { user, .. }
            | Moderation::Unban { user }
            | Moderation::Role { user, .. } => Some(user),
            Moderation::Clear { user } => user.as_ref(),
            Moderation::Slow { .. } | Moderation::Topic { .. } => None,
        }
    }
}

/// What somebody may do in a room. README and `protocol-v1.md` have the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, roles among it.
    Owner,
    /// Keeps order among members and guests.
    Moderator,
    /// Somebody with a name.
    #[default]
    Member,
    /// Somebody without.
    Guest,
}

impl Role {
    /// Every role, from the one that may most.
    pub const ALL: [Role; 4] = [Role::Owner, Role::Moderator, Role::Member, Role::Guest];

    /// The stable name: `"owner"`.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Moderator => "moderator",
            Role::Member => "member",
            Role::Guest => "guest",
        }
    }

    /// Finds the role of that name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl Record {
    /// Where the record stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// About how much memory the record holds beside its message, in bytes.
    pub(crate) fn own_bytes(&self) -> usize {
        let texts = match &self.change {
            Change::Edit { text, .. } => text.len(),
            Change::Moderation { act: Moderation::Topic { topic }, .. } => topic.len(),
            _ => 0,
        };
        size_of::<Record>() + texts
    }

    /// At most so many bytes on any wire.
    pub(crate) fn wire_bytes(&self) -> usize {
        let texts: &[&str] = match &self.change {
            Change::Message(message) => return OVERHEAD_BYTES + message.wire_bytes(),
            Change::Edit { mid, user, text, .. } => &[mid.as_deref().unwrap_or(""), user, text],
            Change::Delete { mid, user, .. } => &[mid.as_deref().unwrap_or(""), user],
            Change::React { mid, user, emoji, .. } => &[mid, user, emoji],
            Change::Moderation { act, by } => {
                let topic = match act {
                    Moderation::Topic { topic } => topic,
                    _ => "",
                };
                &[by.as_deref().unwrap_or(""), act.user().map_or("", |user| user), topic]
            }
            Change::Rename { user, name, .. } => &[user, name],
        };
        OVERHEAD_BYTES + texts.iter().map(|text| quoted_bytes(text)).sum::<usize>()
    }

    /// The message that it is, if it is one.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match &self.change {
            Change::Message(message) => Some(message),
            _ => None,
        }
    }
}

/// What `tell` carries, and what a raw connection sends: one whole message, text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 text.
    Text(String),
    /// Bytes. Only raw connections receive them.
    Binary(Vec<u8>),
}

impl Payload {
    /// Its bytes, whichever it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Payload::Text(text) => text.as_bytes(),
            Payload::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        Payload::Text(text.into())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Payload {
        Payload::Text(text)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Payload::Binary(bytes.into())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Payload::Binary(bytes)
    }
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub user: UserId,
    /// What they are called.
    pub name: UserName,
    /// Their colour.
    pub color: Color,
    /// What they may do in this room.
    pub role: Role,
    /// Their first connection in this room.
    pub connection: crate::id::ConnectionId,
    /// How many connections they have in this room.
    pub connection_count: u64,
}

/// What the host wants otherwise in a room than in others. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomOptions {
    /// Only those come in whom the host has put there, let in with that room, or given a role there. Who is in it
    /// already stays.
    pub private: Option<bool>,
    /// Only moderators and owners speak.
    pub read_only: Option<bool>,
    /// How many members it has at the most: one more is refused with `too_many`, but not whom the host puts there. 0: as
    /// many as want to.
    pub max_member_count: Option<u64>,
    /// How many messages are kept of it, in place of the option `history_kept`.
    pub history_kept: Option<u64>,
}

/// A room as `rooms` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// How many members are in it: users with a name.
    pub member_count: u64,
    /// How many connections are in it, with a name or without; a v1 client that is gone counts for `linger_ms` more.
    pub connection_count: u64,
    /// The position of its newest record; offset 0 when there is none.
    pub position: Position,
}

/// How many bytes a text has between the quotes of JSON.
fn quoted_bytes(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 1,
        0x00..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}

/// All names of fields, numbers, colours and punctuation that a message or a record can have, and then some.
const OVERHEAD_BYTES: usize = 384;
/// Around one text in a list or an object: quotes, colon, brackets, comma.
const PUNCTUATION_BYTES: usize = 6;
