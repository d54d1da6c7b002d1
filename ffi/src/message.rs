//! What stands in rooms, as C sees it: messages, members, rooms, and the lists of them.
//!
//! In: the core's values. Out: structs that begin with their size, and what keeps their texts.

use klatsch::{Error, ErrorCode, Member, Message, Payload, Position, Reaction, Role, Room};

use crate::guard::value_or;
use crate::handle::{self, Handle};
use crate::text::{self, Arena, klatsch_text_t};

/// Where a record stands in its room's log. Orders by epoch, then by offset. This struct never grows.
///
/// Within an epoch the offset grows by 1 with each record; it is never used twice in a room, whatever the
/// epoch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct klatsch_position_t {
    /// Which life of the log, below 2^53.
    pub epoch: u64,
    /// Which record, counted from 1; 0: an empty log.
    pub offset: u64,
}

/// What `tell` carries, and what a raw connection sends.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_payload_kind_t {
    /// UTF-8 text.
    KLATSCH_PAYLOAD_TEXT = 1,
    /// Bytes. Only raw connections receive them.
    KLATSCH_PAYLOAD_BINARY = 2,
}

/// What somebody may do in a room.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum klatsch_role_t {
    /// Everything, roles among it.
    KLATSCH_ROLE_OWNER = 1,
    /// Keeps order among members and guests.
    KLATSCH_ROLE_MODERATOR = 2,
    /// Somebody with a name.
    KLATSCH_ROLE_MEMBER = 3,
    /// Somebody without.
    KLATSCH_ROLE_GUEST = 4,
}

/// One emoji on a message, and who put it there. This struct never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_reaction_t {
    /// The emoji.
    pub emoji: klatsch_text_t,
    /// Who put it there, in the order in which they did.
    pub users: *const klatsch_text_t,
    /// How many users; never 0.
    pub user_count: usize,
}

/// A record that people read, as it stands now: edits, deletion and reactions are in it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_message_t {
    /// How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    pub size: u32,
    /// Always 0.
    pub reserved: u32,
    /// Its place in the room's log.
    pub position: klatsch_position_t,
    /// When it got its place, in Unix milliseconds.
    pub at_ms: u64,
    /// The room it stands in.
    pub room: klatsch_text_t,
    /// Who said it; `host` for what the host broadcast.
    pub user: klatsch_text_t,
    /// The author's name when it was said.
    pub name: klatsch_text_t,
    /// The author's colour when it was said.
    pub color: klatsch_text_t,
    /// What was said, as it was typed: nothing is escaped here. Empty when it was deleted.
    pub text: klatsch_text_t,
    /// The sender's own id for it; NULL where the sender's dialect has none.
    pub mid: klatsch_text_t,
    /// JSON that means something to clients alone; NULL: none.
    pub data: klatsch_text_t,
    /// The offset of the message that it answers; 0: none.
    pub reply_to: u64,
    /// How many times it was edited.
    pub revision: u64,
    /// What others have put on it, in the order in which they did.
    pub reactions: *const klatsch_reaction_t,
    /// How many reactions.
    pub reaction_count: usize,
    /// Whether it was deleted: its text and data are gone.
    pub is_deleted: bool,
}

/// A user in a room.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_member_t {
    /// How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    pub size: u32,
    /// A `klatsch_role_t`: what they may do in this room.
    pub role: u32,
    /// Their first connection in this room.
    pub connection: u64,
    /// How many connections they have in this room.
    pub connection_count: u64,
    /// Who it is.
    pub user: klatsch_text_t,
    /// What they are called.
    pub name: klatsch_text_t,
    /// Their colour.
    pub color: klatsch_text_t,
}

/// A room as `klatsch_engine_rooms` lists it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_room_t {
    /// How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    pub size: u32,
    /// Always 0.
    pub reserved: u32,
    /// The position of its newest record; offset 0 when there is none.
    pub position: klatsch_position_t,
    /// How many members are in it: users with a name.
    pub member_count: u64,
    /// How many connections are in it, with a name or without.
    pub connection_count: u64,
    /// Its name.
    pub name: klatsch_text_t,
}

