//! Codes and words: the core's table as C sees it, and errors that a program holds.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::OnceLock;

use klatsch::{Error, ErrorCode};

use crate::guard::value_or;
use crate::handle::{self, Handle};

/// What a call answers: `KLATSCH_OK` or why it failed. A number lives for ever and is never used again.
///
/// The hundreds say whose affair it is: 1xx the call was wrong, 2xx the chat says no, 3xx the connection or
/// the network, 4xx the store, 5xx the cluster, 9xx a bug of the engine. Later versions may answer numbers
/// that are not here.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_code_t {
    /// It worked.
    KLATSCH_OK = 0,
    /// An argument is missing or is not of the form the call asks for.
    KLATSCH_INVALID_ARGUMENT = 101,
    /// An option has a value that the engine cannot take.
    KLATSCH_INVALID_OPTION = 102,
    /// Text is not UTF-8.
    KLATSCH_INVALID_UTF8 = 103,
    /// A user id or a user's name is empty, too long or has characters that are not allowed.
    KLATSCH_BAD_NAME = 104,
    /// A room's name is empty, too long or has characters that are not allowed.
    KLATSCH_BAD_ROOM_NAME = 105,
    /// A text or a payload is longer than its limit.
    KLATSCH_TOO_LONG = 106,
    /// A text is empty or blank.
    KLATSCH_EMPTY_TEXT = 107,
    /// The engine is not running: start it first.
    KLATSCH_NOT_RUNNING = 110,
    /// The engine is running already: stop it before it is started again.
    KLATSCH_ALREADY_RUNNING = 111,
    /// The call would wait for the very thread it was made on.
    KLATSCH_DEADLOCK = 112,
    /// The engine belongs to the process that made it, and this is a fork of that process.
    KLATSCH_FORKED = 113,
    /// The engine's events have one reader, and somebody has it already.
    KLATSCH_EVENTS_TAKEN = 114,
    /// The question is not open: it was answered, its time ran out, or it never was.
    KLATSCH_UNKNOWN_QUESTION = 115,
    /// The verdict does not fit the question.
    KLATSCH_WRONG_VERDICT = 116,
    /// A client's request is not of the form that its dialect asks for.
    KLATSCH_BAD_REQUEST = 120,
    /// A client asked for something that its dialect does not have.
    KLATSCH_UNKNOWN_REQUEST = 121,
    /// No room has that name.
    KLATSCH_UNKNOWN_ROOM = 201,
    /// There are as many rooms as the engine may have.
    KLATSCH_TOO_MANY_ROOMS = 202,
    /// The host said no.
    KLATSCH_REFUSED = 203,
    /// The user is not in that room.
    KLATSCH_NOT_MEMBER = 204,
    /// No user has that id.
    KLATSCH_UNKNOWN_USER = 205,
    /// No message of the room stands there, or not any more.
    KLATSCH_UNKNOWN_MESSAGE = 206,
    /// Something else was sent under that id before.
    KLATSCH_MID_CONFLICT = 207,
    /// Somebody has that name, or one that looks like it.
    KLATSCH_NAME_TAKEN = 208,
    /// The user may not speak in that room for now.
    KLATSCH_MUTED = 209,
    /// The user, or where they come from, is banned.
    KLATSCH_BANNED = 210,
    /// More than the rate allows.
    KLATSCH_RATE_LIMITED = 211,
    /// The engine has as much to do as it may take on: try again a moment later.
    KLATSCH_BUSY = 212,
    /// The user's role does not allow it, or the room does not.
    KLATSCH_NOT_ALLOWED = 213,
    /// The engine cannot do that here, because something is not switched on.
    KLATSCH_NOT_AVAILABLE = 214,
    /// There are as many of that kind as there may be.
    KLATSCH_TOO_MANY = 215,
    /// The token or the session is not valid, or not any more.
    KLATSCH_UNAUTHORIZED = 216,
    /// No connection has that id, or it is closed.
    KLATSCH_UNKNOWN_CONNECTION = 301,
    /// The engine cannot listen on that address.
    KLATSCH_CANNOT_LISTEN = 302,
    /// That descriptor cannot be taken over.
    KLATSCH_CANNOT_ADOPT = 303,
    /// The operating system refused something that the engine needs.
    KLATSCH_SYSTEM = 304,
    /// The client could not connect: no such host, nobody listens there, no trust in its certificate, or no time.
    KLATSCH_CANNOT_CONNECT = 311,
    /// The server answered the opening handshake with a no, or with what is no answer to it.
    KLATSCH_HANDSHAKE_REFUSED = 312,
    /// The client's connection is closed, or closing.
    KLATSCH_CONNECTION_CLOSED = 313,
    /// The client's connection broke without a closing handshake, or its peer fell silent.
    KLATSCH_CONNECTION_LOST = 314,
    /// The client's peer broke a rule of the protocol or went over a limit of the client's.
    KLATSCH_PEER_VIOLATION = 315,
    /// The client sent it and cannot know whether it happened: there was no reply, and it must not be sent again.
    KLATSCH_UNCERTAIN = 316,
    /// A server refused with a code that this version does not know.
    KLATSCH_UNKNOWN_CODE = 317,
    /// What was asked for could not be stored.
    KLATSCH_STORE_UNAVAILABLE = 401,
    /// A bug in the engine. It refuses every further call except to be stopped and freed.
    KLATSCH_INTERNAL = 901,
}

