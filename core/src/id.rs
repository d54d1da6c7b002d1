//! Names and numbers of things, right once made.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use ecow::EcoString;
use ring::digest::{SHA256, digest};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, ErrorCode};

/// One WebSocket: a number that grows with each connection and is never used twice by an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One question to the host: a number that is never used twice by an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// Where a record stands in its room's log. Orders by epoch, then by offset.
///
/// Within an epoch the offset grows by 1 with each record; it is never used twice in a room, whatever
/// the epoch. An epoch belongs to one room's log: it is made when the log is, from the Unix time in
/// milliseconds, and raised when the log may have lost its newest records. Offset 0: an empty log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which life of the log, below 2^53.
    pub epoch: u64,
    /// Which record, counted from 1.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        // Up to 15 bytes stand in the value itself: most names and ids, of which there are a few for each connection.
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(EcoString);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A room's name: 1 to 64 bytes of NFC, without control and invisible characters, without blanks at its ends,
    /// and not beginning with `dm:`.
    RoomName
}

text_id! {
    /// Who somebody is: 1 to 64 bytes of `A-Z a-z 0-9 . _ -`. `host` is reserved for the host program.
    UserId
}

text_id! {
    /// What somebody is called: 1 to 32 characters (what people count as one, whatever it is made of) in at most
    /// 128 bytes of NFC, with something to see in it, without control and invisible characters and without blanks at
    /// its ends.
    UserName
}

text_id! {
    /// A client's own id for something that it sends, 1 to 64 bytes: by it the engine knows what is sent again.
    Mid
}

impl Mid {
    /// `mid`: of 1 to 64 bytes, which the dialect has seen to.
    pub(crate) fn new(mid: &str) -> Mid {
        Mid(mid.into())
    }
}

impl RoomName {
    /// The name of the room in which two users talk, whoever of them asks.
    pub(crate) fn direct(one: &UserId, other: &UserId) -> RoomName {
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        // Ids have no blanks.
        let hash = digest(&SHA256, format!("{first} {second}").as_bytes());
        let mut name = EcoString::from(DIRECT);
        hash.as_ref()[..16].iter().for_each(|byte| name.push_str(&format!("{byte:02x}")));
        RoomName(name)
    }

    /// Whether it is the room of two users.
    pub fn is_direct(&self) -> bool {
        RoomName::is_reserved(&self.0)
    }

    /// Whether such names are those of direct rooms alone.
    pub(crate) fn is_reserved(name: &str) -> bool {
        name.starts_with(DIRECT)
    }

    /// Checks a room's name and brings it into NFC, so that `é` is one letter however it was typed.
    ///
    /// # Errors
    /// [`ErrorCode::BadRoomName`], with words that say what would be right.
    pub fn new(name: &str) -> Result<RoomName, Error> {
        let name = &*composed(name);
        let wrong = |why: String| Err(Error::new(ErrorCode::BadRoomName, why));
        if name.is_empty() {
            return wrong("the room's name is empty; a room's name has 1 to 64 bytes".into());
        }
        if name.len() > MAX_ROOM_BYTES {
            return wrong(format!(
                "the room's name has {} bytes; at most {MAX_ROOM_BYTES} are allowed",
                name.len()
            ));
        }
        if name.chars().any(is_invisible) {
            return wrong(format!(
                "the room's name {name:?} has control or invisible characters; leave them out"
            ));
        }
        if name.trim() != name {
            return wrong(format!("the room's name {name:?} begins or ends with a blank; leave it out"));
        }
        if RoomName::is_reserved(name) {
            return wrong(format!(
                "the room's name {name:?} begins with the reserved \"dm:\"; choose another"
            ));
        }
        Ok(RoomName(name.into()))
    }
}

impl UserId {
    /// Checks a user id.
    ///
    /// # Errors
    /// [`ErrorCode::BadName`], with words that say what would be right.
    pub fn new(id: &str) -> Result<UserId, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > MAX_USER_BYTES || !id.bytes().all(allowed) {
            return Err(Error::new(
                ErrorCode::BadName,
                format!(
                    "the user id {:?} is not 1 to {MAX_USER_BYTES} bytes of A-Z a-z 0-9 . _ -",
                    shortened(id)
                ),
            ));
        }
        if id == HOST_USER {
            return Err(Error::new(
                ErrorCode::BadName,
                "the user id \"host\" is reserved for the host program",
            ));
        }
        Ok(UserId(id.into()))
    }

    /// Checks a user id that the host gives to a connection: it must not be of the kind that the engine gives.
    ///
    /// # Errors
    /// As [`new`](UserId::new); `bad_name` for `u` and a number.
    pub(crate) fn given(id: &str) -> Result<UserId, Error> {
        let is_engines =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if id.strip_prefix('u').is_some_and(is_engines) {
            let words = format!("the user id {id:?} is one that the engine gives by itself; choose another");
            return Err(Error::new(ErrorCode::BadName, words));
        }
        UserId::new(id)
    }

    /// The host program itself, the author of what is broadcast.
    pub fn host() -> UserId {
        UserId(HOST_USER.into())
    }

    /// The id that an engine gives to a user whom nobody named: the number of the first connection.
    pub(crate) fn of_connection(connection: ConnectionId) -> UserId {
        UserId(format!("u{connection}").into())
    }
}

