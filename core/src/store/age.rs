//! How old what the logs keep may get.
//!
//! A log does not remember when each record came, but about 256 marks of the time it may keep: what came between two of
//! them is dropped together, when the youngest of it is too old.

use std::collections::{BTreeSet, VecDeque};

use crate::id::RoomName;

/// When the parts of one room's log began, oldest first: the time, in ticks, and the offset of the first record.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<(u64, u64)>);

/// Which room's log has something to drop next.
#[derive(Debug)]
pub(super) struct Ages {
    /// `None`: nothing is too old.
    max_ms: Option<u64>,
    part_ms: u64,
    /// Each room with marks once, by when its oldest part is too old.
    due: BTreeSet<(u64, RoomName)>,
}

#[cfg(test)]
impl Marks {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Ages {
    /// `max_ms`: for how long records are kept; 0: for ever.
    pub(super) fn new(max_ms: u64) -> Ages {
        let part_ms = (max_ms / PART_COUNT).max(1);
        Ages { max_ms: (max_ms > 0).then_some(max_ms), part_ms, due: BTreeSet::new() }
    }

    /// A record has come to a room.
    pub(super) fn note(&mut self, room: &RoomName, marks: &mut Marks, offset: u64, now_ms: u64) {
        if self.max_ms.is_none() {
            return;
        }
        match marks.0.back() {
            Some((began_ms, _)) if now_ms.saturating_sub(*began_ms) < self.part_ms => {}
            Some(_) => marks.0.push_back((now_ms, offset)),
            None => {
                marks.0.push_back((now_ms, offset));
                self.due.extend(self.entry(room, marks));
            }
        }
    }

    /// A room whose log has something that is too old.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<RoomName> {
        let first = self.due.first().filter(|(due_ms, _)| *due_ms <= now_ms)?.clone();
        self.due.remove(&first);
        Some(first.1)
    }

    /// When there is one, in ticks.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes the oldest part of a room that was due. Gives the offset before which everything is too old.
    pub(super) fn drop_part(&mut self, room: &RoomName, marks: &mut Marks) -> u64 {
        marks.0.pop_front();
        self.due.extend(self.entry(room, marks));
        marks.0.front().map_or(u64::MAX, |(_, offset)| *offset)
    }

    /// A room has lost what came behind an offset.
    pub(super) fn cut(&mut self, room: &RoomName, marks: &mut Marks, left: u64) {
        while marks.0.back().is_some_and(|(_, offset)| *offset > left) {
            if marks.0.len() == 1 {
                self.forget(room, marks);
            }
            marks.0.pop_back();
        }
    }

    pub(super) fn forget(&mut self, room: &RoomName, marks: &Marks) {
        if let Some(entry) = self.entry(room, marks) {
            self.due.remove(&entry);
        }
    }

    fn entry(&self, room: &RoomName, marks: &Marks) -> Option<(u64, RoomName)> {
        let (began_ms, _) = marks.0.front()?;
        Some((began_ms.saturating_add(self.part_ms).saturating_add(self.max_ms?), room.clone()))
    }
}

const PART_COUNT: u64 = 256;
