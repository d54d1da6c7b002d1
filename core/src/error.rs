//! What can go wrong: one table of numbers, names and meanings, for every door and for the wire.
//!
//! A code is for machines and lives for ever: its number is never used again. The words of an
//! [`Error`] are for people and may change; they say which value, why, and what would be right.

use std::fmt;
use std::sync::Arc;

use crate::id::Position;

macro_rules! error_table {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why a call failed, as a stable number (for C) and a stable name (for JavaScript and the wire).
        ///
        /// The hundreds say whose affair it is: 1xx the call was wrong, 2xx the chat says no, 3xx the
        /// connection or the network, 4xx the store, 5xx the cluster, 9xx a bug of the engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum ErrorCode {
            $($(#[doc = $meaning])+ $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code there is, in the order of its number.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The stable name, in lower case with underscores: `"bad_room_name"`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)+ }
            }

            /// What the code means, one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!($($meaning),+).trim_ascii(),)+ }
            }
        }
    };
}

error_table! {
    /// An argument is missing or is not of the form the call asks for.
    InvalidArgument = 101, "invalid_argument";
    /// An option has a value that the engine cannot take.
    InvalidOption = 102, "invalid_option";
    /// Text is not UTF-8.
    InvalidUtf8 = 103, "invalid_utf8";
    /// A user id or a user's name is empty, too long or has characters that are not allowed.
    BadName = 104, "bad_name";
    /// A room's name is empty, too long or has characters that are not allowed.
    BadRoomName = 105, "bad_room_name";
    /// A text or a payload is longer than its limit.
    TooLong = 106, "too_long";
    /// A text is empty or blank.
    EmptyText = 107, "empty_text";
    /// The engine is not running: start it first.
    NotRunning = 110, "not_running";
    /// The engine is running already: stop it before it is started again.
    AlreadyRunning = 111, "already_running";
    /// The call would wait for the very thread it was made on.
    Deadlock = 112, "deadlock";
    /// The engine belongs to the process that made it, and this is a fork of that process.
    Forked = 113, "forked";
    /// The engine's events have one reader, and somebody has it already.
    EventsTaken = 114, "events_taken";
    /// The question is not open: it was answered, its time ran out, or it never was.
    UnknownQuestion = 115, "unknown_question";
    /// The verdict does not fit the question.
    WrongVerdict = 116, "wrong_verdict";
    /// A client's request is not of the form that its dialect asks for.
    BadRequest = 120, "bad_request";
    /// A client asked for something that its dialect does not have.
    UnknownRequest = 121, "unknown_request";
    /// No room has that name.
    UnknownRoom = 201, "unknown_room";
    /// There are as many rooms as the engine may have.
    TooManyRooms = 202, "too_many_rooms";
    /// The host said no.
    Refused = 203, "refused";
    /// The user is not in that room.
    NotMember = 204, "not_member";
    /// No user has that id.
    UnknownUser = 205, "unknown_user";
    /// No message of the room stands there, or not any more.
    UnknownMessage = 206, "unknown_message";
    /// Something else was sent under that id before.
    MidConflict = 207, "mid_conflict";
    /// Somebody has that name, or one that looks like it.
    NameTaken = 208, "name_taken";
    /// The user may not speak in that room for now.
    Muted = 209, "muted";
    /// The user, or where they come from, is banned.
    Banned = 210, "banned";
    /// More than the rate allows.
    RateLimited = 211, "rate_limited";
    /// The engine has as much to do as it may take on: try again a moment later.
    Busy = 212, "busy";
    /// The user's role does not allow it, or the room does not.
    NotAllowed = 213, "not_allowed";
    /// The engine cannot do that here, because something is not switched on.
    NotAvailable = 214, "not_available";
    /// There are as many of that kind as there may be.
    TooMany = 215, "too_many";
    /// The token or the session is not valid, or not any more.
    Unauthorized = 216, "unauthorized";
    /// No connection has that id, or it is closed.
    UnknownConnection = 301, "unknown_connection";
    /// The engine cannot listen on that address.
    CannotListen = 302, "cannot_listen";
    /// That descriptor cannot be taken over.
    CannotAdopt = 303, "cannot_adopt";
    /// The operating system refused something that the engine needs.
    System = 304, "system";
    /// The client could not connect: no such host, nobody listens there, no trust in its certificate, or no time.
    CannotConnect = 311, "cannot_connect";
    /// The server answered the opening handshake with a no, or with what is no answer to it.
    HandshakeRefused = 312, "handshake_refused";
    /// The client's connection is closed, or closing.
    ConnectionClosed = 313, "connection_closed";
    /// The client's connection broke without a closing handshake, or its peer fell silent.
    ConnectionLost = 314, "connection_lost";
    /// The client's peer broke a rule of the protocol or went over a limit of the client's.
    PeerViolation = 315, "peer_violation";
    /// The client sent it and cannot know whether it happened: there was no reply, and it must not be sent again.
    Uncertain = 316, "uncertain";
    /// A server refused with a code that this version does not know.
    UnknownCode = 317, "unknown_code";
    /// What was asked for could not be stored.
    StoreUnavailable = 401, "store_unavailable";
    /// A bug in the engine. It refuses every further call except to be stopped and freed.
    Internal = 901, "internal";
}

