//! What is to be sent, gathered for each shard until its next turn; and where connections are found.

use std::collections::HashMap;

use bytes::Bytes;

use crate::chat::{Given, RoomKey};
use crate::error::{Error, ErrorCode};
use crate::event::Dialect;
use crate::fanout::{LaneKey, Lanes, Mark, ShardKey, Taken};
use crate::id::{ConnectionId, Position};
use crate::wire::{Kind, write_frame};

use super::receipts::Part;
use super::shards::MAX_SHARDS;

/// What a lane is for: those in a room, or in none, who speak a dialect.
pub(super) type Lane = (Option<RoomKey>, Dialect);

/// Something for a shard to do to one connection, in the order of happening.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) slot: u32,
    pub(super) connection: ConnectionId,
    pub(super) act: Act,
}

#[derive(Debug)]
pub(super) enum Act {
    /// It is in a lane: what the lane gets from this mark on is for it. `top`: the room's newest record then.
    Enter { lane: LaneKey, from: Mark, top: Position },
    /// These frames are for it, after what its lane had got by this mark.
    Frames { frames: Bytes, lane_end: Mark },
    /// Close it, after what its lane had got by this mark.
    Close { code: u16, reason: String, lane_end: Mark },
    /// It may be read again, not before this moment.
    Release { at_ms: u64 },
    /// The host lets it in.
    Admitted { given: Option<Given> },
    /// The host does not.
    Denied { reason: String },
}

/// What a connection was not shown while it lagged.
#[derive(Debug)]
pub(crate) enum Missed {
    /// These whole frames are everything up to this mark of its lane.
    Frames { frames: Bytes, lane_end: Mark },
    /// It is more than is kept for it.
    TooMuch,
}

/// Everything that has gathered for a shard.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) deliveries: Vec<Delivery>,
    /// What each lane got.
    pub(super) lanes: Vec<Taken<Lane>>,
    /// The newest record of the room of each of them.
    pub(super) tops: Vec<Position>,
}

/// Where a connection is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    slot: u32,
    pub(super) shard: ShardKey,
    pub(super) dialect: Dialect,
    /// `None` until its handshake is done.
    pub(super) lane: Option<LaneKey>,
}

#[derive(Debug)]
pub(super) struct Dispatch {
    seats: HashMap<ConnectionId, Seat>,
    lanes: Lanes<Lane>,
    /// For each shard.
    gathered: Box<[Gathered]>,
    /// Where a payload is written before its length is known.
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Gathered {
    deliveries: Vec<Delivery>,
    /// Bytes of frames in them.
    bytes: usize,
    /// What the shard has taken and not sent yet.
    held_bytes: usize,
}

impl Dispatch {
    pub(super) fn new(shard_count: usize) -> Dispatch {
        Dispatch {
            seats: HashMap::new(),
            lanes: Lanes::new(shard_count),
            gathered: (0..shard_count.min(MAX_SHARDS)).map(|_| Gathered::default()).collect(),
            scratch: Vec::new(),
        }
    }

    /// Notes where a connection is found.
    pub(super) fn seat(&mut self, connection: ConnectionId, shard: ShardKey, slot: u32, dialect: Dialect) {
        self.seats.insert(connection, Seat { slot, shard, dialect, lane: None });
    }

    /// Finds a connection.
    pub(super) fn find(&self, connection: ConnectionId) -> Option<Seat> {
        self.seats.get(&connection).copied()
    }

