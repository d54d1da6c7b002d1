//! Where the rooms' logs are kept.
//!
//! In: records that have their place. Out: the same again, by position. Knows nothing of who reads them.

mod memory;

pub(crate) use memory::Memory;

use crate::id::{Position, RoomName};
use crate::message::Record;

/// The logs of all rooms.
pub(crate) trait Log {
    /// Keeps a record. Its position is the one after the newest that is kept of its room.
    fn append(&mut self, room: &RoomName, record: Record);

    /// The newest records of a room before the offset `before` (0: the newest of all), oldest first: at most
    /// `limit`, and only while `take` agrees, which is asked from the newest on.
    fn latest(
        &mut self,
        room: &RoomName,
        before: u64,
        limit: u64,
        take: &mut dyn FnMut(&Record) -> bool,
    ) -> Vec<Record>;

    /// Shows the records of a room behind the one at `after` (offset 0: all there are), oldest first, as long as `take`
    /// agrees. Gives whether the log reaches back so far; if not, none is shown.
    fn after(&mut self, room: &RoomName, after: Position, take: &mut dyn FnMut(&Record) -> bool) -> bool;

    /// How many bytes all logs hold.
    fn held_bytes(&self) -> u64;

    /// Forgets a room's log.
    fn forget(&mut self, room: &RoomName);
}
