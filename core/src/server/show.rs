//! What rooms are shown: the turns of the lanes, sent to everybody in them.
//!
//! A turn is sent for a moment, and gone on with after the sockets have been looked at again, so that one large room
//! holds nobody else up. What is said meanwhile is shown in one go, which costs hardly more than one message would.

use std::io;

use bytes::Bytes;

use crate::close::Cause;
use crate::event::Dialect;
use crate::fanout::{Audience, LaneKey, Mark, Taken, Turn};
use crate::id::{ConnectionId, Position};

use super::clock::Moment;
use super::compression::Batch;
use super::connection::{Connection, Seat};
use super::dispatch::{Lane, Missed, MissedRooms};
use super::receipts::{Outcome, Shown};
use super::shard::{Shard, ShardSettings};
use super::waiting::Tally;

/// A lane's connections in this shard, and what they are being shown.
#[derive(Debug, Default)]
pub(super) struct Stage {
    audience: Audience<Position>,
    /// The turn under way, deflated, once somebody could read that.
    batch: Option<Batch>,
    /// It stands in the shard's list of lanes that have something to show.
    is_listed: bool,
    /// What has become of the turn under way.
    shown: Shown,
    /// What the lane is for, since somebody came.
    lane: Option<Lane>,
}

impl Stage {
    /// Up to where the lane has got something here.
    pub(super) fn lane_end(&self) -> Mark {
        self.audience.lane_end()
    }
}

/// A v1 connection that lagged, and is shown what it missed in this turn.
#[derive(Debug)]
pub(super) struct Catching {
    pub(super) slot: u32,
    pub(super) id: ConnectionId,
    /// What it missed.
    pub(super) missing: Vec<(Lane, Position)>,
    /// What it is shown for that.
    pub(super) shown: MissedRooms,
}

impl Shard {
    /// Adds what a lane has got.
    pub(super) fn gather(&mut self, taken: Taken<Lane>, top: Position) {
        let stage = stage(&mut self.stages, taken.lane);
        stage.audience.gather(taken.start, taken.frames, top);
        if !std::mem::replace(&mut stage.is_listed, true) {
            self.showing.push(taken.lane);
        }
    }

    /// How many bytes have gathered that nobody was shown yet.
    pub(super) fn gathered_bytes(&self) -> usize {
        let bytes = |lane: &LaneKey| self.stages[lane.0 as usize].audience.gathered_bytes();
        self.showing.iter().map(bytes).sum()
    }

    pub(super) fn enter(
        &mut self,
        slot: u32,
        id: ConnectionId,
        (key, lane): (LaneKey, Lane),
        from: Mark,
        top: Position,
    ) {
        // One that is being closed has left everything already.
        if self.find_talking(slot, id).is_some() {
            let stage = stage(&mut self.stages, key);
            stage.lane = Some(lane);
            let index = stage.audience.enter(slot, from, top);
            self.connections[slot as usize].seats.push(Seat { lane: key, index });
        }
    }

    /// Takes a connection out of a lane, when it has what that had got up to a mark.
    pub(super) fn exit(&mut self, slot: u32, id: ConnectionId, lane: LaneKey, to: Mark) {
        self.catch_up(slot, id, lane, to);
        let Some(connection) = self.connections.get_mut(slot as usize).filter(|other| other.id == id) else {
            return;
        };
        let Some(seat) = connection.seats.take_first(|seat| seat.lane == lane) else { return };
        let stage = &self.stages[seat.lane.0 as usize];
        if let Some(lane) = stage.lane {
            // If it lags: it may be in another lane of the room, or enter one next.
            connection.miss(lane, stage.audience.position(seat.index));
        }
        self.vacate(seat);
    }

    /// Takes a connection out of its lanes.
    pub(super) fn unseat(&mut self, slot: u32) {
        while let Some(seat) = self.connections.get_mut(slot as usize).and_then(|other| other.seats.pop()) {
            self.vacate(seat);
        }
    }

    fn vacate(&mut self, seat: Seat) {
        let connections = &mut self.connections;
        let stage = &mut self.stages[seat.lane.0 as usize];
        stage.audience.leave(seat.index, |slot, index| {
            let seats = connections[slot as usize].seats.as_mut_slice();
            if let Some(moved) = seats.iter_mut().find(|other| other.lane == seat.lane) {
                moved.index = index;
            }
        });
        if stage.audience.is_empty() {
            // The turn that was under way is no more.
            stage.batch = None;
            stage.shown = Shown::default();
            self.emptied.push(seat.lane);
        }
    }

    /// Has the lanes forget what nobody is left to be shown. Comes before anything more is gathered.
    pub(super) fn forget_emptied(&mut self) {
        for lane in self.emptied.drain(..) {
            self.stages[lane.0 as usize].audience.forget();
        }
    }

