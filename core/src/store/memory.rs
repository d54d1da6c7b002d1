//! Logs that live as long as their engine.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::broken::{Broken, is_broken};
use crate::chat::{Log, Reach, Seen, Sent};
use crate::command::request::From;
use crate::id::{Mid, Position, RoomName, UserId};
use crate::message::{Change, Message, Record};

use super::age::Ages;
use super::dedupe::Dedupe;
use super::kept::Kept;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Messages of one room, as they stand.
    pub(crate) message_count: u64,
    /// Records of one room.
    pub(crate) record_count: u64,
    /// Of all rooms together.
    pub(crate) bytes: u64,
    /// For how long records are kept, in milliseconds; 0: for ever.
    pub(crate) age_ms: u64,
    /// For how long it is known what was sent, in milliseconds.
    pub(crate) dedupe_ms: u64,
}

/// Keeps the newest records of each room, and so many bytes of all rooms together.
#[derive(Debug)]
pub(crate) struct Memory {
    rooms: HashMap<RoomName, Kept>,
    /// The rooms by when they were last used, for what must go first.
    used: BTreeMap<u64, RoomName>,
    /// How much is kept of rooms for which the host has said so.
    counts: HashMap<RoomName, u64>,
    dedupe: Dedupe,
    ages: Ages,
    clock: u64,
    bytes: u64,
    max_message_count: u64,
    max_record_count: u64,
    max_bytes: u64,
    /// Records can be lost, with all that they changed.
    can_lose: bool,
}

impl Memory {
    pub(crate) fn new(bounds: Bounds) -> Memory {
        Memory {
            rooms: HashMap::new(),
            used: BTreeMap::new(),
            counts: HashMap::new(),
            dedupe: Dedupe::new(bounds.dedupe_ms, MAX_USER_DEDUPE_COUNT, MAX_DEDUPE_COUNT),
            ages: Ages::new(bounds.age_ms),
            clock: 0,
            bytes: 0,
            max_message_count: bounds.message_count,
            max_record_count: bounds.record_count,
            max_bytes: bounds.bytes,
            can_lose: false,
        }
    }

    /// Logs that can [`lose`](Log::lose) their newest records, for which they keep what those changed.
    pub(crate) fn losing(bounds: Bounds) -> Memory {
        Memory { can_lose: true, ..Memory::new(bounds) }
    }

    fn make_place(&mut self) {
        while self.bytes > self.max_bytes {
            let Some(mut oldest) = self.used.first_entry() else { return };
            let Some(kept) = self.rooms.get_mut(oldest.get_mut()) else { return };
            if kept.records.is_empty() && kept.messages.is_empty() {
                // Its positions, and what was sent to it, are remembered.
                oldest.remove();
                continue;
            }
            self.bytes -= kept.drop_oldest();
        }
    }
}

impl Log for Memory {
    fn append(&mut self, room: &RoomName, record: Record, sent: Option<Sent>, now_ms: u64) {
        self.clock += 1;
        if let Some(sent) = sent {
            let seen = Seen { position: record.position, at_ms: record.at_ms, content: sent.content };
            self.dedupe.note(room, sent, seen, now_ms);
        }
        if !self.rooms.contains_key(room) {
            let born = record.prev.map_or(record.position.epoch, |prev| prev.epoch);
            self.rooms.insert(room.clone(), Kept { born, ..Kept::default() });
        }
        let Some(kept) = self.rooms.get_mut(room) else { return };
        self.used.remove(&kept.used);
        kept.used = self.clock;
        self.ages.note(room, &mut kept.marks, record.position.offset, now_ms);
        self.used.insert(self.clock, room.clone());
        let count = self.counts.get(room).copied();
        let message_count = count.unwrap_or(self.max_message_count);
        let record_count =
            count.map_or(self.max_record_count, |count| count.saturating_mul(RECORDS_A_MESSAGE));
        if self.can_lose {
            let offset = record.position.offset;
            let before = kept.about(&record.change);
            kept.before.extend(before.into_iter().map(|message| (offset, message)));
        }
        let grown = kept.fold(&record.change);
        kept.top = record.position;
        self.bytes = self.bytes.saturating_add_signed(grown) + record.own_bytes() as u64;
        if let Change::Message(message) = &record.change {
            self.bytes += message.size_bytes() as u64;
            kept.messages.push_back(message.clone());
        }
        kept.records.push_back(record);
        while kept.messages.len() as u64 > message_count {
            self.bytes -= kept.trim_message();
        }
        while kept.records.len() as u64 > record_count {
            self.bytes -= kept.trim_record();
        }
        self.make_place();
    }

    fn seen(&self, room: &RoomName, user: &UserId, mid: &Mid, now_ms: u64) -> Option<Seen> {
        let seen = self.dedupe.seen(room, user, mid, now_ms).filter(|_| !is_broken(Broken::NoDedupe))?;
        // Of an earlier log of that name, or lost.
        let kept = self.rooms.get(room)?;
        (seen.position.epoch >= kept.born && kept.lost(seen.position).is_none()).then_some(seen)
    }

    fn message(&self, room: &RoomName, offset: u64) -> Option<Arc<Message>> {
        self.rooms.get(room)?.find(offset).cloned()
    }

