//! Shards, rooms, slow readers, joins, leaves and swaps of lanes in any order, held against a model that knows no
//! batching: who is in a room sees each of its messages, once, in their order, and what is said to one alone in its
//! place among them. Who is in several rooms and lagged may see one twice, and none is left out.

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

/// What a frame of a lane is.
fn kind(key: Key) -> u8 {
    key.0 * 2 + key.1
}

/// A time that a client spends in a lane of a room, which sees the records behind `from`, `to` included.
struct Stay {
    key: Key,
    from: u32,
    to: u32,
}

/// A lane that a client is in, as its shard sees it.
#[derive(Clone, Copy)]
struct Place {
    lane: LaneKey,
    room: u8,
    /// Its index in the audience, once the shard knows that it is in.
    index: u32,
}

/// Something said to a client alone.
struct Told {
    /// Rooms, and how many records of each it must have seen by then, if it never lagged.
    seen: Vec<(u8, u32)>,
    /// It has joined this room, or left it: from then on it is so far there.
    at: Option<(u8, Option<u32>)>,
}

/// A connection, as its shard sees it and as the model does.
struct Client {
    shard: ShardKey,
    /// It comes and goes in several rooms, and does not mind to be shown a record twice after it lagged. The others are
    /// in one room for good.
    is_many: bool,
    gone: bool,
    places: Vec<Place>,
    /// What the system takes before it blocks, and what it has taken.
    room_bytes: usize,
    taken: Vec<u8>,
    outbox: Option<Outbox>,
    /// It lags: rooms of which it is shown nothing, and up to where it was.
    lag: Option<Vec<(u8, u32)>>,
    ever_lagged: bool,
    /// It lags no longer, and is shown what it missed of these rooms next.
    catching: Vec<(u8, u32)>,
    /// Where it is and has been, as whoever gives the records their places knows.
    lanes: Vec<(Key, LaneKey)>,
    stays: Vec<Stay>,
    told: Vec<Told>,
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

    /// It is shown nothing of a room from here on, until it has drained.
    fn miss(&mut self, room: u8, after: u32) {
        let missing = self.lag.get_or_insert_default();
        if missing.iter().all(|&(other, _)| other != room) {
            missing.push((room, after));
        }
        self.ever_lagged = true;
    }

    /// How many records of a room it is to have seen, when that has so many.
    fn due(&self, room: u8, top: u32) -> u32 {
        let stays = self.stays.iter().filter(|stay| stay.key.0 == room);
        stays.map(|stay| stay.to.min(top) - stay.from).sum()
    }
}

enum Act {
    Enter { client: usize, lane: LaneKey, room: u8, from: Mark, top: u32 },
    Exit { client: usize, lane: LaneKey, lane_end: Mark },
    Frames { client: usize, frames: Bytes, behind: Vec<(LaneKey, Mark)> },
}

#[derive(Default)]
struct Shard {
    audiences: HashMap<LaneKey, Audience<u32>>,
    deliveries: Vec<Act>,
    /// Lanes that somebody has left since the last turn.
    exits: Vec<LaneKey>,
    drained: Vec<(usize, Vec<(u8, u32)>)>,
}

impl Shard {
    /// Takes a client out of a lane, once it is told what that had got by then.
    fn vacate(&mut self, clients: &mut [Client], place: Place) {
        self.audiences.get_mut(&place.lane).unwrap().leave(place.index, |slot, index| {
            let places = &mut clients[slot as usize].places;
            places.iter_mut().find(|other| other.lane == place.lane).unwrap().index = index;
        });
    }

