//! What the chat asks of the logs. They are kept elsewhere, and may be kept in several ways.

use std::sync::Arc;

use crate::command::request::From;
use crate::id::{Mid, Position, RoomName, UserId};
use crate::message::{Message, Record};

/// The logs of all rooms, and what was sent to them under which id.
pub(crate) trait Log: std::fmt::Debug {
    /// Keeps a record, and changes the message that it is about. Its position is behind the newest that is kept of its
    /// room. `sent`: by what it is known when it is sent again.
    fn append(&mut self, room: &RoomName, record: Record, sent: Option<Sent>, now_ms: u64);

    /// What a user sent to a room under an id, unless it is too long ago, or the log has lost it.
    fn seen(&self, room: &RoomName, user: &UserId, mid: &Mid, now_ms: u64) -> Option<Seen>;

    /// The message at an offset, as it stands now.
    fn message(&self, room: &RoomName, offset: u64) -> Option<Arc<Message>>;

    /// Some messages as they stand now, ascending: at most `limit`, and only while `take` agrees, which is asked from
    /// the one that is wanted most on. Gives whether there are more in that direction.
    fn messages(
        &self,
        room: &RoomName,
        from: From,
        limit: u64,
        take: &mut dyn FnMut(&Message) -> bool,
    ) -> (Vec<Arc<Message>>, bool);

    /// Shows the records of a room behind the one at `after` (offset 0: all there are), ascending, as long as `take`
    /// agrees.
    fn after(&self, room: &RoomName, after: Position, take: &mut dyn FnMut(&Record) -> bool) -> Reach;

    /// The lowest position to which the log went back since an epoch; `None`: it has lost nothing since.
    fn lost_since(&self, room: &RoomName, epoch: u64) -> Option<Position>;

    /// The position of the record with that offset, if the log still knows it; of offset 0, where the log begins.
    fn position(&self, room: &RoomName, offset: u64) -> Option<Position>;

    /// How many messages a room has behind an offset, of those that are kept and that `counts` says yes to.
    fn unread_count(&self, room: &RoomName, offset: u64, counts: &dyn Fn(&Message) -> bool) -> u64;

    /// How many bytes all logs hold.
    fn held_bytes(&self) -> u64;

    /// How many records of a room are kept from now on, in place of what all rooms have; `None`: as all.
    fn keep(&mut self, room: &RoomName, count: Option<u64>);

    /// Forgets a room's log.
    fn forget(&mut self, room: &RoomName);

    /// Forgets the oldest of a room that has something older than may be, and gives that room.
    fn expire(&mut self, now_ms: u64) -> Option<RoomName>;

    /// When [`expire`](Log::expire) has something to do next, in ticks.
    fn next_expiry_ms(&self) -> Option<u64>;

    /// Loses a room's newest records, as a store may whose machine failed. `epoch`: of what comes next. Gives the
    /// position of the newest that is left, with offset 0 if none is.
    fn lose(&mut self, room: &RoomName, count: u64, epoch: u64) -> Position;
}

/// By what something is known when it is sent again.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) user: UserId,
    pub(crate) mid: Mid,
    /// A hash of everything that it says.
    pub(crate) content: u128,
}

/// Something that was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) position: Position,
    pub(crate) at_ms: u64,
    pub(crate) content: u128,
}

/// How far a log reaches back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the position that was asked for. `more`: not everything behind it was taken.
    Whole { more: bool },
    /// The log has lost what came behind `to`, the position that was asked for among it; it reaches back to there.
    RolledBack { to: Position, more: bool },
    /// Not so far: it is trimmed, or it never held that position.
    Short,
}
