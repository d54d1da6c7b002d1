//! Shards, rooms, slow readers, joins and leaves in any order, held against a model that knows no batching: who is in
//! a room sees each of its messages, once, in their order, and what is said to one alone in its place among them.

use std::collections::HashMap;
use std::io::IoSlice;

use bytes::Bytes;

use super::{Audience, LaneKey, Lanes, Mark, Outbox, ShardKey};

/// What a lane is for: a room, and which of two ways of writing.
type Key = (u8, u8);

/// Random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A frame of the model's: its length, what it is, and its number, padded to the length that its number gives it.
fn frame(kind: u8, number: u32) -> Vec<u8> {
    let len = 6 + (number as usize * 7) % 23;
    let mut bytes = vec![len as u8, kind];
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.resize(len, 0);
    bytes
}

fn frames(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut found = Vec::new();
    while let Some(&len) = bytes.first() {
        let (frame, rest) = bytes.split_at(usize::from(len));
        found.push((frame[1], u32::from_be_bytes(frame[2..6].try_into().unwrap())));
        bytes = rest;
    }
    found
}

/// What is said to one alone.
const PERSONAL: u8 = 255;

/// A connection, as its shard sees it and as the model does.
struct Client {
    shard: ShardKey,
    key: Key,
    lane: LaneKey,
    /// Its index in the audience, once the shard knows that it is in.
    index: Option<u32>,
    gone: bool,
    /// What the system takes before it blocks, and what it has taken.
    room_bytes: usize,
    taken: Vec<u8>,
    outbox: Option<Outbox>,
    /// It lags, and has been shown so many records of its room.
    lag: Option<u32>,
    ever_lagged: bool,
    /// Records of its room before it came, and when it left.
    from: u32,
    to: u32,
    /// For each number said to it alone, the room's newest record then.
    told: Vec<u32>,
}

impl Client {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room_bytes);
        self.taken.extend_from_slice(&bytes[..count]);
        self.room_bytes -= count;
        count
    }

    fn send(&mut self, frames: Bytes) {
        let sent = if self.outbox.is_none() { self.write(&frames) } else { 0 };
        if sent < frames.len() {
            self.outbox.get_or_insert_default().push(frames, sent);
        }
    }

    /// Goes on with what waits. Gives whether it has all been taken just now.
    fn drain(&mut self) -> bool {
        let Some(outbox) = &self.outbox else { return false };
        let mut slices = [IoSlice::new(&[]); 4];
        let count = outbox.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let sent = self.write(&bytes);
        let outbox = self.outbox.as_mut().unwrap();
        outbox.advance(sent);
        let is_empty = outbox.is_empty();
        if is_empty {
            self.outbox = None;
        }
        is_empty
    }
}

enum Act {
    Enter { client: usize, from: Mark, top: u32 },
    Frames { client: usize, frames: Bytes, lane_end: Mark },
}

#[derive(Default)]
struct Shard {
    audiences: HashMap<LaneKey, Audience<u32>>,
    deliveries: Vec<Act>,
    drained: Vec<(usize, u32)>,
}