    fn catch_up(&mut self, client: &mut Client, lane: LaneKey, to: Mark) {
        let place = client.places.iter().copied().find(|place| place.lane == lane);
        let is_missed = |place: Place| client.catching.iter().any(|&(room, _)| room == place.room);
        if let (Some(place), None) = (place.filter(|&place| !is_missed(place)), &client.lag) {
            let audience = self.audiences.get_mut(&lane).unwrap();
            audience.catch_up(place.index, to, |piece| client.send(piece));
        }
    }
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
        match self.random.below(24) {
            0..=1 => self.come(),
            2 => self.go(),
            3..=5 => self.move_about(),
            6..=12 => self.say(),
            13..=14 => self.tell_anybody(),
            15..=17 => self.open(),
            _ => {
                let shard = self.random.below(self.shards.len());
                self.turn(shard, true);
            }
        }
    }

    fn come(&mut self) {
        let shard = ShardKey(self.random.below(self.shards.len()) as u8);
        let is_slow = self.random.once_in(3);
        let is_many = self.random.once_in(2);
        self.clients.push(Client {
            shard,
            is_many,
            gone: false,
            places: Vec::new(),
            room_bytes: if is_slow { self.random.below(60) } else { usize::MAX / 2 },
            taken: Vec::new(),
            outbox: None,
            lag: None,
            ever_lagged: false,
            catching: Vec::new(),
            lanes: Vec::new(),
            stays: Vec::new(),
            told: Vec::new(),
        });
        if !is_many {
            let key = (self.random.below(self.tops.len()) as u8, self.random.below(2) as u8);
            self.enter(self.clients.len() - 1, key);
            self.tell(self.clients.len() - 1, None, Some((key.0, Some(self.tops[usize::from(key.0)]))));
        }
    }

    fn go(&mut self) {
        let Some(client) = self.anybody() else { return };
        let this = &mut self.clients[client];
        this.gone = true;
        for stay in this.stays.iter_mut().filter(|stay| stay.to == u32::MAX) {
            stay.to = self.tops[usize::from(stay.key.0)];
        }
        let shard = this.shard;
        while let Some(place) = self.clients[client].places.pop() {
            self.shards[usize::from(shard.0)].vacate(&mut self.clients, place);
        }
        for (_, lane) in std::mem::take(&mut self.clients[client].lanes) {
            self.lanes.leave(lane, shard);
        }
    }

    /// Somebody joins a room, leaves it, or gets it in the other way.
    fn move_about(&mut self) {
        let Some(client) = self.anybody().filter(|&client| self.clients[client].is_many) else { return };
        let room = self.random.below(self.tops.len()) as u8;
        let top = self.tops[usize::from(room)];
        let there = self.clients[client].lanes.iter().map(|&(key, _)| key).find(|key| key.0 == room);
        match there {
            None => {
                let key = (room, self.random.below(2) as u8);
                self.enter(client, key);
                self.tell(client, None, Some((room, Some(top))));
            }
            Some(key) => match self.random.below(4) {
                0 => {
                    self.exit(client, key);
                    self.tell(client, None, Some((room, None)));
                }
                1 => {
                    self.exit(client, key);
                    self.enter(client, key);
                }
                2 => {
                    self.enter(client, (room, 1 - key.1));
                    self.exit(client, key);
                }
                _ => {
                    self.exit(client, key);
                    self.enter(client, (room, 1 - key.1));
                }
            },
        }
    }

    fn enter(&mut self, client: usize, key: Key) {
        let this = &mut self.clients[client];
        let (lane, from) = self.lanes.enter(key, this.shard);
        let top = self.tops[usize::from(key.0)];
        this.lanes.push((key, lane));
        this.stays.push(Stay { key, from: top, to: u32::MAX });
        let act = Act::Enter { client, lane, room: key.0, from, top };
        self.shards[usize::from(this.shard.0)].deliveries.push(act);
    }

    fn exit(&mut self, client: usize, key: Key) {
        let this = &mut self.clients[client];
        let at = this.lanes.iter().position(|&(other, _)| other == key).unwrap();
        let (_, lane) = this.lanes.remove(at);
        let is_it = |stay: &&mut Stay| stay.key == key && stay.to == u32::MAX;
        this.stays.iter_mut().find(is_it).unwrap().to = self.tops[usize::from(key.0)];
        let lane_end = self.lanes.end(lane, this.shard);
        let shard = &mut self.shards[usize::from(this.shard.0)];
        shard.exits.push(lane);
        shard.deliveries.push(Act::Exit { client, lane, lane_end });
    }

    fn say(&mut self) {
        let room = self.random.below(self.tops.len());
        self.tops[room] += 1;
        let number = self.tops[room];
        for way in 0..2 {
            let key = (room as u8, way);
            if let Some(lane) = self.lanes.find(key) {
                self.lanes.append(lane, |buffer| buffer.extend_from_slice(&frame(kind(key), number)));
            }
        }
    }

    fn tell_anybody(&mut self) {
        let Some(client) = self.anybody() else { return };
        let room = self.random.below(self.tops.len()) as u8;
        let room = self.random.once_in(2).then_some(room);
        self.tell(client, room, None);
    }

    /// Says something to one alone, behind what it was shown of a room, or of all.
    fn tell(&mut self, client: usize, room: Option<u8>, at: Option<(u8, Option<u32>)>) {
        let this = &mut self.clients[client];
        let is_meant = |&&(key, _): &&(Key, LaneKey)| room.is_none_or(|room| room == key.0);
        let lanes = this.lanes.iter().filter(is_meant);
        let behind = lanes.clone().map(|&(_, lane)| (lane, self.lanes.end(lane, this.shard))).collect();
        let seen = lanes.map(|&(key, _)| (key.0, this.due(key.0, self.tops[usize::from(key.0)]))).collect();
        this.told.push(Told { seen, at });
        let frames = frame(PERSONAL, this.told.len() as u32 - 1).into();
        self.shards[usize::from(this.shard.0)].deliveries.push(Act::Frames { client, frames, behind });
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

    /// What a client missed, of the rooms in which it still is, and up to where its lanes have it then.
    fn missed(&self, client: usize, missing: &[(u8, u32)]) -> (Vec<u8>, Vec<(LaneKey, Mark)>) {
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        let this = &self.clients[client];
        for &(room, after) in missing {
            for &(key, lane) in this.lanes.iter().filter(|(key, _)| key.0 == room) {
                let numbers = after + 1..=self.tops[usize::from(room)];
                frames.extend(numbers.flat_map(|number| frame(kind(key), number)));
                ends.push((lane, self.lanes.end(lane, this.shard)));
            }
        }
        (frames, ends)
    }

    /// What a shard does in a turn; `stops`: it may leave off in the middle.
    fn turn(&mut self, index: usize, stops: bool) {
        let key = ShardKey(index as u8);
        let mut taken = Vec::new();
        let drained = std::mem::take(&mut self.shards[index].drained);
        let mut missed = Vec::new();
        for (client, missing) in drained {
            missed.push((client, self.missed(client, &missing)));
            self.clients[client].catching = missing;
        }
        self.lanes.take(key, &mut taken);
        let shard = &mut self.shards[index];
        for lane in shard.exits.drain(..) {
            self.lanes.leave(lane, key);
        }
        let deliveries = std::mem::take(&mut shard.deliveries);
        shard.audiences.values_mut().for_each(Audience::forget);
        for taken in taken {
            let top = self.tops[usize::from(taken.key.0)];
            shard.audiences.entry(taken.lane).or_default().gather(taken.start, taken.frames, top);
        }
        for act in deliveries {
            match act {
                Act::Enter { client, lane, room, from, top } => {
                    let this = &mut self.clients[client];
                    if !this.gone {
                        let audience = shard.audiences.entry(lane).or_default();
                        let index = audience.enter(client as u32, from, top);
                        this.places.push(Place { lane, room, index });
                    }
                }
                Act::Exit { client, lane, lane_end } => {
                    let this = &mut self.clients[client];
                    let at = this.places.iter().position(|place| place.lane == lane);
                    let Some(at) = at else { continue };
                    match this.lag {
                        None => shard.catch_up(this, lane, lane_end),
                        Some(_) => this.miss(
                            this.places[at].room,
                            shard.audiences[&lane].position(this.places[at].index),
                        ),
                    }
                    let place = this.places.remove(at);
                    shard.vacate(&mut self.clients, place);
                }
                Act::Frames { client, frames, behind } => {
                    let this = &mut self.clients[client];
                    if this.gone {
                        continue;
                    }
                    for (lane, to) in behind {
                        shard.catch_up(this, lane, to);
                    }
                    this.send(frames);
                }
            }
        }
        // Not sooner: what it has left meanwhile is not for it, and what it has entered is.
        for (client, (frames, ends)) in missed {
            let this = &mut self.clients[client];
            this.catching.clear();
            if this.gone {
                continue;
            }
            for (lane, end) in ends {
                let place = this.places.iter().find(|place| place.lane == lane).unwrap();
                shard.audiences.get_mut(&lane).unwrap().skip(place.index, end);
            }
            this.send(frames.into());
        }
        let mut lanes: Vec<LaneKey> = shard.audiences.keys().copied().collect();
        lanes.sort_unstable();
        for lane in lanes {
            let audience = shard.audiences.get_mut(&lane).unwrap();
            if stops && self.random.once_in(4) {
                continue;
            }
            if !audience.begin() {
                continue;
            }
            let room = self.lanes.key(lane).unwrap().0;
            let mut is_done = true;
            while let Some(share) = audience.next() {
                let this = &mut self.clients[share.slot as usize];
                assert!(this.places.iter().any(|place| place.lane == lane));
                let before = audience.before();
                let turn = audience.turn().unwrap();
                let end = turn.bytes().len();
                let may_lag = this.is_many || share.from == 0;
                match &this.outbox {
                    _ if this.lag.is_some() => this.miss(room, before),
                    Some(outbox) if may_lag && outbox.waiting_bytes() + end > self.lag_bytes => {
                        this.miss(room, before);
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
                && let Some(missing) = this.lag.take()
            {
                shard.drained.push((client, missing));
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

    /// Reads what each client got as it would itself. Gives how many lagged, of those in one room and of the others.
    fn check(&self, seed: u64) -> (usize, usize) {
        let mut lagged = (0, 0);
        for (index, client) in self.clients.iter().enumerate() {
            let about = format!("seed {seed}, client {index}");
            // Up to where it has each room, and how many records it was shown there.
            let mut rooms: HashMap<u8, (u32, u32)> = HashMap::new();
            let mut told = 0;
            let repeats = client.is_many && client.ever_lagged;
            // The last frame of one who has left may be cut.
            let whole = whole_frames(&client.taken);
            assert!(client.gone || whole == client.taken.len(), "{about}");
            for (kind, number) in frames(&client.taken[..whole]) {
                if kind == PERSONAL {
                    assert_eq!(number as usize, told, "{about}: what it alone was told");
                    let this = &client.told[told];
                    for &(room, count) in this.seen.iter().filter(|_| !client.ever_lagged) {
                        let seen = rooms.get(&room).map_or(0, |room| room.1);
                        assert_eq!(seen, count, "{about}: the place of what it was told");
                    }
                    told += 1;
                    match this.at {
                        Some((room, Some(at))) => rooms.entry(room).or_default().0 = at,
                        Some((room, None)) => rooms.entry(room).or_default().0 = u32::MAX,
                        None => {}
                    }
                    continue;
                }
                let (room, way) = (kind / 2, kind % 2);
                let (at, count) = rooms.entry(room).or_insert((u32::MAX, 0));
                if repeats && number <= *at {
                    continue;
                }
                // What comes between the join and its reply is for a client to keep until then; here it cannot be.
                assert_eq!(number.wrapping_sub(1), *at, "{about}: a gap, or a record twice");
                let is_it = |stay: &&Stay| stay.key.0 == room && stay.from < number && number <= stay.to;
                let stay = client.stays.iter().find(is_it);
                assert!(stay.is_some(), "{about}: shown what was not for it");
                assert!(stay.is_some_and(|stay| repeats || stay.key.1 == way), "{about}: in another way");
                (*at, *count) = (number, *count + 1);
            }
            if !client.gone {
                assert_eq!(told, client.told.len(), "{about}");
                for &(key, _) in &client.lanes {
                    assert_eq!(rooms[&key.0].0, self.tops[usize::from(key.0)], "{about}: the newest");
                }
            }
            match client.is_many {
                false => lagged.0 += usize::from(client.ever_lagged),
                true => lagged.1 += usize::from(client.ever_lagged),
            }
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
    let (mut clients, mut lagged) = (0, (0, 0));
    for seed in 0..3_000 {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.step();
        }
        world.settle();
        let (one, many) = world.check(seed);
        lagged = (lagged.0 + one, lagged.1 + many);
        clients += world.clients.len();
    }
    // The schedules are rich enough to mean something.
    assert!(clients > 30_000 && lagged.0 > 1_000 && lagged.1 > 700, "{clients} clients, {lagged:?} lagged");
}
