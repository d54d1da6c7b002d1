//! Who is shown the same bytes: everybody in a room who speaks the same dialect.

use std::collections::HashMap;

use slab::Slab;

use crate::chat::RoomKey;
use crate::event::Dialect;
use crate::wire::{Kind, write_frame};

/// Which lane, as a small number that may be used again when nobody is in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneKey(pub(crate) u32);

/// The lanes and what they have got in this turn.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Slab<Lane>,
    keys: HashMap<(Option<RoomKey>, Dialect), LaneKey>,
    /// Lanes that have got something in this turn.
    dirty: Vec<LaneKey>,
    /// Where a payload is written before its length is known.
    scratch: Vec<u8>,
    /// Bytes in all buffers.
    bytes: usize,
}

#[derive(Debug)]
struct Lane {
    room: Option<RoomKey>,
    dialect: Dialect,
    connection_count: usize,
    buffer: Vec<u8>,
}

/// What a lane got in a turn.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) lane: LaneKey,
    pub(crate) frames: Vec<u8>,
}

/// A lane to add frames to.
pub(crate) struct LaneBuffer<'a> {
    key: LaneKey,
    lane: &'a mut Lane,
    dirty: &'a mut Vec<LaneKey>,
    scratch: &'a mut Vec<u8>,
    bytes: &'a mut usize,
}

impl LaneBuffer<'_> {
    /// Adds a text frame whose payload `write` appends.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.lane.buffer.is_empty() {
            self.dirty.push(self.key);
        }
        self.scratch.clear();
        write(self.scratch);
        let before = self.lane.buffer.len();
        write_frame(&mut self.lane.buffer, Kind::Text, self.scratch);
        *self.bytes += self.lane.buffer.len() - before;
    }
}

impl Lanes {
    /// Counts a connection in. Gives the lane, and from which byte of this turn on it is for the connection.
    pub(crate) fn enter(&mut self, room: Option<RoomKey>, dialect: Dialect) -> (LaneKey, usize) {
        let key = *self.keys.entry((room, dialect)).or_insert_with(|| {
            let lane = Lane { room, dialect, connection_count: 0, buffer: Vec::new() };
            LaneKey(self.lanes.insert(lane) as u32)
        });
        let lane = &mut self.lanes[key.0 as usize];
        lane.connection_count += 1;
        (key, lane.buffer.len())
    }

    /// Counts a connection out. Nobody is left to get what a lane without connections has got.
    pub(crate) fn leave(&mut self, key: LaneKey) {
        let lane = &mut self.lanes[key.0 as usize];
        lane.connection_count -= 1;
        if lane.connection_count == 0 {
            let lane = self.lanes.remove(key.0 as usize);
            self.keys.remove(&(lane.room, lane.dialect));
            self.dirty.retain(|&dirty| dirty != key);
            self.bytes -= lane.buffer.len();
        }
    }

    /// The lane of those in a room who speak a dialect, if there is anybody.
    pub(crate) fn buffer(&mut self, room: Option<RoomKey>, dialect: Dialect) -> Option<LaneBuffer<'_>> {
        let key = *self.keys.get(&(room, dialect))?;
        let lane = &mut self.lanes[key.0 as usize];
        Some(LaneBuffer {
            key,
            lane,
            dirty: &mut self.dirty,
            scratch: &mut self.scratch,
            bytes: &mut self.bytes,
        })
    }

    /// Adds whole frames to all lanes of a dialect that `in_lane` says yes to.
    pub(crate) fn append(
        &mut self,
        dialect: Dialect,
        in_lane: impl Fn(Option<RoomKey>) -> bool,
        frames: &[u8],
    ) {
        for (index, lane) in &mut self.lanes {
            if lane.dialect == dialect && in_lane(lane.room) {
                if lane.buffer.is_empty() {
                    self.dirty.push(LaneKey(index as u32));
                }
                lane.buffer.extend_from_slice(frames);
                self.bytes += frames.len();
            }
        }
    }

    /// How many bytes of this turn a lane has got.
    pub(crate) fn len(&self, key: LaneKey) -> usize {
        self.lanes[key.0 as usize].buffer.len()
    }

    /// How many bytes of this turn all lanes have got.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what the lanes have got, and begins the next turn.
    pub(crate) fn take(&mut self, taken: &mut Vec<Taken>) {
        self.bytes = 0;
        for lane in self.dirty.drain(..) {
            let frames = std::mem::take(&mut self.lanes[lane.0 as usize].buffer);
            taken.push(Taken { lane, frames });
        }
    }

    /// Gives a lane an empty buffer to use again, unless it has one.
    pub(crate) fn give_back(&mut self, key: LaneKey, buffer: Vec<u8>) {
        if let Some(lane) = self.lanes.get_mut(key.0 as usize)
            && lane.buffer.capacity() == 0
        {
            lane.buffer = buffer;
        }
    }
}
