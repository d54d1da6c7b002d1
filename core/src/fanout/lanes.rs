//! Who is shown the same bytes: everybody in a lane, which is a room and the dialect that is spoken there.
//!
//! In: whole frames, each made once. Out: for each shard, what the lanes with connections of its own have got since it
//! took last. Knows nothing of who the connections are.

use std::collections::HashMap;
use std::hash::Hash;

use slab::Slab;

/// Which lane, as a small number that may be used again when nobody is in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneKey(pub(crate) u32);

/// Which shard of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardKey(pub(crate) u8);

/// A place in what a lane has got for one shard, counted in bytes. Wraps: only places that are less than 4 GiB apart
/// are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) u32);

impl Mark {
    /// How many bytes lie between an earlier mark and this one.
    pub(crate) fn since(self, earlier: Mark) -> usize {
        self.0.wrapping_sub(earlier.0) as usize
    }

    /// The mark so many bytes behind this one.
    pub(crate) fn plus(self, bytes: usize) -> Mark {
        // Wraps as marks do.
        Mark(self.0.wrapping_add(bytes as u32))
    }
}

/// The lanes, and what they have got that is not taken yet. `K`: what a lane is for.
#[derive(Debug)]
pub(crate) struct Lanes<K> {
    lanes: Slab<Lane<K>>,
    keys: HashMap<K, LaneKey>,
    /// What is there for each shard.
    shards: Box<[Waiting]>,
}

/// What waits for one shard.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// Lanes that have got something.
    dirty: Vec<LaneKey>,
    /// Bytes in their buffers.
    bytes: usize,
}

#[derive(Debug)]
struct Lane<K> {
    key: K,
    /// One for each shard.
    parts: Box<[Part]>,
}

/// A lane's connections in one shard.
#[derive(Clone, Debug, Default)]
struct Part {
    connection_count: usize,
    /// Where `buffer` begins.
    start: Mark,
    buffer: Vec<u8>,
}

/// What a lane got for one shard since that took last.
#[derive(Debug)]
pub(crate) struct Taken<K> {
    pub(crate) lane: LaneKey,
    pub(crate) key: K,
    pub(crate) start: Mark,
    pub(crate) frames: Vec<u8>,
}

impl<K: Copy + Eq + Hash> Lanes<K> {
    pub(crate) fn new(shard_count: usize) -> Lanes<K> {
        Lanes {
            lanes: Slab::new(),
            keys: HashMap::new(),
            shards: vec![Waiting::default(); shard_count].into(),
        }
    }

    /// Counts a connection of a shard in. Gives the lane, and from where on it is for the connection.
    pub(crate) fn enter(&mut self, key: K, shard: ShardKey) -> (LaneKey, Mark) {
        let part_count = self.shards.len();
        let lane = *self.keys.entry(key).or_insert_with(|| {
            let parts = vec![Part::default(); part_count].into();
            LaneKey(self.lanes.insert(Lane { key, parts }) as u32)
        });
        self.lanes[lane.0 as usize].parts[usize::from(shard.0)].connection_count += 1;
        (lane, self.end(lane, shard))
    }

    /// Counts a connection out. Gives whether it was the shard's last: nobody is left to get what waits for those.
    pub(crate) fn leave(&mut self, lane: LaneKey, shard: ShardKey) -> bool {
        let parts = &mut self.lanes[lane.0 as usize].parts;
        let part = &mut parts[usize::from(shard.0)];
        part.connection_count -= 1;
        if part.connection_count > 0 {
            return false;
        }
        let waiting = &mut self.shards[usize::from(shard.0)];
        if !part.buffer.is_empty() {
            waiting.dirty.retain(|&dirty| dirty != lane);
            waiting.bytes -= part.buffer.len();
            part.start = part.start.plus(part.buffer.len());
        }
        part.buffer = Vec::new();
        if parts.iter().all(|part| part.connection_count == 0) {
            let lane = self.lanes.remove(lane.0 as usize);
            self.keys.remove(&lane.key);
        }
        true
    }

    /// How many connections of a shard are in a lane.
    pub(crate) fn connection_count(&self, lane: LaneKey, shard: ShardKey) -> usize {
        self.lanes[lane.0 as usize].parts[usize::from(shard.0)].connection_count
    }

    /// The lane for something, if anybody is in it.
    pub(crate) fn find(&self, key: K) -> Option<LaneKey> {
        self.keys.get(&key).copied()
    }

    /// What a lane is for.
    pub(crate) fn key(&self, lane: LaneKey) -> Option<K> {
        self.lanes.get(lane.0 as usize).map(|lane| lane.key)
    }

    /// Every lane for which `is_meant` says yes.
    pub(crate) fn select(&self, is_meant: impl Fn(K) -> bool) -> Vec<LaneKey> {
        let meant = self.lanes.iter().filter(|(_, lane)| is_meant(lane.key));
        meant.map(|(index, _)| LaneKey(index as u32)).collect()
    }

    /// Adds what `write` appends, which is whole frames, for every shard with connections in the lane. It is made
    /// once.
    pub(crate) fn append(&mut self, lane: LaneKey, write: impl FnOnce(&mut Vec<u8>)) {
        let parts = &mut self.lanes[lane.0 as usize].parts;
        let Some(first) = parts.iter().position(|part| part.connection_count > 0) else { return };
        let (before, behind) = parts.split_at_mut(first + 1);
        let made = &mut before[first].buffer;
        let from = made.len();
        write(made);
        let frames = &made[from..];
        self.shards[first].note(lane, from, frames.len());
        for (part, waiting) in behind.iter_mut().zip(&mut self.shards[first + 1..]) {
            if part.connection_count > 0 {
                waiting.note(lane, part.buffer.len(), frames.len());
                part.buffer.extend_from_slice(frames);
            }
        }
    }

