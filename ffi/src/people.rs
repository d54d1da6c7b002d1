//! Who may be where, and do what there: join, leave, moderate, ban, set a room, ticket.
//!
//! In: structs that the caller has filled. Out: the core's values. What they may be only the core knows.

use std::ffi::c_char;
use std::net::IpAddr;
use std::slice;

use klatsch::{Admission, Error, ErrorCode, Moderation, Role, RoomOptions};

use crate::calls::{place_of, tell_place};
use crate::engine::{klatsch_engine_t, with_engine};
use crate::error::{klatsch_code_t, klatsch_error_t};
use crate::host::Host;
use crate::message::{klatsch_position_t, klatsch_role_t};
use crate::text::{self, klatsch_text_t};

/// Who somebody is whom the host lets in: with `KLATSCH_ALLOW_AS`, or by a ticket. What is left 0 is as its comment says.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_admission_t {
    /// `sizeof(klatsch_admission_t)`.
    pub size: u32,
    /// A `klatsch_role_t`: what they may do where no room says otherwise; 0: `KLATSCH_ROLE_MEMBER`.
    pub role: u32,
    /// The user's id; NULL or empty: the engine gives one. Not `u` and a number: those are the engine's.
    pub user: klatsch_text_t,
    /// The user's name; required.
    pub name: klatsch_text_t,
    /// Rooms that a v1 client is in from the beginning, private ones too; may be NULL if `room_count` is 0.
    pub rooms: *const klatsch_text_t,
    /// How many rooms.
    pub room_count: usize,
    /// Until when a v1 client may be here without showing a new token, in Unix milliseconds; 0: for ever.
    pub expires_at_ms: u64,
}

/// What is done to a room, or to somebody in it.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_moderation_act_t {
    /// Takes `user` out of the room; they may come back.
    KLATSCH_MODERATION_KICK = 1,
    /// `user` may not speak there, for so many `seconds`; 0: may speak again.
    KLATSCH_MODERATION_MUTE = 2,
    /// Takes `user` out and keeps them out, for so many `seconds`. Whom the host did not name is kept out by address
    /// too.
    KLATSCH_MODERATION_BAN = 3,
    /// Ends the ban of `user`.
    KLATSCH_MODERATION_UNBAN = 4,
    /// So many `seconds` lie between two messages of one user; 0: no slow mode.
    KLATSCH_MODERATION_SLOW = 5,
    /// `topic` is what the room is about.
    KLATSCH_MODERATION_TOPIC = 6,
    /// `role` is what `user` may do there.
    KLATSCH_MODERATION_ROLE = 7,
    /// Takes the messages of `user` away, or all.
    KLATSCH_MODERATION_CLEAR = 8,
}

/// An act of moderation, and what belongs to it; the other members are not looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_moderation_t {
    /// `sizeof(klatsch_moderation_t)`.
    pub size: u32,
    /// A `klatsch_moderation_act_t`.
    pub act: u32,
    /// Whom it is about. With `KLATSCH_MODERATION_CLEAR` NULL: everybody; else required where the act has one.
    pub user: klatsch_text_t,
    /// For how long, or how far apart. `KLATSCH_FOR_GOOD`: without an end.
    pub seconds: u64,
    /// What the room is about; NULL: nothing.
    pub topic: klatsch_text_t,
    /// A `klatsch_role_t`.
    pub role: u32,
    /// Always 0.
    pub reserved: u32,
}

/// A yes, a no, or neither.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_choice_t {
    /// It stays as it is.
    KLATSCH_AS_IT_IS = 0,
    /// Yes.
    KLATSCH_YES = 1,
    /// No.
    KLATSCH_NO = 2,
}