struct World {
    random: Random,
    lanes: Lanes<Key>,
    shards: Vec<Shard>,
    clients: Vec<Client>,
    /// How many records each room has.
    tops: Vec<u32>,
    lag_bytes: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let shard_count = 1 + random.below(4);
        let room_count = 1 + random.below(3);
        let lag_bytes = 20 + random.below(400);
        World {
            random,
            lanes: Lanes::new(shard_count),
            shards: (0..shard_count).map(|_| Shard::default()).collect(),
            clients: Vec::new(),
            tops: vec![0; room_count],
            lag_bytes,
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=1 => self.enter(),
            2 => self.leave(),
            3..=9 => self.say(),
            10..=11 => self.tell(),
            12..=14 => self.open(),
            _ => {
                let shard = self.random.below(self.shards.len());
                self.turn(shard, true);
            }
        }
    }

    fn enter(&mut self) {
        let shard = ShardKey(self.random.below(self.shards.len()) as u8);
        let room = self.random.below(self.tops.len());
        let key = (room as u8, self.random.below(2) as u8);
        let (lane, from) = self.lanes.enter(key, shard);
        let top = self.tops[room];
        let client = self.clients.len();
        let is_slow = self.random.once_in(3);
        self.clients.push(Client {
            shard,
            key,
            lane,
            index: None,
            gone: false,
            room_bytes: if is_slow { self.random.below(60) } else { usize::MAX / 2 },
            taken: Vec::new(),
            outbox: None,
            lag: None,
            ever_lagged: false,
            from: top,
            to: u32::MAX,
            told: Vec::new(),
        });
        self.shards[usize::from(shard.0)].deliveries.push(Act::Enter { client, from, top });
    }

    fn leave(&mut self) {
        let Some(client) = self.anybody() else { return };
        let top = self.tops[usize::from(self.clients[client].key.0)];
        let this = &mut self.clients[client];
        (this.gone, this.to) = (true, top);
        let (shard, lane) = (this.shard, this.lane);
        if let Some(index) = this.index.take() {
            let audience = self.shards[usize::from(shard.0)].audiences.get_mut(&lane).unwrap();
            let clients = &mut self.clients;
            audience.leave(index, |slot, index| clients[slot as usize].index = Some(index));
        }
        self.lanes.leave(lane, shard);
    }

    fn say(&mut self) {
        let room = self.random.below(self.tops.len());
        self.tops[room] += 1;
        let number = self.tops[room];
        for way in 0..2 {
            if let Some(lane) = self.lanes.find((room as u8, way)) {
                self.lanes.append(lane, |buffer| buffer.extend_from_slice(&frame(way, number)));
            }
        }
    }

    fn tell(&mut self) {
        let Some(client) = self.anybody() else { return };
        let top = self.tops[usize::from(self.clients[client].key.0)];
        let this = &mut self.clients[client];
        this.told.push(top);
        let frames = frame(PERSONAL, this.told.len() as u32 - 1).into();
        let (shard, lane_end) = (this.shard, self.lanes.end(this.lane, this.shard));
        self.shards[usize::from(shard.0)].deliveries.push(Act::Frames { client, frames, lane_end });
    }

    /// A slow reader reads a little.
    fn open(&mut self) {
        if let Some(client) = self.anybody() {
            let more = self.random.below(200);
            self.clients[client].room_bytes = self.clients[client].room_bytes.saturating_add(more);
        }
    }

    fn anybody(&mut self) -> Option<usize> {
        let here: Vec<usize> = (0..self.clients.len()).filter(|&index| !self.clients[index].gone).collect();
        (!here.is_empty()).then(|| here[self.random.below(here.len())])
    }

    /// What a shard does in a turn; `stops`: it may leave off in the middle.
    fn turn(&mut self, index: usize, stops: bool) {
        let key = ShardKey(index as u8);
        let shard = &mut self.shards[index];
        let mut taken = Vec::new();
        let drained = std::mem::take(&mut shard.drained);
        let missed: Vec<(usize, Vec<u8>, Mark)> = drained
            .into_iter()
            .filter(|&(client, _)| !self.clients[client].gone)
            .map(|(client, after)| {
                let this = &self.clients[client];
                let records = after + 1..=self.tops[usize::from(this.key.0)];
                let frames = records.flat_map(|number| frame(this.key.1, number)).collect();
                (client, frames, self.lanes.end(this.lane, key))
            })
            .collect();
        self.lanes.take(key, &mut taken);
        let deliveries = std::mem::take(&mut shard.deliveries);
        for taken in taken {
            let top = self.tops[usize::from(taken.key.0)];
            shard.audiences.entry(taken.lane).or_default().gather(taken.start, taken.frames, top);
        }
        for (client, frames, end) in missed {
            let this = &mut self.clients[client];
            this.lag = None;
            shard.audiences.get_mut(&this.lane).unwrap().skip(this.index.unwrap(), end);
            this.send(frames.into());
        }
        for act in deliveries {
            match act {
                Act::Enter { client, from, top } => {
                    let this = &mut self.clients[client];
                    if !this.gone {
                        let audience = shard.audiences.entry(this.lane).or_default();
                        this.index = Some(audience.enter(client as u32, from, top));
                    }
                }
                Act::Frames { client, frames, lane_end } => {
                    let this = &mut self.clients[client];
                    if this.gone {
                        continue;
                    }
                    if let (Some(index), None) = (this.index, this.lag) {
                        let audience = shard.audiences.get_mut(&this.lane).unwrap();
                        audience.catch_up(index, lane_end, |piece| this.send(piece));
                    }
                    this.send(frames);
                }
            }
        }
        let mut lanes: Vec<LaneKey> = shard.audiences.keys().copied().collect();
        lanes.sort_unstable();
        for lane in lanes {
            let audience = shard.audiences.get_mut(&lane).unwrap();
            if stops && self.random.once_in(4) || !audience.begin() {
                continue;
            }
            let mut is_done = true;
            while let Some(share) = audience.next() {
                let this = &mut self.clients[share.slot as usize];
                assert_eq!(this.lane, lane);
                let before = audience.before();
                let turn = audience.turn().unwrap();
                let end = turn.bytes().len();
                match &this.outbox {
                    _ if this.lag.is_some() => {}
                    Some(outbox) if share.from == 0 && outbox.waiting_bytes() + end > self.lag_bytes => {
                        (this.lag, this.ever_lagged) = (Some(before), true);
                    }
                    _ if share.from < end => this.send(turn.slice(share.from, end)),
                    _ => {}
                }
                if stops && self.random.once_in(3) {
                    is_done = false;
                    break;
                }
            }
            if is_done {
                let buffer = audience.end();
                self.lanes.give_back(lane, key, buffer);
            }
        }
        for (client, this) in self.clients.iter_mut().enumerate() {
            if this.shard == key
                && !this.gone
                && this.drain()
                && let Some(after) = this.lag
            {
                shard.drained.push((client, after));
            }
        }
    }

    /// Everybody reads everything.
    fn settle(&mut self) {
        for client in &mut self.clients {
            client.room_bytes = usize::MAX / 2;
        }
        for _ in 0..40 {
            for shard in 0..self.shards.len() {
                self.turn(shard, false);
            }
        }
    }

    fn check(&self, seed: u64) -> usize {
        let mut lagged = 0;
        for (index, client) in self.clients.iter().enumerate() {
            let mut next = client.from + 1;
            let mut told = 0;
            // The last frame of one who has left may be cut.
            let whole = whole_frames(&client.taken);
            assert!(client.gone || whole == client.taken.len(), "seed {seed}, client {index}");
            for (kind, number) in frames(&client.taken[..whole]) {
                if kind == PERSONAL {
                    assert_eq!(number, told, "seed {seed}, client {index}: what it alone was told");
                    if !client.ever_lagged {
                        let top = client.told[told as usize];
                        assert_eq!(
                            top + 1,
                            next,
                            "seed {seed}, client {index}: the place of what it was told"
                        );
                    }
                    told += 1;
                } else {
                    assert_eq!((kind, number), (client.key.1, next), "seed {seed}, client {index}");
                    next += 1;
                }
            }
            assert!(next - 1 <= client.to, "seed {seed}, client {index}: shown what came after it left");
            if !client.gone {
                let top = self.tops[usize::from(client.key.0)];
                assert_eq!(
                    (next - 1, told as usize),
                    (top, client.told.len()),
                    "seed {seed}, client {index}"
                );
            }
            lagged += usize::from(client.ever_lagged);
        }
        lagged
    }
}

/// How many bytes of `bytes` are whole frames.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(&len) = bytes.get(end) {
        if end + usize::from(len) > bytes.len() {
            break;
        }
        end += usize::from(len);
    }
    end
}

#[test]
fn everybody_sees_every_message_once_and_in_its_order_whatever_happens_when() {
    let (mut clients, mut lagged) = (0, 0);
    for seed in 0..3_000 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.step();
        }
        world.settle();
        lagged += world.check(seed);
        clients += world.clients.len();
    }
    // The schedules are rich enough to mean something.
    assert!(clients > 30_000 && lagged > 1_500, "{clients} clients, {lagged} of them lagged");
}