impl klatsch_code_t {
    /// Every code there is, in the order of its number.
    const ALL: &'static [klatsch_code_t] = &[
        klatsch_code_t::KLATSCH_OK,
        klatsch_code_t::KLATSCH_INVALID_ARGUMENT,
        klatsch_code_t::KLATSCH_INVALID_OPTION,
        klatsch_code_t::KLATSCH_INVALID_UTF8,
        klatsch_code_t::KLATSCH_BAD_NAME,
        klatsch_code_t::KLATSCH_BAD_ROOM_NAME,
        klatsch_code_t::KLATSCH_TOO_LONG,
        klatsch_code_t::KLATSCH_EMPTY_TEXT,
        klatsch_code_t::KLATSCH_NOT_RUNNING,
        klatsch_code_t::KLATSCH_ALREADY_RUNNING,
        klatsch_code_t::KLATSCH_DEADLOCK,
        klatsch_code_t::KLATSCH_FORKED,
        klatsch_code_t::KLATSCH_EVENTS_TAKEN,
        klatsch_code_t::KLATSCH_UNKNOWN_QUESTION,
        klatsch_code_t::KLATSCH_WRONG_VERDICT,
        klatsch_code_t::KLATSCH_BAD_REQUEST,
        klatsch_code_t::KLATSCH_UNKNOWN_REQUEST,
        klatsch_code_t::KLATSCH_UNKNOWN_ROOM,
        klatsch_code_t::KLATSCH_TOO_MANY_ROOMS,
        klatsch_code_t::KLATSCH_REFUSED,
        klatsch_code_t::KLATSCH_NOT_MEMBER,
        klatsch_code_t::KLATSCH_UNKNOWN_USER,
        klatsch_code_t::KLATSCH_UNKNOWN_MESSAGE,
        klatsch_code_t::KLATSCH_MID_CONFLICT,
        klatsch_code_t::KLATSCH_NAME_TAKEN,
        klatsch_code_t::KLATSCH_MUTED,
        klatsch_code_t::KLATSCH_BANNED,
        klatsch_code_t::KLATSCH_RATE_LIMITED,
        klatsch_code_t::KLATSCH_BUSY,
        klatsch_code_t::KLATSCH_NOT_ALLOWED,
        klatsch_code_t::KLATSCH_NOT_AVAILABLE,
        klatsch_code_t::KLATSCH_TOO_MANY,
        klatsch_code_t::KLATSCH_UNAUTHORIZED,
        klatsch_code_t::KLATSCH_UNKNOWN_CONNECTION,
        klatsch_code_t::KLATSCH_CANNOT_LISTEN,
        klatsch_code_t::KLATSCH_CANNOT_ADOPT,
        klatsch_code_t::KLATSCH_SYSTEM,
        klatsch_code_t::KLATSCH_CANNOT_CONNECT,
        klatsch_code_t::KLATSCH_HANDSHAKE_REFUSED,
        klatsch_code_t::KLATSCH_CONNECTION_CLOSED,
        klatsch_code_t::KLATSCH_CONNECTION_LOST,
        klatsch_code_t::KLATSCH_PEER_VIOLATION,
        klatsch_code_t::KLATSCH_UNCERTAIN,
        klatsch_code_t::KLATSCH_UNKNOWN_CODE,
        klatsch_code_t::KLATSCH_STORE_UNAVAILABLE,
        klatsch_code_t::KLATSCH_INTERNAL,
    ];
}

impl From<ErrorCode> for klatsch_code_t {
    fn from(code: ErrorCode) -> klatsch_code_t {
        let same = Self::ALL.iter().copied().find(|own| *own as u32 == code.number());
        same.unwrap_or(klatsch_code_t::KLATSCH_INTERNAL)
    }
}