    /// Queues what a lane of a connection has got up to a mark, so that something of its own can follow.
    pub(super) fn catch_up(&mut self, slot: u32, id: ConnectionId, lane: LaneKey, to: Mark) {
        // Who lags is not shown what is new before what is missing.
        let Some(connection) = self.find(slot, id).filter(|connection| !connection.is_lagging()) else {
            return;
        };
        let seat = connection.seats.as_slice().iter().copied().find(|seat| seat.lane == lane);
        let Some(seat) = seat.filter(|_| !self.is_catching(id, lane)) else { return };
        let mut pieces: [Option<Bytes>; 2] = [None, None];
        let mut places = pieces.iter_mut();
        self.stages[seat.lane.0 as usize].audience.catch_up(seat.index, to, |piece| {
            if let Some(place) = places.next() {
                *place = Some(piece);
            }
        });
        for piece in pieces.into_iter().flatten() {
            // The first one may have been too much for it.
            if self.find_talking(slot, id).is_some() {
                self.send(slot, piece);
            }
        }
    }

    /// Whether a v1 connection is shown what it missed of a lane's room in this turn.
    fn is_catching(&self, id: ConnectionId, lane: LaneKey) -> bool {
        !self.catching.is_empty() && {
            let room = self.stages[lane.0 as usize].lane.and_then(|lane| lane.room);
            let missing = self.catching.iter().find(|catching| catching.id == id);
            missing.is_some_and(|catching| catching.missing.iter().any(|(lane, _)| lane.room == room))
        }
    }

    /// Shows v1 connections what they missed while they lagged. Comes behind what the turn had for each alone: what
    /// they have left meanwhile is not for them, and what they have entered is.
    pub(super) fn catch_on(&mut self) {
        for Catching { slot, id, shown, .. } in std::mem::take(&mut self.catching) {
            let Some(connection) = self.find_talking(slot, id) else { continue };
            let terms = connection.terms;
            let MissedRooms { frames, ends } = shown;
            for &(lane, end) in ends.as_slice() {
                let seats = self.connections[slot as usize].seats.as_slice();
                if let Some(seat) = seats.iter().find(|seat| seat.lane == lane) {
                    self.stages[lane.0 as usize].audience.skip(seat.index, end);
                }
            }
            if !frames.is_empty() {
                let frames = self.compression.personal(frames, terms);
                self.send(slot, frames);
            }
        }
    }

    /// Shows a connection what it missed while it lagged, or closes it.
    pub(super) fn end_lag(&mut self, slot: u32, id: ConnectionId, missed: Missed) {
        let Some(connection) = self.find(slot, id) else { return };
        let (Some(&seat), terms) = (connection.seats.as_slice().first(), connection.terms) else { return };
        match missed {
            Missed::Frames { frames, lane_end } => {
                self.stages[seat.lane.0 as usize].audience.skip(seat.index, lane_end);
                if !frames.is_empty() {
                    let frames = self.compression.personal(frames, terms);
                    self.send(slot, frames);
                }
            }
            Missed::TooMuch => {
                self.close_for(slot, Cause::TooSlow, "more was said than is kept for a connection that lags");
            }
        }
    }

    /// Shows the lanes what they have got, for a moment.
    pub(super) fn show(&mut self) {
        if self.showing.is_empty() {
            return;
        }
        let moment = self.shared.moment();
        let mut ended = Vec::new();
        let mut showing = std::mem::take(&mut self.showing);
        let mut done = 0;
        for lane in &showing {
            done += 1;
            if self.show_lane(*lane, &moment, &mut ended) {
                break;
            }
        }
        // Whoever was not looked at is next.
        showing.rotate_left(done);
        let stages = &mut self.stages;
        showing.retain(|lane| {
            let stage = &mut stages[lane.0 as usize];
            stage.is_listed = stage.audience.has_more();
            stage.is_listed
        });
        self.showing = showing;
        if !ended.is_empty() {
            let key = self.key;
            let _ = self.shared.with(|hub| ended.into_iter().for_each(|ended| hub.shown(key, ended)));
        }
    }

    /// Shows one lane what it has got. Gives whether the moment is over.
    fn show_lane(&mut self, lane: LaneKey, moment: &Moment, ended: &mut Vec<Ended>) -> bool {
        let mut stage = std::mem::take(&mut self.stages[lane.0 as usize]);
        let mut lost = Vec::new();
        if stage.audience.begin() && self.send_turn(&mut stage, moment, &mut lost) {
            let (end, shown) = (stage.audience.turn_end(), std::mem::take(&mut stage.shown));
            stage.batch = None;
            ended.push(Ended { lane, end, shown, buffer: stage.audience.end() });
        }
        self.stages[lane.0 as usize] = stage;
        for (slot, error) in lost {
            match error {
                Some(error) => self.lost(slot, &error.to_string()),
                None => self.too_slow(slot),
            }
        }
        moment.is_over()
    }