    /// Up to where a lane has got something for a shard.
    pub(crate) fn end(&self, lane: LaneKey, shard: ShardKey) -> Mark {
        let part = &self.lanes[lane.0 as usize].parts[usize::from(shard.0)];
        part.start.plus(part.buffer.len())
    }

    /// Whether something waits for a shard.
    pub(crate) fn is_waiting(&self, shard: ShardKey) -> bool {
        !self.shards[usize::from(shard.0)].dirty.is_empty()
    }

    /// How many bytes wait for a shard.
    pub(crate) fn waiting_bytes(&self, shard: ShardKey) -> usize {
        self.shards[usize::from(shard.0)].bytes
    }

    /// Takes what the lanes have got for a shard.
    pub(crate) fn take(&mut self, shard: ShardKey, taken: &mut Vec<Taken<K>>) {
        let waiting = &mut self.shards[usize::from(shard.0)];
        waiting.bytes = 0;
        for key in waiting.dirty.drain(..) {
            let lane = &mut self.lanes[key.0 as usize];
            let part = &mut lane.parts[usize::from(shard.0)];
            let start = part.start;
            let frames = std::mem::take(&mut part.buffer);
            part.start = start.plus(frames.len());
            taken.push(Taken { lane: key, key: lane.key, start, frames });
        }
    }

    /// Gives a lane an empty buffer to use again, unless it has one.
    pub(crate) fn give_back(&mut self, lane: LaneKey, shard: ShardKey, buffer: Vec<u8>) {
        if let Some(lane) = self.lanes.get_mut(lane.0 as usize) {
            let part = &mut lane.parts[usize::from(shard.0)];
            if part.buffer.capacity() == 0 && part.connection_count > 0 {
                part.buffer = buffer;
            }
        }
    }
}

impl Waiting {
    /// Notes that a lane, which had `before` bytes, has got more.
    fn note(&mut self, lane: LaneKey, before: usize, bytes: usize) {
        if before == 0 && bytes > 0 {
            self.dirty.push(lane);
        }
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardKey = ShardKey(0);
    const THERE: ShardKey = ShardKey(1);

    fn take(lanes: &mut Lanes<&'static str>, shard: ShardKey) -> Vec<(&'static str, Mark, Vec<u8>)> {
        let mut taken = Vec::new();
        lanes.take(shard, &mut taken);
        taken.into_iter().map(|taken| (taken.key, taken.start, taken.frames)).collect()
    }

    #[test]
    fn every_shard_with_connections_in_a_lane_gets_the_same_and_no_other_anything() {
        let mut lanes = Lanes::new(3);
        let (lane, start) = lanes.enter("lobby", HERE);
        assert_eq!(lanes.enter("lobby", THERE), (lane, start));
        lanes.append(lane, |buffer| buffer.extend_from_slice(b"abc"));
        lanes.append(lane, |buffer| buffer.push(b'd'));
        for shard in [HERE, THERE] {
            assert_eq!(lanes.waiting_bytes(shard), 4);
            assert_eq!(take(&mut lanes, shard), [("lobby", Mark(0), b"abcd".to_vec())]);
            assert!(!lanes.is_waiting(shard));
        }
        assert!(!lanes.is_waiting(ShardKey(2)));
    }

    #[test]
    fn who_comes_later_gets_what_comes_later() {
        let mut lanes = Lanes::new(1);
        let (lane, _) = lanes.enter("lobby", HERE);
        lanes.append(lane, |buffer| buffer.extend_from_slice(b"abc"));
        assert_eq!(lanes.enter("lobby", HERE).1, Mark(3));
        take(&mut lanes, HERE);
        lanes.append(lane, |buffer| buffer.push(b'd'));
        assert_eq!(take(&mut lanes, HERE), [("lobby", Mark(3), b"d".to_vec())]);
        assert_eq!(lanes.end(lane, HERE), Mark(4));
    }

    #[test]
    fn what_nobody_is_left_to_get_is_forgotten() {
        let mut lanes = Lanes::new(2);
        let (lane, _) = lanes.enter("lobby", HERE);
        lanes.enter("lobby", THERE);
        lanes.append(lane, |buffer| buffer.extend_from_slice(b"abc"));
        lanes.leave(lane, HERE);
        assert!(!lanes.is_waiting(HERE) && lanes.is_waiting(THERE));
        assert_eq!((lanes.waiting_bytes(HERE), lanes.waiting_bytes(THERE)), (0, 3));
        assert_eq!(lanes.enter("lobby", HERE), (lane, Mark(3)));
        lanes.leave(lane, HERE);
        lanes.leave(lane, THERE);
        assert_eq!(lanes.find("lobby"), None);
        assert!(take(&mut lanes, THERE).is_empty());
    }

    #[test]
    fn marks_wrap() {
        let late = Mark(u32::MAX - 1);
        assert_eq!(late.plus(5), Mark(3));
        assert_eq!(late.plus(5).since(late), 5);
    }
}
