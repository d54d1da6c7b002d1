//! What is to be sent, gathered for each shard until its next turn; and where connections are found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;

use crate::chat::{Given, RoomKey};
use crate::error::{Error, ErrorCode};
use crate::event::Dialect;
use crate::fanout::{Few, LaneKey, Lanes, Mark, ShardKey, Taken};
use crate::id::{ConnectionId, Position};
use crate::wire::{Kind, write_frame};

use super::receipts::Part;
use super::shards::MAX_SHARDS;

/// What a lane is for: those in a room, or in none, who speak a dialect and are shown the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) room: Option<RoomKey>,
    pub(crate) dialect: Dialect,
    /// The one connection that is in it, because it is shown something else than the others; `None`: all others.
    pub(crate) viewer: Option<ConnectionId>,
}

impl Lane {
    /// The lane of all in a room, or in none, who speak a dialect and are shown the same.
    pub(crate) const fn common(room: Option<RoomKey>, dialect: Dialect) -> Lane {
        Lane { room, dialect, viewer: None }
    }
}

/// Up to where lanes of a connection had got something: what it is sent next comes behind that.
pub(crate) type Ends = Few<(LaneKey, Mark)>;

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
    Enter { key: LaneKey, lane: Lane, from: Mark, top: Position },
    /// It is in a lane no longer: what the lane got up to this mark is for it, and nothing more.
    Exit { lane: LaneKey, lane_end: Mark },
    /// These frames are for it, after what its lanes had got by these marks.
    Frames { frames: Bytes, behind: Ends },
    /// Close it, after what its lanes had got by these marks.
    Close { code: u16, reason: String, behind: Ends },
    /// It may be read again, not before this moment; of those who speak v1, not before all that waits has left.
    Release { at_ms: u64 },
    /// A v1 connection is sent something at least this often from now on, and has to send something as often.
    Heartbeat { interval_ms: u64 },
    /// The host lets it in.
    Admitted { given: Option<Given> },
    /// The host does not.
    Denied { reason: String },
}

/// What a v1 connection was not shown of its rooms while it lagged.
#[derive(Debug, Default)]
pub(crate) struct MissedRooms {
    /// The missing records, or what says that there is a gap.
    pub(crate) frames: Bytes,
    /// They are everything of these lanes up to these marks.
    pub(crate) ends: Ends,
}

/// What a tutorial connection was not shown while it lagged.
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
#[derive(Debug)]
pub(super) struct Seat {
    slot: u32,
    pub(super) shard: ShardKey,
    pub(super) dialect: Dialect,
    /// Its handshake is done.
    is_open: bool,
    lanes: Few<LaneKey>,
}

#[derive(Debug)]
pub(super) struct Dispatch {
    seats: HashMap<ConnectionId, Seat>,
    lanes: Lanes<Lane>,
    /// Who is alone in a lane, for each room where anybody is.
    viewers: HashMap<RoomKey, Vec<ConnectionId>>,
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
    /// Lanes that connections have left since the shard took last, once for each: what they had got by then is still
    /// to be taken.
    exits: Vec<LaneKey>,
    /// What the shard has taken and not sent yet.
    held_bytes: usize,
}

impl Dispatch {
    pub(super) fn new(shard_count: usize) -> Dispatch {
        Dispatch {
            seats: HashMap::new(),
            lanes: Lanes::new(shard_count),
            viewers: HashMap::new(),
            gathered: (0..shard_count.min(MAX_SHARDS)).map(|_| Gathered::default()).collect(),
            scratch: Vec::new(),
        }
    }

    /// Notes where a connection is found.
    pub(super) fn seat(&mut self, connection: ConnectionId, shard: ShardKey, slot: u32, dialect: Dialect) {
        self.seats.insert(connection, Seat { slot, shard, dialect, is_open: false, lanes: Few::None });
    }

    /// The handshake of a connection is done.
    pub(super) fn open(&mut self, connection: ConnectionId) {
        if let Some(seat) = self.seats.get_mut(&connection) {
            seat.is_open = true;
        }
    }

    /// Finds a connection.
    pub(super) fn find(&self, connection: ConnectionId) -> Option<&Seat> {
        self.seats.get(&connection)
    }