impl UserName {
    /// Checks the name that the host gives to a user and brings it into NFC. Blanks at the ends are taken off
    /// first. The names that strangers choose for themselves are held to more.
    ///
    /// # Errors
    /// [`ErrorCode::BadName`], with words that say what would be right.
    pub fn new(name: &str) -> Result<UserName, Error> {
        let name = &*composed(name.trim());
        let wrong = |why: String| Err(Error::new(ErrorCode::BadName, why));
        if name.is_empty() {
            return wrong("the name is empty; a name has 1 to 32 characters".into());
        }
        let count = if name.is_ascii() { name.len() } else { name.graphemes(true).count() };
        if name.len() > MAX_NAME_BYTES || count > MAX_NAME_CHARS {
            return wrong(format!(
                "the name has {count} characters in {} bytes; at most {MAX_NAME_CHARS} in {MAX_NAME_BYTES} are allowed",
                name.len()
            ));
        }
        if name.chars().any(|char| is_invisible(char) && !holds_together(char)) {
            return wrong("the name has control or invisible characters; leave them out".into());
        }
        if name.chars().all(holds_together) {
            return wrong("the name shows nothing; a name has something to see".into());
        }
        Ok(UserName(name.into()))
    }

    /// The name of somebody who has nothing but an id.
    pub(crate) fn of_user(user: &UserId) -> UserName {
        UserName(user.0.clone())
    }
}

/// The text in NFC.
fn composed(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfc().collect()),
    }
}

/// The invisible characters by which emoji and the letters of some scripts hold together: joiners, the selector and
/// tags.
fn holds_together(char: char) -> bool {
    matches!(char as u32, 0x200C | 0x200D | 0xFE0F | 0xE0020..=0xE007F)
}

/// Characters that show nothing, or that turn the direction of what stands beside them: control and
/// format characters, fillers, private and unassigned planes.
fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char as u32,
            0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xFFFE..=0xFFFF | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
            | 0xE0000..=0x10FFFF)
}

/// The beginning of a text, for words that quote it.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_ROOM_BYTES).collect()
}

/// What the names of direct rooms begin with, and no others.
const DIRECT: &str = "dm:";
const HOST_USER: &str = "host";
const MAX_ROOM_BYTES: usize = 64;
const MAX_USER_BYTES: usize = 64;
const MAX_NAME_BYTES: usize = 128;
const MAX_NAME_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_are_checked_and_the_words_say_what_is_wrong() {
        assert_eq!(RoomName::new("Kaffee 카페").unwrap().as_str(), "Kaffee 카페");
        assert_eq!(RoomName::new("Cafe\u{301}").unwrap(), RoomName::new("Caf\u{e9}").unwrap());
        for (name, word) in [
            ("", "empty"),
            (" a", "blank"),
            ("a\n", "control"),
            ("dm:x", "reserved"),
            ("a\u{200b}b", "invisible"),
        ] {
            let error = RoomName::new(name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadRoomName);
            assert!(error.message().contains(word), "{name:?}: {error}");
        }
        assert!(RoomName::new(&"x".repeat(64)).is_ok());
        assert!(RoomName::new(&"x".repeat(65)).unwrap_err().message().contains("65 bytes"));
    }

    #[test]
    fn user_ids_are_plain_ascii_and_never_the_hosts() {
        assert!(UserId::new("ann.b_c-9").is_ok());
        for id in ["", "a b", "ä", "host", &"x".repeat(65)] {
            assert_eq!(UserId::new(id).unwrap_err().code(), ErrorCode::BadName, "{id:?}");
        }
    }

    #[test]
    fn the_host_gives_no_id_that_the_engine_gives() {
        for id in ["u7", "u0", "u123456"] {
            assert_eq!(UserId::given(id).unwrap_err().code(), ErrorCode::BadName);
        }
        assert!(["u", "u7x", "user7", "U7"].into_iter().all(|id| UserId::given(id).is_ok()));
        assert_eq!(UserId::of_connection(ConnectionId(7)).as_str(), "u7");
    }

    #[test]
    fn names_are_trimmed_and_must_have_something_to_see() {
        assert_eq!(UserName::new(" 민수Kim ").unwrap().as_str(), "민수Kim");
        assert_eq!(UserName::new("<b>x</b>").unwrap().as_str(), "<b>x</b>");
        assert_eq!(UserName::new("Jose\u{301}").unwrap().as_str(), "Jos\u{e9}");
        assert!(UserName::new("👩🏽‍💻 Ann 🏴󠁧󠁢󠁳󠁣󠁴󠁿").is_ok() && UserName::new(&"👍🏽".repeat(16)).is_ok());
        for name in [
            "",
            "   ",
            "\u{200d}\u{fe0f}",
            "\u{202e}evil",
            "\u{2800}",
            "\u{3164}",
            "a\u{0}b",
            &"x".repeat(33),
        ] {
            assert_eq!(UserName::new(name).unwrap_err().code(), ErrorCode::BadName, "{name:?}");
        }
    }

    #[test]
    fn positions_order_by_epoch_then_offset() {
        let at = |epoch, offset| Position { epoch, offset };
        assert!(at(1, 9) < at(2, 1) && at(2, 1) < at(2, 2));
    }
}
