//! What the host can do with a running engine: say, tell, kick, look, answer, adopt.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use klatsch::{ConnectionId, Error, ErrorCode, QuestionId, Verdict};

use crate::engine::{klatsch_engine_t, with_engine};
use crate::error::{klatsch_code_t, klatsch_error_t};
use crate::guard::guard;
use crate::handle;
use crate::host::Host;
use crate::message::{
    List, klatsch_members_t, klatsch_messages_t, klatsch_position_t, klatsch_rooms_t, member, message,
    payload, position, room as room_for_c,
};
use crate::people::{self, klatsch_admission_t};
use crate::text;

/// The host's answer to a question.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_verdict_t {
    /// Yes.
    KLATSCH_ALLOW = 1,
    /// Yes, and this is who it is (to `KLATSCH_SUBJECT_ADMIT`).
    KLATSCH_ALLOW_AS = 2,
    /// Yes, but with this text (to `KLATSCH_SUBJECT_MAY_SEND`).
    KLATSCH_REWRITE = 3,
    /// No.
    KLATSCH_REFUSE = 4,
    /// This is what the client is answered (to `KLATSCH_SUBJECT_CALL`).
    KLATSCH_ANSWER = 5,
}

/// Says something in a room as the host: a record by the user `host`. The room is made if there is none.
///
/// - `engine`: required.
/// - `room`, `text`: UTF-8, copied.
/// - `out_position`: may be NULL. Gets the record's position.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY_ROOMS`, `KLATSCH_EMPTY_TEXT`,
/// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_broadcast(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    text: *const c_char,
    text_length: usize,
    out_position: *mut klatsch_position_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = place_of(out_position)?;
        let room = text::required("room", room, room_length)?;
        let text = text::required("text", text, text_length)?;
        tell_place(place, host.core.broadcast(room, text)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Says something to everybody in every room as the host. It stands in no log and no history.
///
/// - `engine`: required.
/// - `text`: UTF-8, copied.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_broadcast_all(
    engine: *mut klatsch_engine_t,
    text: *const c_char,
    text_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe { host.core.broadcast_all(text::required("text", text, text_length)?) };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Tells one connection something; it stands in no log. A tutorial connection sees text as a message by the host,
/// a v1 one as a `tell` without a user whose data is the text; a raw one gets the payload as it is.
///
/// - `engine`: required.
/// - `connection`: a number that an event gave.
/// - `kind`: a `klatsch_payload_kind_t`. A chat connection takes text only.
/// - `data`: copied. Text is UTF-8. May be NULL if `data_length` is 0 and it is no text.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_CONNECTION`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`,
/// `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_tell(
    engine: *mut klatsch_engine_t,
    connection: u64,
    kind: u32,
    data: *const c_void,
    data_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body =
        |host: &Host| unsafe { host.core.tell(ConnectionId(connection), payload(kind, data, data_length)?) };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Tells every connection in a room something: the chat ones (text only) and the raw ones.
///
/// - `engine`: required.
/// - `room`: UTF-8.
/// - `kind`, `data`: as for `klatsch_engine_tell`.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_EMPTY_TEXT`,
/// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_tell_room(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    kind: u32,
    data: *const c_void,
    data_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        host.core.tell_room(text::required("room", room, room_length)?, payload(kind, data, data_length)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Tells every connection something: the chat ones (text only) and the raw ones.
///
/// - `engine`: required.
/// - `kind`, `data`: as for `klatsch_engine_tell`.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_tell_all(
    engine: *mut klatsch_engine_t,
    kind: u32,
    data: *const c_void,
    data_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe { host.core.tell_all(payload(kind, data, data_length)?) };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Gives a message another text, whoever said it. Is a record of the room's log, by the host's user.
///
/// - `engine`: required.
/// - `room`, `text`: UTF-8, copied.
/// - `offset`: where the message stands.
/// - `out_position`: may be NULL. Gets the record's position.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_UNKNOWN_MESSAGE`,
/// `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_edit(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    offset: u64,
    text: *const c_char,
    text_length: usize,
    out_position: *mut klatsch_position_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = place_of(out_position)?;
        let room = text::required("room", room, room_length)?;
        let text = text::required("text", text, text_length)?;
        tell_place(place, host.core.edit(room, offset, text)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Takes a message away, whoever said it: its text, its data and its reactions. Is a record of the room's log, by the
/// host's user.
///
/// - `engine`: required.
/// - `room`: UTF-8, copied.
/// - `offset`: where the message stands.
/// - `out_position`: may be NULL. Gets the record's position.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_UNKNOWN_MESSAGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_delete(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    offset: u64,
    out_position: *mut klatsch_position_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = place_of(out_position)?;
        let room = text::required("room", room, room_length)?;
        tell_place(place, host.core.delete(room, offset)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Puts a message in a room as a user: with their name and colour if they are here, else with the id as the
/// name and a colour that follows from it. The room is made if there is none.
///
/// - `engine`: required.
/// - `room`, `user`, `text`: UTF-8, copied.
/// - `out_position`: may be NULL. Gets the message's position.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY_ROOMS`,
/// `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_send(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    user: *const c_char,
    user_length: usize,
    text: *const c_char,
    text_length: usize,
    out_position: *mut klatsch_position_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = place_of(out_position)?;
        let room = text::required("room", room, room_length)?;
        let user = text::required("user", user, user_length)?;
        let text = text::required("text", text, text_length)?;
        tell_place(place, host.core.send(room, user, text)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Tells a user something, on all their connections that speak `klatsch.v1`; it stands in no log.
///
/// - `engine`: required.
/// - `user`, `text`: UTF-8, copied.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_UNKNOWN_USER` (no such connection),
/// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_tell_user(
    engine: *mut klatsch_engine_t,
    user: *const c_char,
    user_length: usize,
    text: *const c_char,
    text_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let user = text::required("user", user, user_length)?;
        host.core.tell_user(user, text::required("text", text, text_length)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Closes a connection with 1008 (4004 where it speaks klatsch.v1) and a reason.
///
/// - `engine`: required.
/// - `connection`: a number that an event gave.
/// - `reason`: UTF-8, copied, cut to 123 bytes; may be NULL.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_CONNECTION`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_kick(
    engine: *mut klatsch_engine_t,
    connection: u64,
    reason: *const c_char,
    reason_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        host.core.kick(ConnectionId(connection), text::optional("reason", reason, reason_length)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Lists the rooms, in the order of their names.
///
/// - `engine`: required.
/// - `out_rooms`: required. Gets a list for `klatsch_rooms_free`.
///
/// Fails with `KLATSCH_NOT_RUNNING`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_rooms(
    engine: *mut klatsch_engine_t,
    out_rooms: *mut *mut klatsch_rooms_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = text::out("out_rooms", out_rooms)?;
        place.write(handle::put(List::new(&host.core.rooms()?, room_for_c)));
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Lists a room's members, in the order in which they came.
///
/// - `engine`: required.
/// - `room`: UTF-8.
/// - `out_members`: required. Gets a list for `klatsch_members_free`.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_members(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    out_members: *mut *mut klatsch_members_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = text::out("out_members", out_members)?;
        let members = host.core.members(text::required("room", room, room_length)?)?;
        place.write(handle::put(List::new(&members, member)));
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Counts a room's members.
///
/// - `engine`: required.
/// - `room`: UTF-8.
/// - `out_member_count`: required.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_member_count(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    out_member_count: *mut u64,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = text::out("out_member_count", out_member_count)?;
        place.write(host.core.member_count(text::required("room", room, room_length)?)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Reads a room's newest messages, oldest first.
///
/// - `engine`: required.
/// - `room`: UTF-8.
/// - `before`: only messages before this offset; 0: the newest.
/// - `limit`: at most so many.
/// - `out_messages`: required. Gets a list for `klatsch_messages_free`.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_history(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    before: u64,
    limit: u64,
    out_messages: *mut *mut klatsch_messages_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = text::out("out_messages", out_messages)?;
        let messages = host.core.history(text::required("room", room, room_length)?, before, limit)?;
        place.write(handle::put(List::new(&messages, message)));
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Answers a question, now or later.
///
/// - `engine`: required.
/// - `question`: the number in a `KLATSCH_EVENT_QUESTION`.
/// - `verdict`: a `klatsch_verdict_t`.
/// - `text`: UTF-8, copied. Required with `KLATSCH_REWRITE`, the new text, and `KLATSCH_ANSWER`, JSON; may be NULL
///   with `KLATSCH_REFUSE`, words for whoever is refused; else not looked at.
/// - `admission`: required with `KLATSCH_ALLOW_AS`; else not looked at.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_QUESTION` (too late, or answered),
/// `KLATSCH_WRONG_VERDICT`, `KLATSCH_BAD_NAME`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`,
/// `KLATSCH_INVALID_ARGUMENT` (also an answer that is no JSON). After the last six the question is still open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_answer(
    engine: *mut klatsch_engine_t,
    question: u64,
    verdict: u32,
    text: *const c_char,
    text_length: usize,
    admission: *const klatsch_admission_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let verdict = match verdict {
            ALLOW => Verdict::Allow,
            ALLOW_AS => Verdict::AllowAs(people::admission(admission)?),
            REWRITE => Verdict::Rewrite(text::required("text", text, text_length)?.to_owned()),
            REFUSE => Verdict::Refuse(text::optional("text", text, text_length)?.to_owned()),
            ANSWER => Verdict::Answer(text::required("text", text, text_length)?.to_owned()),
            other => {
                let words = format!(
                    "verdict is {other}; it can be KLATSCH_ALLOW ({ALLOW}), KLATSCH_ALLOW_AS ({ALLOW_AS}), \
                     KLATSCH_REWRITE ({REWRITE}), KLATSCH_REFUSE ({REFUSE}) or KLATSCH_ANSWER ({ANSWER})"
                );
                return Err(Error::new(ErrorCode::InvalidArgument, words));
            }
        };
        host.core.answer(QuestionId(question), verdict)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Takes over a connected stream socket, TCP or Unix, that speaks plain HTTP. The descriptor is the engine's
/// from here on, also when this fails; but not when it fails with `KLATSCH_INVALID_ARGUMENT` or
/// `KLATSCH_FORKED`: then it is still the caller's.
///
/// - `engine`: required.
/// - `descriptor`: an open descriptor.
/// - `read`: copied; may be NULL. What was read from the socket already: the beginning of its request, or all
///   of it and more.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_CANNOT_ADOPT` (not a connected stream socket),
/// `KLATSCH_TOO_LONG` (`read` is over 64 KiB).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_adopt_fd(
    engine: *mut klatsch_engine_t,
    descriptor: c_int,
    read: *const c_void,
    read_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = || {
        let host = handle::get(engine)?;
        let read = match read.is_null() {
            true => &[],
            // SAFETY: the conventions of the header.
            false => unsafe { text::bytes("read", read, read_length) }?,
        };
        if descriptor < 0 {
            let words = format!("descriptor is {descriptor}; it must be an open one");
            return Err(Error::new(ErrorCode::InvalidArgument, words));
        }
        // The copy shows whether it is open at all, and is closed on exec.
        // SAFETY: not negative; used for nothing else.
        let copy = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().map_err(|cause| {
            let words = format!("descriptor {descriptor} cannot be used");
            Error::with_source(ErrorCode::InvalidArgument, words, cause)
        })?;
        // SAFETY: it is open, and the caller gives it away.
        drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        host.call(|| host.core.adopt(copy, read))
    };
    // SAFETY: the conventions of the header.
    unsafe { guard(out_error, body) }
}

/// Checks a place for a position, which may be left out.
pub(crate) fn place_of(
    out_position: *mut klatsch_position_t,
) -> Result<Option<*mut klatsch_position_t>, Error> {
    match out_position.is_null() {
        true => Ok(None),
        false => text::out("out_position", out_position).map(Some),
    }
}

/// # Safety
/// `place` may be written to.
pub(crate) unsafe fn tell_place(place: Option<*mut klatsch_position_t>, at: klatsch::Position) {
    if let Some(place) = place {
        // SAFETY: the caller's promise.
        unsafe { place.write(position(at)) };
    }
}

/// cbindgen:ignore
const ALLOW: u32 = klatsch_verdict_t::KLATSCH_ALLOW as u32;
/// cbindgen:ignore
const ALLOW_AS: u32 = klatsch_verdict_t::KLATSCH_ALLOW_AS as u32;
/// cbindgen:ignore
const REWRITE: u32 = klatsch_verdict_t::KLATSCH_REWRITE as u32;
/// cbindgen:ignore
const REFUSE: u32 = klatsch_verdict_t::KLATSCH_REFUSE as u32;
/// cbindgen:ignore
const ANSWER: u32 = klatsch_verdict_t::KLATSCH_ANSWER as u32;