    /// Finds a connection whose handshake is done.
    ///
    /// # Errors
    /// `unknown_connection`.
    pub(super) fn find_open(&self, connection: ConnectionId) -> Result<&Seat, Error> {
        self.find(connection).filter(|seat| seat.is_open).ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownConnection,
                format!("there is no connection {connection}, or it is closed"),
            )
        })
    }

    /// Forgets a connection. Gives whether there was one; `deserted` is told the lanes in which it was its shard's
    /// last.
    pub(super) fn unseat(
        &mut self,
        connection: ConnectionId,
        mut deserted: impl FnMut(LaneKey, ShardKey),
    ) -> bool {
        let Some(seat) = self.seats.remove(&connection) else { return false };
        for &lane in seat.lanes.as_slice() {
            self.forget_viewer(lane);
            if self.lanes.leave(lane, seat.shard) {
                deserted(lane, seat.shard);
            }
        }
        true
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

    /// Puts a connection in a lane, unless it is there. `top`: the newest record of the lane's room.
    pub(super) fn enter(&mut self, connection: ConnectionId, lane: Lane, top: Position) {
        let Some(seat) = self.seats.get_mut(&connection) else { return };
        if self.lanes.find(lane).is_some_and(|lane| seat.lanes.as_slice().contains(&lane)) {
            return;
        }
        let (key, from) = self.lanes.enter(lane, seat.shard);
        seat.lanes.push(key);
        if let (Some(room), Some(viewer)) = (lane.room, lane.viewer) {
            self.viewers.entry(room).or_default().push(viewer);
        }
        self.push_to(connection, Act::Enter { key, lane, from, top });
    }

    /// Takes a connection out of a lane: it has what the lane got so far, and nothing more of it.
    pub(super) fn exit(&mut self, connection: ConnectionId, lane: Lane) {
        let (Some(seat), Some(key)) = (self.seats.get_mut(&connection), self.lanes.find(lane)) else {
            return;
        };
        if seat.lanes.take_first(|&other| other == key).is_none() {
            return;
        }
        let (shard, lane_end) = (seat.shard, self.lanes.end(key, seat.shard));
        self.forget_viewer(key);
        self.gathered[usize::from(shard.0)].exits.push(key);
        self.push_to(connection, Act::Exit { lane: key, lane_end });
    }

    /// Sends whole frames to one connection, behind what its lanes of a room have got, or all of them.
    pub(super) fn deliver(&mut self, connection: ConnectionId, room: Option<RoomKey>, frames: Bytes) {
        let Some(seat) = self.find(connection) else { return };
        let (shard, behind) = (seat.shard, self.ends(seat, room));
        self.gathered[usize::from(shard.0)].bytes += frames.len();
        self.push_to(connection, Act::Frames { frames, behind });
    }

    /// Closes one connection, behind what its lanes have got.
    pub(super) fn close(&mut self, connection: ConnectionId, code: u16, reason: String) {
        let Some(seat) = self.find(connection) else { return };
        let behind = self.ends(seat, None);
        self.push_to(connection, Act::Close { code, reason, behind });
    }

    pub(super) fn push_to(&mut self, connection: ConnectionId, act: Act) {
        if let Some(&Seat { slot, shard, .. }) = self.seats.get(&connection) {
            self.gathered[usize::from(shard.0)].deliveries.push(Delivery { slot, connection, act });
        }
    }

    /// The room of a connection that is in one at the most.
    pub(super) fn room(&self, seat: &Seat) -> Option<RoomKey> {
        seat.lanes.as_slice().first().and_then(|&lane| self.lanes.key(lane)).and_then(|lane| lane.room)
    }

    /// Who is shown something else in a room than the others are.
    pub(super) fn viewers(&self, room: RoomKey) -> Vec<ConnectionId> {
        self.viewers.get(&room).cloned().unwrap_or_default()
    }

    /// Whether anybody is in a lane.
    pub(super) fn has(&self, lane: Lane) -> bool {
        self.lanes.find(lane).is_some()
    }

    fn forget_viewer(&mut self, lane: LaneKey) {
        let Some(Lane { room: Some(room), viewer: Some(viewer), .. }) = self.lanes.key(lane) else { return };
        if let Entry::Occupied(mut there) = self.viewers.entry(room) {
            there.get_mut().retain(|&other| other != viewer);
            if there.get().is_empty() {
                there.remove();
            }
        }
    }

    /// Sends a text frame, whose payload `write` appends, to those in a lane.
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

    /// Takes what has gathered for a shard, which still holds so many bytes of what it took before. `deserted` is told
    /// the lanes that the shard's last connection has left meanwhile.
    pub(super) fn take(
        &mut self,
        shard: ShardKey,
        held_bytes: usize,
        outgoing: &mut Outgoing,
        mut deserted: impl FnMut(LaneKey),
    ) {
        let gathered = &mut self.gathered[usize::from(shard.0)];
        std::mem::swap(&mut gathered.deliveries, &mut outgoing.deliveries);
        gathered.bytes = 0;
        gathered.held_bytes = held_bytes + self.lanes.waiting_bytes(shard);
        self.lanes.take(shard, &mut outgoing.lanes);
        // Not sooner: what a lane got before they left is theirs, and its key must not be another's by then.
        for lane in gathered.exits.drain(..) {
            if self.lanes.leave(lane, shard) {
                deserted(lane);
            }
        }
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

    /// How many bytes of frames for single connections have gathered for a shard.
    pub(super) fn personal_bytes(&self, shard: ShardKey) -> usize {
        self.gathered[usize::from(shard.0)].bytes
    }

    /// How many bytes wait to be sent, for the shard for which it is most.
    pub(super) fn waiting_bytes(&self) -> usize {
        let bytes = |(index, gathered): (usize, &Gathered)| {
            gathered.bytes + gathered.held_bytes + self.lanes.waiting_bytes(ShardKey(index as u8))
        };
        self.gathered.iter().enumerate().map(bytes).max().unwrap_or(0)
    }

    /// Up to where the lane of a connection has got something that is in one at the most.
    pub(super) fn lane_end(&self, seat: &Seat) -> Mark {
        seat.lanes.as_slice().first().map_or(Mark::default(), |&lane| self.lanes.end(lane, seat.shard))
    }

    /// The lanes of a room that a connection is in: one, except while it changes from one to the other.
    pub(super) fn lanes_in(&self, connection: ConnectionId, room: Option<RoomKey>) -> Vec<Lane> {
        let lanes = self.find(connection).map_or(&[][..], |seat| seat.lanes.as_slice());
        let lanes = lanes.iter().filter_map(|&lane| self.lanes.key(lane));
        lanes.filter(|lane| lane.room == room).collect()
    }

    /// Up to where the lanes of a connection have got something: those of a room, or all.
    pub(super) fn ends(&self, seat: &Seat, room: Option<RoomKey>) -> Ends {
        let end = |lane: LaneKey| (lane, self.lanes.end(lane, seat.shard));
        let is_meant =
            |&lane: &LaneKey| room.is_none() || self.lanes.key(lane).is_some_and(|lane| lane.room == room);
        let mut ends = Ends::None;
        for lane in seat.lanes.as_slice().iter().copied().filter(is_meant) {
            ends.push(end(lane));
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardKey = ShardKey(0);
    const ROOM: RoomKey = RoomKey(3);
    const ANN: ConnectionId = ConnectionId(1);
    const BOB: ConnectionId = ConnectionId(2);
    const COMMON: Lane = Lane::common(Some(ROOM), Dialect::V1);
    const ANNS: Lane = Lane { viewer: Some(ANN), ..COMMON };

    fn dispatch() -> Dispatch {
        let mut dispatch = Dispatch::new(1);
        for (connection, slot) in [(ANN, 0), (BOB, 1)] {
            dispatch.seat(connection, HERE, slot, Dialect::V1);
            dispatch.open(connection);
        }
        dispatch
    }

    fn show(dispatch: &mut Dispatch, lane: Lane) {
        dispatch.show(lane, |payload| payload.push(b'x'));
    }

    /// What the shard takes, in words; frames have three bytes.
    fn take(dispatch: &mut Dispatch) -> Vec<String> {
        let mut outgoing = Outgoing::default();
        let mut words = Vec::new();
        dispatch.take(HERE, 0, &mut outgoing, |lane| words.push(format!("lane {} deserted", lane.0)));
        for taken in outgoing.lanes {
            words.insert(0, format!("lane {} from {}: {}", taken.lane.0, taken.start.0, taken.frames.len()));
        }
        words.extend(outgoing.deliveries.into_iter().map(|delivery| {
            let who = delivery.connection.0;
            match delivery.act {
                Act::Enter { key, from, .. } => format!("{who} enters {} at {}", key.0, from.0),
                Act::Exit { lane, lane_end } => format!("{who} exits {} at {}", lane.0, lane_end.0),
                Act::Frames { behind, .. } => format!("{who} gets something behind {:?}", numbers(&behind)),
                Act::Close { behind, .. } => format!("{who} is closed behind {:?}", numbers(&behind)),
                other => panic!("{other:?}"),
            }
        }));
        words
    }

    fn numbers(ends: &Ends) -> Vec<(u32, u32)> {
        ends.as_slice().iter().map(|(lane, end)| (lane.0, end.0)).collect()
    }

    #[test]
    fn who_leaves_a_lane_has_what_it_got_before_even_as_the_last() {
        let mut dispatch = dispatch();
        dispatch.enter(ANN, COMMON, Position::default());
        show(&mut dispatch, COMMON);
        dispatch.exit(ANN, COMMON);
        show(&mut dispatch, COMMON);
        assert_eq!(
            take(&mut dispatch),
            ["lane 0 from 0: 6", "lane 0 deserted", "1 enters 0 at 0", "1 exits 0 at 3"]
        );
        show(&mut dispatch, COMMON);
        assert_eq!(dispatch.waiting(), 0);
        assert!(dispatch.find_open(ANN).is_ok());
    }

    #[test]
    fn lanes_are_swapped_at_marks_that_neither_overlap_nor_leave_anything_out() {
        let mut dispatch = dispatch();
        dispatch.enter(ANN, COMMON, Position::default());
        dispatch.enter(ANN, COMMON, Position::default());
        show(&mut dispatch, COMMON);
        assert!(dispatch.viewers(ROOM).is_empty());
        dispatch.enter(ANN, ANNS, Position::default());
        dispatch.exit(ANN, COMMON);
        for lane in [COMMON, ANNS] {
            show(&mut dispatch, lane);
        }
        assert_eq!(dispatch.viewers(ROOM), [ANN]);
        dispatch.exit(ANN, ANNS);
        dispatch.enter(ANN, COMMON, Position::default());
        assert!(dispatch.viewers(ROOM).is_empty());
        assert_eq!(
            take(&mut dispatch),
            [
                "lane 1 from 0: 3",
                "lane 0 from 0: 6",
                "lane 1 deserted",
                "1 enters 0 at 0",
                "1 enters 1 at 0",
                "1 exits 0 at 3",
                "1 exits 1 at 3",
                "1 enters 0 at 6"
            ]
        );
        dispatch.enter(ANN, ANNS, Position::default());
        dispatch.unseat(ANN, |_, _| {});
        assert!(dispatch.viewers(ROOM).is_empty());
    }

    #[test]
    fn what_is_for_one_comes_behind_its_lanes_of_the_room_or_behind_all() {
        let mut dispatch = dispatch();
        let den = Lane::common(Some(RoomKey(4)), Dialect::V1);
        dispatch.deliver(BOB, None, Bytes::from_static(b"hello"));
        assert_eq!(take(&mut dispatch), ["2 gets something behind []"]);
        dispatch.enter(BOB, COMMON, Position::default());
        dispatch.enter(BOB, den, Position::default());
        show(&mut dispatch, den);
        dispatch.deliver(BOB, den.room, Bytes::from_static(b"reply"));
        show(&mut dispatch, COMMON);
        dispatch.deliver(BOB, None, Bytes::from_static(b"tell"));
        show(&mut dispatch, den);
        dispatch.close(BOB, 4200, String::new());
        assert_eq!(
            take(&mut dispatch)[2..],
            [
                "2 enters 0 at 0",
                "2 enters 1 at 0",
                "2 gets something behind [(1, 3)]",
                "2 gets something behind [(0, 3), (1, 3)]",
                "2 is closed behind [(0, 3), (1, 6)]"
            ]
        );
    }

    #[test]
    fn a_connection_is_found_once_its_handshake_is_done_in_whatever_lanes_it_is() {
        let mut dispatch = Dispatch::new(1);
        dispatch.seat(ANN, HERE, 0, Dialect::V1);
        assert_eq!(dispatch.find_open(ANN).unwrap_err().code(), ErrorCode::UnknownConnection);
        dispatch.open(ANN);
        assert!(dispatch.find_open(ANN).is_ok());
        assert!(dispatch.unseat(ANN, |_, _| {}) && !dispatch.unseat(ANN, |_, _| {}));
    }
}