impl ErrorCode {
    /// The stable number: `105`.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Finds the code with that number, `None` when there is none.
    pub fn from_number(number: u32) -> Option<ErrorCode> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure: a [code](ErrorCode) for machines, words for people, and the cause where there is one.
///
/// The words never hold secrets or the text of messages.
#[derive(Clone, Debug)]
pub struct Error {
    code: ErrorCode,
    message: String,
    source: Option<Arc<std::io::Error>>,
    http_status: Option<u16>,
    refusal: Option<Box<Refusal>>,
}

/// What a server of `klatsch.v1` said when it refused a request of a [chat client](crate::client::chat).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The number of the code, also where this version does not know it.
    pub number: u32,
    /// The name of the code.
    pub name: String,
    /// The server's words.
    pub message: String,
    /// After how many milliseconds it may be tried again.
    pub retry_after_ms: Option<u64>,
    /// Of a change: whether it may have happened in spite of the refusal.
    pub open: Option<bool>,
    /// Of a change that may have happened: its place.
    pub position: Option<Position>,
    /// A name that is free, where the wanted one was taken.
    pub suggestion: Option<String>,
}

impl Error {
    /// Makes an error of a code and words that say which value, why, and what would be right.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), source: None, http_status: None, refusal: None }
    }

    /// Makes an error whose cause is one of the operating system's.
    pub fn with_source(code: ErrorCode, message: impl Into<String>, source: std::io::Error) -> Error {
        Error { source: Some(Arc::new(source)), ..Error::new(code, message) }
    }

    /// Adds the status with which an opening handshake was answered.
    pub(crate) fn with_http_status(mut self, status: u16) -> Error {
        self.http_status = Some(status);
        self
    }

    /// Makes an error of what a server refused with.
    pub(crate) fn refused(refusal: Refusal) -> Error {
        let code = ErrorCode::from_number(refusal.number).unwrap_or(ErrorCode::UnknownCode);
        let message = match code {
            ErrorCode::UnknownCode => format!("{}: {}", refusal.name, refusal.message),
            _ => refusal.message.clone(),
        };
        Error::new(code, message).with_refusal(refusal)
    }

    /// Adds what a server refused with.
    pub(crate) fn with_refusal(mut self, refusal: Refusal) -> Error {
        self.refusal = Some(Box::new(refusal));
        self
    }

    /// What the server said, where it was a server that refused a request of a
    /// [chat client](crate::client::chat).
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// The status with which a server answered the opening handshake of a [client](crate::client), where it was
    /// not 101: `403`.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// What kind of failure this is.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The words, with the cause behind them where there is one.
    pub fn message(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message(), self.code)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_in_order() {
        let numbers: Vec<u32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        let names: std::collections::HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), numbers.len());
    }

    #[test]
    fn a_number_leads_back_to_its_code() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
            assert!(code.meaning().ends_with('.'), "{code}");
        }
        assert_eq!(ErrorCode::from_number(0), None);
    }

    #[test]
    fn words_carry_the_cause_and_the_code() {
        let cause = std::io::Error::new(std::io::ErrorKind::AddrInUse, "taken");
        let error = Error::with_source(ErrorCode::CannotListen, "cannot listen on 127.0.0.1:1", cause);
        assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:1: taken (cannot_listen)");
    }
}