/// Messages that `klatsch_engine_history` gave.
pub struct klatsch_messages_t(());

/// Members that `klatsch_engine_members` gave.
pub struct klatsch_members_t(());

/// Rooms that `klatsch_engine_rooms` gave.
pub struct klatsch_rooms_t(());

impl Handle for klatsch_messages_t {
    type Object = List<klatsch_message_t>;
    const NAME: &'static str = "messages";
}

impl Handle for klatsch_members_t {
    type Object = List<klatsch_member_t>;
    const NAME: &'static str = "members";
}

impl Handle for klatsch_rooms_t {
    type Object = List<klatsch_room_t>;
    const NAME: &'static str = "rooms";
}

/// Counts messages.
///
/// - `messages`: may be NULL; then, and for what is no such list, the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_messages_count(messages: *const klatsch_messages_t) -> usize {
    count(messages)
}

/// Gives one message, which lives until the list is freed.
///
/// - `messages`: may be NULL.
/// - `index`: counted from 0, the oldest first.
///
/// Gives NULL if there is no such message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_messages_at(
    messages: *const klatsch_messages_t,
    index: usize,
) -> *const klatsch_message_t {
    at(messages, index)
}

/// Gives messages back.
///
/// - `messages`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_messages_free(messages: *mut klatsch_messages_t) {
    value_or((), || drop(handle::take(messages)));
}

/// Counts members.
///
/// - `members`: may be NULL; then, and for what is no such list, the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_members_count(members: *const klatsch_members_t) -> usize {
    count(members)
}

/// Gives one member, who lives until the list is freed.
///
/// - `members`: may be NULL.
/// - `index`: counted from 0, in the order in which they came.
///
/// Gives NULL if there is no such member.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_members_at(
    members: *const klatsch_members_t,
    index: usize,
) -> *const klatsch_member_t {
    at(members, index)
}

/// Gives members back.
///
/// - `members`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_members_free(members: *mut klatsch_members_t) {
    value_or((), || drop(handle::take(members)));
}

/// Counts rooms.
///
/// - `rooms`: may be NULL; then, and for what is no such list, the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_rooms_count(rooms: *const klatsch_rooms_t) -> usize {
    count(rooms)
}

/// Gives one room, which lives until the list is freed.
///
/// - `rooms`: may be NULL.
/// - `index`: counted from 0, in the order of their names.
///
/// Gives NULL if there is no such room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_rooms_at(
    rooms: *const klatsch_rooms_t,
    index: usize,
) -> *const klatsch_room_t {
    at(rooms, index)
}

/// Gives rooms back.
///
/// - `rooms`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_rooms_free(rooms: *mut klatsch_rooms_t) {
    value_or((), || drop(handle::take(rooms)));
}

/// Structs for C, and what keeps their texts.
pub(crate) struct List<T> {
    items: Box<[T]>,
    _texts: Arena,
}

// SAFETY: the pointers in the items lead into the arena beside them; neither ever changes.
unsafe impl<T> Send for List<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for List<T> {}

impl<T> List<T> {
    pub(crate) fn new<From>(from: &[From], convert: impl Fn(&From, &mut Arena) -> T) -> List<T> {
        let mut texts = Arena::default();
        let items = from.iter().map(|item| convert(item, &mut texts)).collect();
        List { items, _texts: texts }
    }
}

fn count<T: 'static, H: Handle<Object = List<T>>>(list: *const H) -> usize {
    value_or(0, || handle::get(list).map_or(0, |list| list.items.len()))
}

