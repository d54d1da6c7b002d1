//! Logs that live as long as their engine.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::id::{Position, RoomName};
use crate::message::Record;

use super::Log;

/// Keeps the newest records of each room, and so many bytes of all rooms together.
#[derive(Debug)]
pub(crate) struct Memory {
    rooms: HashMap<RoomName, Kept>,
    /// The rooms by when they were last used, for what must go first.
    used: BTreeMap<u64, RoomName>,
    clock: u64,
    bytes: u64,
    max_count: usize,
    max_bytes: u64,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    used: u64,
}

impl Memory {
    /// `max_count`: records of one room. `max_bytes`: of all rooms together.
    pub(crate) fn new(max_count: u64, max_bytes: u64) -> Memory {
        Memory {
            rooms: HashMap::new(),
            used: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            max_count: usize::try_from(max_count).unwrap_or(usize::MAX),
            max_bytes,
        }
    }

    fn make_place(&mut self) {
        while self.bytes > self.max_bytes {
            let Some(mut oldest) = self.used.first_entry() else { return };
            let Some(kept) = self.rooms.get_mut(oldest.get_mut()) else { return };
            match kept.records.pop_front() {
                Some(record) => self.bytes -= record.size_bytes() as u64,
                None => {
                    let (_, name) = oldest.remove_entry();
                    self.rooms.remove(&name);
                }
            }
        }
    }
}

impl Log for Memory {
    fn append(&mut self, room: &RoomName, record: Record) {
        self.clock += 1;
        self.bytes += record.size_bytes() as u64;
        if !self.rooms.contains_key(room) {
            self.rooms.insert(room.clone(), Kept::default());
        }
        if let Some(kept) = self.rooms.get_mut(room) {
            self.used.remove(&kept.used);
            kept.used = self.clock;
            self.used.insert(self.clock, room.clone());
            if kept.records.len() == self.max_count
                && let Some(oldest) = kept.records.pop_front()
            {
                self.bytes -= oldest.size_bytes() as u64;
            }
            kept.records.push_back(record);
        }
        self.make_place();
    }