/// Why a call failed: a code and words. Made by a call that failed, given back with `klatsch_error_free`.
pub struct klatsch_error_t(());

impl Handle for klatsch_error_t {
    type Object = Words;
    const NAME: &'static str = "error";
}

/// What stands behind an error's handle.
pub(crate) struct Words {
    code: klatsch_code_t,
    message: CString,
}

/// Gives an error out, if its place is one, and answers its code.
///
/// # Safety
/// `out_error` is NULL or a place to write a pointer to.
pub(crate) unsafe fn report(error: Error, out_error: *mut *mut klatsch_error_t) -> klatsch_code_t {
    let code = error.code().into();
    if !out_error.is_null() && out_error.is_aligned() {
        let message = error.message().replace('\0', "\u{fffd}");
        let message = CString::new(message).expect("every NUL was replaced");
        // SAFETY: the caller's promise; the place was checked.
        unsafe { out_error.write(handle::put(Words { code, message })) };
    }
    code
}

/// Gives an error's code.
///
/// - `error`: may be NULL; then, and for what is no error, the answer is `KLATSCH_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_error_code(error: *const klatsch_error_t) -> klatsch_code_t {
    value_or(klatsch_code_t::KLATSCH_OK, || {
        handle::get(error).map_or(klatsch_code_t::KLATSCH_OK, |words| words.code)
    })
}

/// Gives an error's words, for people: which value, why, and what would be right. They may change from one
/// version to the next.
///
/// - `error`: may be NULL; then, and for what is no error, the words are empty.
///
/// Never gives NULL. The text ends in a NUL and lives until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_error_message(error: *const klatsch_error_t) -> *const c_char {
    // The handle keeps the words where they are.
    value_or(c"".as_ptr(), || handle::get(error).map_or(c"".as_ptr(), |words| words.message.as_ptr()))
}

/// Gives an error back.
///
/// - `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_error_free(error: *mut klatsch_error_t) {
    value_or((), || drop(handle::take(error)));
}

/// Gives a code's stable name, like `bad_room_name`; `ok` for `KLATSCH_OK`.
///
/// - `code`: any number.
///
/// Gives NULL if there is no such code. The text ends in a NUL and lives for ever.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_code_name(code: u32) -> *const c_char {
    value_or(ptr::null(), || static_text(code, 0))
}

/// Gives what a code means, one sentence in English.
///
/// - `code`: any number.
///
/// Gives NULL if there is no such code. The text ends in a NUL and lives for ever.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_code_meaning(code: u32) -> *const c_char {
    value_or(ptr::null(), || static_text(code, 1))
}

/// A code's name or meaning. The core's texts have no NUL behind them: all get one, once.
fn static_text(code: u32, which: usize) -> *const c_char {
    let texts = TEXTS.get_or_init(|| {
        let ok = (0, ["ok", "It worked."]);
        let core = ErrorCode::ALL.iter().map(|code| (code.number(), [code.name(), code.meaning()]));
        std::iter::once(ok)
            .chain(core)
            .map(|(number, texts)| {
                (number, texts.map(|text| CString::new(text).expect("the core's texts have no NUL")))
            })
            .collect()
    });
    let found = texts.iter().find(|(number, _)| *number == code);
    found.map_or(ptr::null(), |(_, texts)| texts[which].as_ptr())
}

static TEXTS: OnceLock<Vec<(u32, [CString; 2])>> = OnceLock::new();

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn the_codes_are_the_cores_with_the_same_numbers_and_names() {
        let core = ErrorCode::ALL.iter().map(|code| (code.number(), code.name().to_uppercase()));
        let core: Vec<_> = std::iter::once((0, "OK".to_owned())).chain(core).collect();
        let own: Vec<_> = klatsch_code_t::ALL
            .iter()
            .map(|code| (*code as u32, format!("{code:?}").strip_prefix("KLATSCH_").unwrap().to_owned()))
            .collect();
        assert_eq!(own, core);
    }

    #[test]
    fn names_and_meanings_are_the_cores() {
        // SAFETY: the texts live for ever.
        let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().unwrap();
        for code in ErrorCode::ALL {
            // SAFETY: any number is allowed.
            let (name, meaning) =
                unsafe { (klatsch_code_name(code.number()), klatsch_code_meaning(code.number())) };
            assert_eq!((text(name), text(meaning)), (code.name(), code.meaning()));
        }
        // SAFETY: any number is allowed.
        unsafe {
            assert_eq!(text(klatsch_code_name(0)), "ok");
            assert!(klatsch_code_name(1).is_null() && klatsch_code_meaning(u32::MAX).is_null());
        }
    }
}