fn at<T: 'static, H: Handle<Object = List<T>>>(list: *const H, index: usize) -> *const T {
    value_or(std::ptr::null(), || {
        // The handle keeps the list where it is.
        let list = handle::get(list).ok();
        list.as_ref().and_then(|list| list.items.get(index)).map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

pub(crate) fn position(position: Position) -> klatsch_position_t {
    klatsch_position_t { epoch: position.epoch, offset: position.offset }
}

pub(crate) fn message(message: &Message, texts: &mut Arena) -> klatsch_message_t {
    let more = &message.more;
    klatsch_message_t {
        size: size_of::<klatsch_message_t>() as u32,
        reserved: 0,
        position: position(message.position),
        at_ms: message.at_ms,
        room: texts.text(&message.room),
        user: texts.text(&message.user),
        name: texts.text(&message.name),
        color: texts.text(message.color.name()),
        text: texts.text(&message.text),
        mid: more.mid.as_ref().map_or(klatsch_text_t::NONE, |mid| texts.text(mid)),
        data: more.data.as_ref().map_or(klatsch_text_t::NONE, |data| texts.text(data)),
        reply_to: more.reply_to.unwrap_or(0),
        revision: more.revision,
        reactions: reactions(&more.reactions, texts),
        reaction_count: more.reactions.len(),
        is_deleted: more.is_deleted,
    }
}

fn reactions(reactions: &[Reaction], texts: &mut Arena) -> *const klatsch_reaction_t {
    let reactions: Vec<klatsch_reaction_t> = reactions
        .iter()
        .map(|reaction| {
            let users = reaction.users.iter().map(|user| texts.text(user)).collect();
            klatsch_reaction_t {
                emoji: texts.text(&reaction.emoji),
                users: texts.texts(users),
                user_count: reaction.users.len(),
            }
        })
        .collect();
    texts.reactions(reactions)
}

pub(crate) fn role(role: Role) -> u32 {
    match role {
        Role::Owner => klatsch_role_t::KLATSCH_ROLE_OWNER as u32,
        Role::Moderator => klatsch_role_t::KLATSCH_ROLE_MODERATOR as u32,
        Role::Member => klatsch_role_t::KLATSCH_ROLE_MEMBER as u32,
        Role::Guest => klatsch_role_t::KLATSCH_ROLE_GUEST as u32,
    }
}

pub(crate) fn member(member: &Member, texts: &mut Arena) -> klatsch_member_t {
    klatsch_member_t {
        size: size_of::<klatsch_member_t>() as u32,
        role: role(member.role),
        connection: member.connection.0,
        connection_count: member.connection_count,
        user: texts.text(&member.user),
        name: texts.text(&member.name),
        color: texts.text(member.color.name()),
    }
}

pub(crate) fn room(room: &Room, texts: &mut Arena) -> klatsch_room_t {
    klatsch_room_t {
        size: size_of::<klatsch_room_t>() as u32,
        reserved: 0,
        position: position(room.position),
        member_count: room.member_count,
        connection_count: room.connection_count,
        name: texts.text(&room.name),
    }
}

/// Reads a payload.
///
/// # Errors
/// `invalid_argument`: no such kind, NULL, too long. `invalid_utf8`.
///
/// # Safety
/// `bytes` is NULL or the beginning of `length` bytes, or of a C string if `length` is
/// `KLATSCH_NUL_TERMINATED` and the kind is text.
pub(crate) unsafe fn payload(
    kind: u32,
    bytes: *const std::ffi::c_void,
    length: usize,
) -> Result<Payload, Error> {
    if kind == klatsch_payload_kind_t::KLATSCH_PAYLOAD_TEXT as u32 {
        // SAFETY: the caller's promise.
        unsafe { text::required("data", bytes.cast(), length) }.map(Payload::from)
    } else if kind == klatsch_payload_kind_t::KLATSCH_PAYLOAD_BINARY as u32 {
        if bytes.is_null() && length == 0 {
            return Ok(Payload::Binary(Vec::new()));
        }
        // SAFETY: the caller's promise.
        unsafe { text::bytes("data", bytes, length) }.map(Payload::from)
    } else {
        let words = format!(
            "kind is {kind}; it can be KLATSCH_PAYLOAD_TEXT ({}) or KLATSCH_PAYLOAD_BINARY ({})",
            klatsch_payload_kind_t::KLATSCH_PAYLOAD_TEXT as u32,
            klatsch_payload_kind_t::KLATSCH_PAYLOAD_BINARY as u32
        );
        Err(Error::new(ErrorCode::InvalidArgument, words))
    }
}