    fn messages(
        &self,
        room: &RoomName,
        from: From,
        limit: u64,
        take: &mut dyn FnMut(&Message) -> bool,
    ) -> (Vec<Arc<Message>>, bool) {
        let Some(kept) = self.rooms.get(room) else { return (Vec::new(), false) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let messages = &kept.messages;
        let before = |offset| messages.partition_point(|message| message.position.offset < offset);
        let end = match from {
            From::Newest | From::After(_) => messages.len(),
            From::Before(offset) => before(offset),
            // Half of them behind it.
            From::Around(offset) => (before(offset) + limit.div_ceil(2)).min(messages.len()),
        };
        let count = messages.range(..end).rev().take(limit).take_while(|message| take(message)).count();
        (messages.range(end - count..end).cloned().collect(), count < end)
    }

    fn after(&self, room: &RoomName, after: Position, take: &mut dyn FnMut(&Record) -> bool) -> Reach {
        let Some(kept) = self.rooms.get(room) else { return Reach::Short };
        let lost = kept.lost(after);
        let Some(start) = kept.start(lost.unwrap_or(after)) else { return Reach::Short };
        let mut behind = kept.records.range(start..);
        let more = !behind.all(&mut *take);
        match lost {
            Some(to) => Reach::RolledBack { to, more },
            None => Reach::Whole { more },
        }
    }

    fn lost_since(&self, room: &RoomName, epoch: u64) -> Option<Position> {
        self.rooms.get(room)?.lost_since(epoch)
    }

    fn position(&self, room: &RoomName, offset: u64) -> Option<Position> {
        let kept = self.rooms.get(room)?;
        if offset == 0 {
            return Some(Position { epoch: kept.born, offset });
        }
        let at = kept.records.partition_point(|record| record.position.offset < offset);
        let here = kept.records.get(at).map(|record| record.position).filter(|at| at.offset == offset);
        // The one before the first that is here is known too.
        let before = kept.records.front().and_then(|first| first.prev).filter(|at| at.offset == offset);
        here.or(before)
    }

    fn unread_count(&self, room: &RoomName, offset: u64, counts: &dyn Fn(&Message) -> bool) -> u64 {
        let Some(kept) = self.rooms.get(room) else { return 0 };
        let read = kept.messages.partition_point(|message| message.position.offset <= offset);
        kept.messages.range(read..).filter(|message| counts(message)).count() as u64
    }

    fn held_bytes(&self) -> u64 {
        self.bytes
    }

    fn keep(&mut self, room: &RoomName, count: Option<u64>) {
        match count {
            Some(count) => self.counts.insert(room.clone(), count),
            None => self.counts.remove(room),
        };
    }

    fn forget(&mut self, room: &RoomName) {
        if let Some(mut kept) = self.rooms.remove(room) {
            self.used.remove(&kept.used);
            self.ages.forget(room, &kept.marks);
            while !(kept.records.is_empty() && kept.messages.is_empty()) {
                self.bytes -= kept.drop_oldest();
            }
        }
        self.counts.remove(room);
    }

    fn expire(&mut self, now_ms: u64) -> Option<RoomName> {
        let room = self.ages.take_due(now_ms)?;
        if let Some(kept) = self.rooms.get_mut(&room) {
            let offset = self.ages.drop_part(&room, &mut kept.marks);
            self.bytes -= kept.drop_before(offset);
        }
        Some(room)
    }

    fn next_expiry_ms(&self) -> Option<u64> {
        self.ages.next_ms()
    }

    fn lose(&mut self, room: &RoomName, count: u64, epoch: u64) -> Position {
        let Some(kept) = self.rooms.get_mut(room) else { return Position { epoch, offset: 0 } };
        for _ in 0..count {
            let Some(record) = kept.records.pop_back() else { break };
            self.bytes -= record.own_bytes() as u64;
            while let Some((by, before)) = kept.before.pop_back() {
                if by != record.position.offset {
                    kept.before.push_back((by, before));
                    break;
                }
                let after = kept.find(before.position.offset).map_or(0, |message| message.size_bytes());
                self.bytes = (self.bytes + before.size_bytes() as u64).saturating_sub(after as u64);
                kept.put(before);
            }
            if let Change::Message(message) = record.change {
                self.bytes -= message.size_bytes() as u64;
                if kept.messages.back().is_some_and(|last| last.position == message.position) {
                    kept.messages.pop_back();
                }
            }
        }
        let left = kept.records.back().map(|record| record.position);
        let left = left.unwrap_or(Position { epoch: kept.born, offset: 0 });
        self.ages.cut(room, &mut kept.marks, left.offset);
        if kept.lost.len() == MAX_LOST {
            kept.lost.remove(0);
        }
        kept.lost.push((epoch, left));
        kept.top = left;
        left
    }
}

/// What one user sent and what all did, as far as it is remembered.
const MAX_USER_DEDUPE_COUNT: usize = 10_000;
const MAX_DEDUPE_COUNT: usize = 1_000_000;
/// Records that are kept for each message that is.
pub(crate) const RECORDS_A_MESSAGE: u64 = 4;
/// How many losses of a log are remembered.
const MAX_LOST: usize = 64;

#[cfg(test)]
mod tests;