    fn latest(
        &mut self,
        room: &RoomName,
        before: u64,
        limit: u64,
        take: &mut dyn FnMut(&Record) -> bool,
    ) -> Vec<Record> {
        let Some(kept) = self.rooms.get(room) else { return Vec::new() };
        let end = match before {
            0 => kept.records.len(),
            _ => kept.records.partition_point(|record| record.position().offset < before),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let count = kept.records.range(..end).rev().take(limit).take_while(|record| take(record)).count();
        kept.records.range(end - count..end).cloned().collect()
    }

    fn after(&mut self, room: &RoomName, after: Position, take: &mut dyn FnMut(&Record) -> bool) -> bool {
        let Some(kept) = self.rooms.get(room) else { return after.offset == 0 };
        let start = kept.records.partition_point(|record| record.position() <= after);
        let mut missed = kept.records.range(start..);
        let reaches_back = match missed.clone().next() {
            Some(record) => record.prev.map_or(after.offset == 0, |prev| prev == after),
            None => kept.records.back().is_some_and(|newest| newest.position() == after),
        };
        if reaches_back {
            let _ = missed.by_ref().take_while(|record| take(record)).count();
        }
        reaches_back
    }

    fn held_bytes(&self) -> u64 {
        self.bytes
    }

    fn forget(&mut self, room: &RoomName) {
        if let Some(kept) = self.rooms.remove(room) {
            self.used.remove(&kept.used);
            self.bytes -= kept.records.iter().map(|record| record.size_bytes() as u64).sum::<u64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::{UserId, UserName};
    use crate::message::{Change, Color, Message};

    fn room(name: &str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    fn append(log: &mut Memory, name: &str, offset: u64, text: &str) {
        let message = Message {
            room: room(name),
            position: Position { epoch: 1, offset },
            user: UserId::new("ann").unwrap(),
            name: UserName::new("Ann").unwrap(),
            color: Color::Red,
            at_ms: 0,
            text: text.into(),
        };
        log.append(
            &room(name),
            Record {
                prev: (offset > 1).then(|| Position { epoch: 1, offset: offset - 1 }),
                change: Change::Message(Arc::new(message)),
            },
        );
    }

    fn offsets(log: &mut Memory, name: &str, before: u64, limit: u64) -> Vec<u64> {
        let records = log.latest(&room(name), before, limit, &mut |_| true);
        records.iter().map(|record| record.position().offset).collect()
    }

    #[test]
    fn the_newest_come_back_in_their_order() {
        let mut log = Memory::new(100, 1 << 20);
        (1..=5).for_each(|offset| append(&mut log, "a", offset, "x"));
        assert_eq!(offsets(&mut log, "a", 0, 3), [3, 4, 5]);
        assert_eq!(offsets(&mut log, "a", 3, 100), [1, 2]);
        assert_eq!(offsets(&mut log, "a", 1, 100), [0; 0]);
        assert_eq!(offsets(&mut log, "b", 0, 100), [0; 0]);
        assert_eq!(log.latest(&room("a"), 0, 9, &mut |record| record.position().offset > 3).len(), 2);
    }

    #[test]
    fn a_room_keeps_its_newest() {
        let mut log = Memory::new(3, 1 << 20);
        (1..=5).for_each(|offset| append(&mut log, "a", offset, "x"));
        assert_eq!(offsets(&mut log, "a", 0, 100), [3, 4, 5]);
    }

    #[test]
    fn the_quiet_room_pays_when_memory_runs_out() {
        let mut log = Memory::new(100, 10_000);
        append(&mut log, "quiet", 1, &"x".repeat(3_000));
        append(&mut log, "quiet", 2, &"x".repeat(3_000));
        (1..=2).for_each(|offset| append(&mut log, "loud", offset, &"x".repeat(3_000)));
        assert_eq!(offsets(&mut log, "quiet", 0, 100), [2]);
        assert_eq!(offsets(&mut log, "loud", 0, 100), [1, 2]);
        (3..=9).for_each(|offset| append(&mut log, "loud", offset, &"x".repeat(3_000)));
        assert_eq!(offsets(&mut log, "quiet", 0, 100), [0; 0]);
        assert_eq!(offsets(&mut log, "loud", 0, 100), [7, 8, 9]);
        assert!(log.bytes <= 10_000 && log.rooms.len() == 1 && log.used.len() == 1);
    }

    #[test]
    fn a_forgotten_room_gives_its_bytes_back() {
        let mut log = Memory::new(100, 10_000);
        append(&mut log, "a", 1, "x");
        log.forget(&room("a"));
        assert_eq!((log.bytes, log.rooms.len(), log.used.len()), (0, 0, 0));
    }

    #[test]
    fn what_came_after_a_record_is_shown_if_nothing_of_it_is_forgotten() {
        let mut log = Memory::new(3, 1_000_000);
        let after = |log: &mut Memory, offset| {
            let mut found = Vec::new();
            let reaches_back = log.after(&room("a"), Position { epoch: 1, offset }, &mut |record| {
                found.push(record.position().offset);
                true
            });
            (reaches_back, found)
        };
        assert_eq!(after(&mut log, 0), (true, vec![]));
        for offset in 1..=5 {
            append(&mut log, "a", offset, "hi");
        }
        assert_eq!(after(&mut log, 5), (true, vec![]));
        assert_eq!(after(&mut log, 3), (true, vec![4, 5]));
        assert_eq!(after(&mut log, 2), (true, vec![3, 4, 5]));
        assert_eq!(after(&mut log, 1), (false, vec![]));
        assert_eq!(after(&mut log, 0), (false, vec![]));
        // A record that the log never held.
        assert_eq!(after(&mut log, 6), (false, vec![]));
        let mut count = 0;
        assert!(log.after(&room("a"), Position { epoch: 1, offset: 2 }, &mut |_| {
            count += 1;
            false
        }));
        assert_eq!(count, 1);
    }
}