/// What the host wants otherwise in a room than in others. What is left 0 stays as it is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_room_options_t {
    /// `sizeof(klatsch_room_options_t)`.
    pub size: u32,
    /// A `klatsch_choice_t`: whether only those come in whom the host has put there, let in with that room, or given a
    /// role there. Who is in it already stays.
    pub is_private: u32,
    /// A `klatsch_choice_t`: whether only moderators and owners speak.
    pub is_read_only: u32,
    /// Always 0.
    pub reserved: u32,
    /// How many members it has at the most: one more is refused with `KLATSCH_TOO_MANY`, but not whom the host puts
    /// there. `KLATSCH_NO_LIMIT`: as many as want to.
    pub max_member_count: u64,
    /// How many messages are kept of it, in place of the option `history_kept`.
    pub history_kept: u64,
}

/// Puts a user into a room, on all their connections that speak `klatsch.v1`, and lets them into it from now on,
/// private or not. The room is made if there is none.
///
/// - `engine`: required.
/// - `room`, `user`: UTF-8, copied.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY_ROOMS`,
/// `KLATSCH_TOO_MANY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_join(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    user: *const c_char,
    user_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let room = text::required("room", room, room_length)?;
        host.core.join(room, text::required("user", user, user_length)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Takes a user out of a room, which no record tells of; whom `klatsch_engine_join` put there does not come into a
/// private one again. A connection of the tutorial's, which has no other room, is closed.
///
/// - `engine`: required.
/// - `room`, `user`: UTF-8.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_BAD_NAME`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_leave(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    user: *const c_char,
    user_length: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let room = text::required("room", room, room_length)?;
        host.core.leave(room, text::required("user", user, user_length)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Moderates a room: takes somebody out, mutes or bans them, sets roles, topic or slow mode, takes messages away. Each
/// is a record of the room's log.
///
/// - `engine`: required.
/// - `room`: UTF-8.
/// - `moderation`: required; copied.
/// - `out_position`: may be NULL. Gets the record's position.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_BAD_NAME`,
/// `KLATSCH_UNKNOWN_USER` (to be kicked, and not there), `KLATSCH_TOO_MANY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_moderate(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    moderation: *const klatsch_moderation_t,
    out_position: *mut klatsch_position_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let place = place_of(out_position)?;
        let room = text::required("room", room, room_length)?;
        tell_place(place, host.core.moderate(room, self::moderation(moderation)?)?);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Sets what is otherwise in a room than in others. The room is made if there is none.
///
/// - `engine`: required.
/// - `room`: UTF-8, copied.
/// - `options`: required; copied.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY_ROOMS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_set_room(
    engine: *mut klatsch_engine_t,
    room: *const c_char,
    room_length: usize,
    options: *const klatsch_room_options_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let room = text::required("room", room, room_length)?;
        host.core.set_room(room, &room_options(options)?)
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Makes a ticket: a token that a client of `klatsch.v1` shows in its `hello`, good once and for its time. Whoever shows
/// it is who the admission says; the host is not asked. Hand it over by a way that nobody else hears.
///
/// - `engine`: required.
/// - `admission`: required; copied.
/// - `ttl_ms`: for how many milliseconds it is good.
/// - `buffer`: required. Gets the ticket as text, with a NUL behind it.
/// - `capacity`: how many bytes `buffer` has: `KLATSCH_TICKET_BYTES` or more.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY`; with
/// `KLATSCH_INVALID_ARGUMENT` also if `buffer` is too small.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_ticket(
    engine: *mut klatsch_engine_t,
    admission: *const klatsch_admission_t,
    ttl_ms: u64,
    buffer: *mut c_char,
    capacity: usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header; the buffer has the bytes that the ticket and its NUL need.
    let body = |host: &Host| unsafe {
        let buffer = text::out("buffer", buffer)?;
        if capacity < TICKET_BYTES {
            return invalid(format!("capacity is {capacity}; a ticket needs {TICKET_BYTES}"));
        }
        let ticket = host.core.ticket(self::admission(admission)?, ttl_ms)?;
        let length = ticket.len().min(TICKET_BYTES - 1);
        buffer.copy_from_nonoverlapping(ticket.as_ptr().cast(), length);
        buffer.add(length).write(0);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Keeps a user out of the engine. Their connections are closed (4002, 1008).
///
/// - `engine`: required.
/// - `user`: UTF-8, copied.
/// - `seconds`: for how long; `KLATSCH_FOR_GOOD`: without an end; 0: ends a ban.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_ban(
    engine: *mut klatsch_engine_t,
    user: *const c_char,
    user_length: usize,
    seconds: u64,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body =
        |host: &Host| unsafe { host.core.ban(text::required("user", user, user_length)?, until(seconds)) };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Keeps an address out of the engine, as `klatsch_engine_ban` does a user.
///
/// - `engine`: required.
/// - `address`: UTF-8, an IP address without a port.
/// - `seconds`: as there.
///
/// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_TOO_MANY`; with `KLATSCH_INVALID_ARGUMENT` also if it is no address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_ban_address(
    engine: *mut klatsch_engine_t,
    address: *const c_char,
    address_length: usize,
    seconds: u64,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    let body = |host: &Host| unsafe {
        let address = text::required("address", address, address_length)?;
        let Ok(address) = address.parse::<IpAddr>() else {
            return invalid(format!("address is {address:?}; it must be an IP address, without a port"));
        };
        host.core.ban_address(address, until(seconds))
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Reads an admission.
///
/// # Errors
/// `invalid_argument`, `invalid_utf8`.
///
/// # Safety
/// The conventions of the header: it is NULL or the place of `size` bytes, and its texts live for the call.
pub(crate) unsafe fn admission(from: *const klatsch_admission_t) -> Result<Admission, Error> {
    // SAFETY: the caller's promise.
    unsafe {
        let from = given("admission", from)?;
        let user = optional("user", &from.user)?;
        let mut rooms = Vec::new();
        if from.room_count > 0 {
            text::bytes(
                "rooms",
                from.rooms.cast(),
                from.room_count.saturating_mul(size_of::<klatsch_text_t>()),
            )?;
            if !from.rooms.is_aligned() {
                return invalid("rooms is misaligned".into());
            }
            for room in slice::from_raw_parts(from.rooms, from.room_count) {
                rooms.push(required("room", room)?.to_owned());
            }
        }
        Ok(Admission {
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            name: required("name", &from.name)?.to_owned(),
            role: if from.role == 0 { Role::default() } else { role(from.role)? },
            rooms,
            expires_at_ms: Some(from.expires_at_ms).filter(|at| *at > 0),
        })
    }
}

/// # Safety
/// As for [`admission`].
unsafe fn moderation(from: *const klatsch_moderation_t) -> Result<Moderation, Error> {
    use klatsch_moderation_act_t::*;
    // SAFETY: the caller's promise.
    unsafe {
        let from = given("moderation", from)?;
        let is = |act: klatsch_moderation_act_t| from.act == act as u32;
        let user = || user(&from.user);
        let seconds = until(from.seconds);
        Ok(match () {
            () if is(KLATSCH_MODERATION_KICK) => Moderation::Kick { user: user()? },
            () if is(KLATSCH_MODERATION_MUTE) => Moderation::Mute { user: user()?, seconds },
            () if is(KLATSCH_MODERATION_BAN) => Moderation::Ban { user: user()?, seconds },
            () if is(KLATSCH_MODERATION_UNBAN) => Moderation::Unban { user: user()? },
            () if is(KLATSCH_MODERATION_SLOW) => Moderation::Slow { seconds: from.seconds },
            () if is(KLATSCH_MODERATION_TOPIC) => {
                Moderation::Topic { topic: optional("topic", &from.topic)?.into() }
            }
            () if is(KLATSCH_MODERATION_ROLE) => Moderation::Role { user: user()?, role: role(from.role)? },
            () if is(KLATSCH_MODERATION_CLEAR) => {
                let user = if from.user.bytes.is_null() { None } else { Some(user()?) };
                Moderation::Clear { user }
            }
            () => return invalid(format!("act is {}; it can be 1 to 8", from.act)),
        })
    }
}

/// # Safety
/// As for [`admission`].
unsafe fn room_options(from: *const klatsch_room_options_t) -> Result<RoomOptions, Error> {
    // SAFETY: the caller's promise.
    let from = unsafe { given("options", from) }?;
    Ok(RoomOptions {
        private: choice("is_private", from.is_private)?,
        read_only: choice("is_read_only", from.is_read_only)?,
        max_member_count: match from.max_member_count {
            0 => None,
            NO_LIMIT => Some(0),
            count => Some(count),
        },
        history_kept: Some(from.history_kept).filter(|count| *count > 0),
    })
}

/// Reads a struct of the caller's. None of them has grown yet; of one that a later header made longer, what this
/// library knows is read.
///
/// # Errors
/// `invalid_argument`: NULL, misaligned, or of no size that there ever was.
///
/// # Safety
/// It is NULL or the place of as many bytes as its first four say.
unsafe fn given<T: Copy>(name: &str, from: *const T) -> Result<T, Error> {
    if from.is_null() || !from.is_aligned() {
        return invalid(format!("{name} is {}", if from.is_null() { "NULL" } else { "misaligned" }));
    }
    // SAFETY: the caller's promise.
    let size = unsafe { from.cast::<u32>().read() } as usize;
    if size < size_of::<T>() {
        return invalid(format!(
            "the size of {name} is {size}; it must be its sizeof, {} or more",
            size_of::<T>()
        ));
    }
    // SAFETY: the caller's promise; `size` was checked.
    Ok(unsafe { from.read() })
}

/// # Safety
/// The text lives for `'a`.
unsafe fn required<'a>(name: &str, text: &klatsch_text_t) -> Result<&'a str, Error> {
    // SAFETY: the caller's promise.
    unsafe { text::required(name, text.bytes, text.length) }
}

/// # Safety
/// The text lives for `'a`.
unsafe fn optional<'a>(name: &str, text: &klatsch_text_t) -> Result<&'a str, Error> {
    // SAFETY: the caller's promise.
    unsafe { text::optional(name, text.bytes, text.length) }
}

/// # Safety
/// The text lives for the call.
unsafe fn user(text: &klatsch_text_t) -> Result<klatsch::UserId, Error> {
    // SAFETY: the caller's promise.
    klatsch::UserId::new(unsafe { required("user", text) }?)
}

fn role(number: u32) -> Result<Role, Error> {
    let found = Role::ALL.into_iter().find(|role| crate::message::role(*role) == number);
    found.map_or_else(
        || {
            let (first, last) = (klatsch_role_t::KLATSCH_ROLE_OWNER, klatsch_role_t::KLATSCH_ROLE_GUEST);
            invalid(format!("role is {number}; it can be {} to {}", first as u32, last as u32))
        },
        Ok,
    )
}

fn choice(name: &str, number: u32) -> Result<Option<bool>, Error> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(true)),
        2 => Ok(Some(false)),
        _ => invalid(format!(
            "{name} is {number}; it can be KLATSCH_AS_IT_IS (0), KLATSCH_YES (1) or KLATSCH_NO (2)"
        )),
    }
}

fn until(seconds: u64) -> Option<u64> {
    Some(seconds).filter(|seconds| *seconds != FOR_GOOD)
}

fn invalid<T>(words: String) -> Result<T, Error> {
    Err(Error::new(ErrorCode::InvalidArgument, words))
}

/// `KLATSCH_FOR_GOOD`, which the header says in C.
///
/// cbindgen:ignore
const FOR_GOOD: u64 = u64::MAX;

/// `KLATSCH_NO_LIMIT`, which the header says in C.
///
/// cbindgen:ignore
const NO_LIMIT: u64 = u64::MAX;

/// `KLATSCH_TICKET_BYTES`, which the header says in C.
///
/// cbindgen:ignore
const TICKET_BYTES: usize = 64;