    /// Finds a connection whose handshake is done.
    ///
    /// # Errors
    /// `unknown_connection`.
    pub(super) fn find_open(&self, connection: ConnectionId) -> Result<Seat, Error> {
        self.find(connection).filter(|seat| seat.lane.is_some()).ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownConnection,
                format!("there is no connection {connection}, or it is closed"),
            )
        })
    }

    /// Forgets a connection. Gives its seat, and whether it was the last of its lane in its shard.
    pub(super) fn unseat(&mut self, connection: ConnectionId) -> Option<(Seat, bool)> {
        let seat = self.seats.remove(&connection)?;
        let was_last = seat.lane.is_some_and(|lane| self.lanes.leave(lane, seat.shard));
        Some((seat, was_last))
    }

    /// The parts of a lane that have connections, with where they end now.
    pub(super) fn parts(&self, lane: Lane) -> Vec<Part> {
        let Some(lane) = self.lanes.find(lane) else { return Vec::new() };
        let shards = (0..self.gathered.len()).map(|index| ShardKey(index as u8));
        let part = |shard| Part {
            lane,
            shard,
            end: self.lanes.end(lane, shard),
            connection_count: self.lanes.connection_count(lane, shard) as u64,
        };
        shards.map(part).filter(|part| part.connection_count > 0).collect()
    }

    /// Puts a connection in the lane of its room and dialect. `top`: the room's newest record.
    pub(super) fn enter(&mut self, connection: ConnectionId, room: Option<RoomKey>, top: Position) {
        let Some(seat) = self.seats.get_mut(&connection) else { return };
        let (lane, from) = self.lanes.enter((room, seat.dialect), seat.shard);
        seat.lane = Some(lane);
        self.push_to(connection, Act::Enter { lane, from, top });
    }

    /// Sends whole frames to one connection.
    pub(super) fn deliver(&mut self, connection: ConnectionId, frames: Bytes) {
        let Some(seat) = self.find(connection) else { return };
        self.gathered[usize::from(seat.shard.0)].bytes += frames.len();
        let lane_end = self.lane_end(seat);
        self.push_to(connection, Act::Frames { frames, lane_end });
    }

    /// Closes one connection.
    pub(super) fn close(&mut self, connection: ConnectionId, code: u16, reason: String) {
        let Some(seat) = self.find(connection) else { return };
        let lane_end = self.lane_end(seat);
        self.push_to(connection, Act::Close { code, reason, lane_end });
    }

    pub(super) fn push_to(&mut self, connection: ConnectionId, act: Act) {
        if let Some(Seat { slot, shard, .. }) = self.find(connection) {
            self.gathered[usize::from(shard.0)].deliveries.push(Delivery { slot, connection, act });
        }
    }

    /// The room of a connection.
    pub(super) fn room(&self, seat: Seat) -> Option<RoomKey> {
        seat.lane.and_then(|lane| self.lanes.key(lane)).and_then(|(room, _)| room)
    }

    /// Sends a text frame, whose payload `write` appends, to those in a room who speak a dialect.
    pub(super) fn show(&mut self, lane: Lane, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(lane) = self.lanes.find(lane) else { return };
        self.scratch.clear();
        write(&mut self.scratch);
        let payload = &self.scratch;
        self.lanes.append(lane, |buffer| write_frame(buffer, Kind::Text, payload));
    }

    /// Sends whole frames to all lanes for which `is_meant` says yes.
    pub(super) fn show_all(&mut self, is_meant: impl Fn(Lane) -> bool, frames: &[u8]) {
        for lane in self.lanes.select(is_meant) {
            self.lanes.append(lane, |buffer| buffer.extend_from_slice(frames));
        }
    }

    /// Takes what has gathered for a shard, which still holds so many bytes of what it took before.
    pub(super) fn take(&mut self, shard: ShardKey, held_bytes: usize, outgoing: &mut Outgoing) {
        let gathered = &mut self.gathered[usize::from(shard.0)];
        std::mem::swap(&mut gathered.deliveries, &mut outgoing.deliveries);
        gathered.bytes = 0;
        gathered.held_bytes = held_bytes + self.lanes.waiting_bytes(shard);
        self.lanes.take(shard, &mut outgoing.lanes);
    }

    /// Gives a lane's buffer back after its turn.
    pub(super) fn give_back(&mut self, lane: LaneKey, shard: ShardKey, buffer: Vec<u8>) {
        self.lanes.give_back(lane, shard, buffer);
    }

    /// The shards for which something has gathered, a bit for each.
    pub(super) fn waiting(&self) -> u64 {
        let waits = |(index, gathered): (usize, &Gathered)| {
            let waits = !gathered.deliveries.is_empty() || self.lanes.is_waiting(ShardKey(index as u8));
            u64::from(waits) << index
        };
        self.gathered.iter().enumerate().map(waits).sum()
    }

    /// How many bytes wait to be sent, for the shard for which it is most.
    pub(super) fn waiting_bytes(&self) -> usize {
        let bytes = |(index, gathered): (usize, &Gathered)| {
            gathered.bytes + gathered.held_bytes + self.lanes.waiting_bytes(ShardKey(index as u8))
        };
        self.gathered.iter().enumerate().map(bytes).max().unwrap_or(0)
    }

    /// Up to where a connection's lane has got something.
    pub(super) fn lane_end(&self, seat: Seat) -> Mark {
        seat.lane.map_or(Mark::default(), |lane| self.lanes.end(lane, seat.shard))
    }
}