    /// Goes on with a lane's turn, for a moment. Gives whether everybody has had it. `lost`: who could not be sent it.
    fn send_turn(&mut self, stage: &mut Stage, moment: &Moment, lost: &mut Vec<Lost>) -> bool {
        let (before, end) = (stage.audience.before(), stage.audience.turn_end());
        let Stage { audience, batch, lane, shown, .. } = stage;
        let Some(lane) = *lane else { return true };
        let (has_log, is_v1) = (lane.room.is_some(), lane.dialect == Dialect::V1);
        let Some(turn) = audience.turn() else { return true };
        let len = turn.bytes().len();
        let worth_deflating = self.compression.is_worth(len);
        let begins = Mark(end.0.wrapping_sub(len as u32));
        let now_ms = self.now.ticks_ms;
        let mut count = 0;
        while let Some(share) = audience.next() {
            let (Some(connection), Some(mut turn)) =
                (self.connections.get_mut(share.slot as usize), audience.turn())
            else {
                continue;
            };
            // Who has had a part of the turn plain already cannot read the rest of the batch.
            if worth_deflating && share.from == 0 && connection.terms.is_on() {
                let batch = batch.get_or_insert_with(|| self.compression.batch(turn.bytes()));
                if batch.is_for(connection.terms) {
                    turn = &mut batch.turn;
                }
            }
            // Who has come since the last turn is not where that left off, which matters to those whose client cannot
            // tell.
            let may_lag = is_v1 || has_log && lane.dialect == Dialect::Tutorial && share.from == 0;
            let place = Place { from: share.from, lane, before, may_lag };
            let outcome = match show_to(connection, turn, place, now_ms, &self.settings, &mut self.tally) {
                Ok(outcome) => outcome,
                Err(error) => {
                    lost.push((share.slot, error));
                    Outcome::Lost
                }
            };
            shown.count(outcome, share.is_late.then(|| begins.plus(share.from)));
            count += 1;
            if moment.is_over_after(count) {
                return false;
            }
        }
        true
    }
}

/// Where a connection is in a turn.
#[derive(Clone, Copy)]
struct Place {
    /// From which byte on it is to be shown the turn.
    from: usize,
    lane: Lane,
    /// How far it is in the lane, if it has not had the turn before that byte.
    before: Position,
    /// It may be shown this later.
    may_lag: bool,
}

/// Shows one connection a turn.
///
/// # Errors
/// It is to be closed: its line is broken, or else too much waits for it.
fn show_to(
    connection: &mut Connection,
    turn: &mut Turn,
    place: Place,
    now_ms: u64,
    settings: &ShardSettings,
    tally: &mut Tally,
) -> Result<Outcome, Option<io::Error>> {
    let Place { from, lane, before, may_lag } = place;
    let end = turn.bytes().len();
    let sent = match &connection.outbox {
        None if from == end => 0,
        None => connection.transport.write(&turn.bytes()[from..]).map_err(Some)?,
        // Who has had the turn by another way misses nothing of it.
        Some(waiting) if waiting.lag.is_some() && from < end => {
            connection.miss(lane, before);
            return Ok(Outcome::Lagging);
        }
        Some(waiting) if may_lag && from < end && waiting.is_long(end - from, settings.lag_bytes) => {
            connection.begin_lag(lane, before, now_ms, tally);
            return Ok(Outcome::Lagging);
        }
        Some(_) => 0,
    };
    tally.sent_bytes += sent as u64;
    if sent == end - from {
        connection.queue_sealed(now_ms);
        return Ok(if connection.outbox.is_none() { Outcome::Sent } else { Outcome::Queued });
    }
    connection.queue(turn.slice(from, end), sent, now_ms, tally);
    match connection.waiting_bytes() > settings.outbox_bytes {
        true => Err(None),
        false => Ok(Outcome::Queued),
    }
}

/// A lane's turn that everybody has had.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) lane: LaneKey,
    /// Up to where it went.
    pub(super) end: Mark,
    pub(super) shown: Shown,
    /// To be used again.
    pub(super) buffer: Vec<u8>,
}

/// A connection that could not be sent something: its line is broken, or else too much waits for it.
type Lost = (u32, Option<io::Error>);

fn stage(stages: &mut Vec<Stage>, lane: LaneKey) -> &mut Stage {
    let index = lane.0 as usize;
    if stages.len() <= index {
        stages.resize_with(index + 1, Stage::default);
    }
    &mut stages[index]
}
