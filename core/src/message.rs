//! What stands in a room's log.

use std::fmt;
use std::sync::Arc;

use crate::id::{Position, RoomName, UserId, UserName};

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

/// A record that people read.
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
    /// What was said, as it was typed: nothing is escaped here.
    pub text: String,
}

/// One entry of a room's log: everything that changes a room is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The position of the record before it, `None` for the first: who keeps it can tell a gap, a
    /// duplicate and a rollback apart.
    pub prev: Option<Position>,
    /// What changed.
    pub change: Change,
}

/// What a record changes in its room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Somebody said something.
    Message(Arc<Message>),
}

impl Record {
    /// Where the record stands.
    pub fn position(&self) -> Position {
        match &self.change {
            Change::Message(message) => message.position,
        }
    }

    /// About how much memory the record holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        match &self.change {
            Change::Message(message) => size_of::<Record>() + size_of::<Message>() + message.text.len(),
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
    /// Their first connection in this room.
    pub connection: crate::id::ConnectionId,
    /// How many connections they have in this room.
    pub connection_count: u64,
}

/// A room as `rooms` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// How many members are in it: users with a name.
    pub member_count: u64,
    /// How many connections are in it, with a name or without.
    pub connection_count: u64,
    /// The position of its newest record; offset 0 when there is none.
    pub position: Position,
}
