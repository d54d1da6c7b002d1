//! The second half of a turn: what connections are sent, and how they end.

use std::io::{ErrorKind, IoSlice};

use bytes::Bytes;

use crate::dialect::close_code;
use crate::fanout::{Outbox, Turn};
use crate::id::ConnectionId;
use crate::push::Cause;
use crate::wire::{close_frame, frame_len};

use super::connection::{Connection, Peer, Phase, Seat, Waiting};
use super::hub::{Act, Delivery, Outgoing};
use super::lanes::{LaneKey, Taken};
use super::shard::Shard;
use super::transport::MAX_SLICES;

impl Shard {
    /// Sends everything that has gathered in the hub.
    pub(super) fn flush(&mut self) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let _ = self.shared.with(|hub| hub.take(&mut outgoing));
        let Outgoing { deliveries, lanes } = &mut outgoing;
        let mut turns: Vec<(LaneKey, Turn)> =
            lanes.drain(..).map(|Taken { lane, frames }| (lane, Turn::Owned(frames))).collect();
        turns.sort_unstable_by_key(|(lane, _)| *lane);
        for delivery in deliveries.drain(..) {
            self.deliver(delivery, &mut turns);
        }
        for (lane, turn) in &mut turns {
            self.send_turn(*lane, turn);
        }
        for slot in std::mem::take(&mut self.unwritten) {
            self.write(slot);
        }
        if !turns.is_empty() {
            let _ = self.shared.with(|hub| {
                turns.into_iter().for_each(|(lane, turn)| hub.give_back(lane, turn.into_buffer()));
            });
        }
        self.outgoing = outgoing;
    }

    fn deliver(&mut self, delivery: Delivery, turns: &mut [(LaneKey, Turn)]) {
        let Delivery { slot, connection: id, act } = delivery;
        match act {
            Act::Enter { lane, from } => self.enter(slot, id, lane, from),
            Act::Frames { frames, lane_end } => {
                self.catch_up(slot, id, lane_end, turns);
                // RFC 6455 §5.5.1: nothing follows a close frame, which overtakes what the turn had for it.
                let terms = self
                    .find(slot, id)
                    .filter(|connection| matches!(connection.phase, Phase::Open | Phase::Failing(_)))
                    .map(|connection| connection.terms);
                if let Some(terms) = terms {
                    let frames = self.compression.personal(frames, terms);
                    self.send(slot, frames);
                }
            }
            Act::Close { code, reason, lane_end } => {
                self.catch_up(slot, id, lane_end, turns);
                if self.find(slot, id).is_some() {
                    self.close(slot, code, &reason, false);
                }
            }
            Act::Release { at_ms } => match at_ms > self.now.ticks_ms {
                true => self.releases.push(std::cmp::Reverse((at_ms, slot, id))),
                false => self.read_again(slot, id),
            },
            Act::Admitted { given } => self.admitted(slot, id, given),
            Act::Denied { reason } => self.denied(slot, id, reason),
        }
    }

    fn enter(&mut self, slot: u32, id: ConnectionId, lane: LaneKey, from: usize) {
        let lane_index = lane.0 as usize;
        if self.lanes.len() <= lane_index {
            self.lanes.resize_with(lane_index + 1, Vec::new);
        }
        let index = self.lanes[lane_index].len() as u32;
        if let Some(connection) = self.find(slot, id) {
            // A turn is far shorter than 4 GiB.
            connection.seat = Some(Seat { lane, index, from: from as u32 });
            self.lanes[lane_index].push(slot);
        }
    }

    /// Queues what a connection's lane has got up to `lane_end`, so that something of its own can follow.
    fn catch_up(&mut self, slot: u32, id: ConnectionId, lane_end: usize, turns: &mut [(LaneKey, Turn)]) {
        let Some(seat) = self.find(slot, id).and_then(|connection| connection.seat.as_mut()) else { return };
        let from = std::mem::replace(&mut seat.from, lane_end as u32) as usize;
        if from < lane_end
            && let Ok(index) = turns.binary_search_by_key(&seat.lane, |(lane, _)| *lane)
        {
            let frames = turns[index].1.slice(from, lane_end);
            self.send(slot, frames);
        }
    }

    /// Sends a lane's turn to everybody in it.
    fn send_turn(&mut self, lane: LaneKey, turn: &mut Turn) {
        let Some(slots) = self.lanes.get_mut(lane.0 as usize).map(std::mem::take) else { return };
        let mut lost = Vec::new();
        let worth_deflating = self.compression.is_worth(turn.bytes().len());
        let mut batch = None;
        for &slot in &slots {
            let Some(connection) = self.connections.get_mut(slot as usize) else { continue };
            let Some(seat) = &mut connection.seat else { continue };
            let from = std::mem::take(&mut seat.from) as usize;
            let mut turn = &mut *turn;
            // Who has had a part of the turn plain already cannot read the rest of the batch.
            if worth_deflating && from == 0 && connection.terms.is_on() {
                let batch = batch.get_or_insert_with(|| self.compression.batch(turn.bytes()));
                if batch.is_for(connection.terms) {
                    turn = &mut batch.turn;
                }
            }
            let end = turn.bytes().len();
            if from >= end {
                continue;
            }
            if connection.outbox.is_some() {
                queue(connection, turn.slice(from, end), 0, self.now.ticks_ms);
                if connection.waiting_bytes() > self.settings.outbox_bytes {
                    lost.push((slot, None));
                }
                continue;
            }
            match connection.transport.write(&turn.bytes()[from..]) {
                Ok(sent) if sent == end - from => queue_sealed(connection, self.now.ticks_ms),
                Ok(sent) => queue(connection, turn.slice(from, end), sent, self.now.ticks_ms),
                Err(error) => lost.push((slot, Some(error))),
            }
        }
        self.lanes[lane.0 as usize] = slots;
        for (slot, error) in lost {
            match error {
                Some(error) => self.lost(slot, &error.to_string()),
                None => self.too_slow(slot),
            }
        }
    }

    /// Sends whole frames to one connection, behind what waits for it.
    pub(super) fn send(&mut self, slot: u32, frames: Bytes) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if connection.outbox.is_some() {
            queue(connection, frames, 0, self.now.ticks_ms);
            if connection.waiting_bytes() > self.settings.outbox_bytes {
                self.too_slow(slot);
            }
            return;
        }
        match connection.transport.write(&frames) {
            Ok(sent) if sent == frames.len() => queue_sealed(connection, self.now.ticks_ms),
            Ok(sent) => {
                queue(connection, frames, sent, self.now.ticks_ms);
                if connection.waiting_bytes() > self.settings.outbox_bytes {
                    self.too_slow(slot);
                }
            }
            Err(error) => self.lost(slot, &error.to_string()),
        }
    }

    /// Sends the answer to a handshake at the end of the turn, in one write with the frames that follow it.
    pub(super) fn send_answer(&mut self, slot: u32, answer: Bytes) {
        if let Some(connection) = self.connections.get_mut(slot as usize) {
            let mut outbox = Outbox::default();
            outbox.push_whole(answer);
            connection.outbox = Some(Box::new(Waiting { outbox, progress_ms: self.now.ticks_ms }));
            self.unwritten.push(slot);
        }
    }

    /// Goes on with what waits for a connection.
    fn write(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let Some(waiting) = &mut connection.outbox else { return };
        loop {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = waiting.outbox.slices(&mut slices);
            match connection.transport.send(&slices[..count]) {
                Ok(sent) => {
                    waiting.outbox.advance(sent);
                    waiting.progress_ms = self.now.ticks_ms;
                    if waiting.outbox.is_empty() && connection.transport.sealed_bytes() == 0 {
                        connection.outbox = None;
                        return self.drained(slot);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.lost(slot, &error.to_string()),
            }
        }
    }

    /// Everything has been sent that waited.
    pub(super) fn drained(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        match &mut connection.phase {
            // Both close frames are on their way: RFC 6455 §7.1.1, the server closes first.
            Phase::Closing { peer: Peer::Closed, .. } => self.remove(slot),
            // It will not be understood either: its end comes sooner if it sees this one.
            Phase::Closing { peer: Peer::Deaf, .. } => {
                connection.transport.shutdown();
                queue_sealed(connection, self.now.ticks_ms);
            }
            Phase::Answered { shut, .. } if !*shut => {
                *shut = connection.transport.shutdown();
                // Else this is called again when that has left.
                queue_sealed(connection, self.now.ticks_ms);
            }
            _ => {}
        }
    }

    /// Sends an HTTP answer, and nothing after it.
    pub(super) fn answer(&mut self, slot: u32, answer: Vec<u8>) {
        self.settle(slot);
        let deadline_ms = self.now.ticks_ms + self.settings.close_timeout_ms;
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        connection.phase = Phase::Answered { deadline_ms, shut: false };
        connection.held = false;
        self.send(slot, answer.into());
        if self.connections.get(slot as usize).is_some_and(|connection| connection.outbox.is_none()) {
            self.drained(slot);
        }
        self.make_ready(slot);
    }

    /// Closes a WebSocket from this side. `ahead`: at the next end of a frame, ahead of what waits.
    pub(super) fn close(&mut self, slot: u32, code: u16, reason: &str, ahead: bool) {
        let deadline_ms = self.now.ticks_ms + self.settings.close_timeout_ms;
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let peer = match connection.phase {
            Phase::Open => Peer::Awaited,
            Phase::Failing(_) => Peer::Deaf,
            _ => return,
        };
        connection.phase = Phase::Closing { deadline_ms, peer };
        connection.unread = None;
        connection.held = false;
        if ahead {
            cut(connection);
        }
        self.forget_parked(slot);
        self.leave(slot, code, reason);
        self.send(slot, close_frame(code, reason).into());
        if peer == Peer::Deaf
            && self.connections.get(slot as usize).is_some_and(|connection| connection.outbox.is_none())
        {
            self.drained(slot);
        }
        self.make_ready(slot);
    }

    /// The peer has sent a close frame: answers it, and is done when that is sent.
    pub(super) fn closed_by_peer(&mut self, slot: u32, code: u16, reason: String, reply: Vec<u8>) {
        self.forget_parked(slot);
        self.leave(slot, code, &reason);
        let deadline_ms = self.now.ticks_ms + self.settings.close_timeout_ms;
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        connection.phase = Phase::Closing { deadline_ms, peer: Peer::Closed };
        cut(connection);
        self.send(slot, reply.into());
        self.heard_close(slot);
    }

    /// The peer has sent its close frame: nothing more is waited for than what waits for it.
    pub(super) fn heard_close(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if let Phase::Closing { peer, .. } = &mut connection.phase {
            *peer = Peer::Closed;
        }
        if connection.outbox.is_none() {
            self.remove(slot);
        }
    }

    /// The engine stops: a WebSocket is closed after what waits for it, anything else is cut.
    pub(super) fn dismiss(&mut self, slot: u32) {
        match &self.connections[slot as usize].phase {
            Phase::Open => self.close(slot, close_code(Cause::GoingAway), "the server stops", false),
            Phase::Failing(violation) => {
                let violation = **violation;
                self.fail(slot, violation);
            }
            Phase::Closing { .. } => {}
            Phase::Answered { shut: false, .. } => {}
            Phase::Head(_) | Phase::Asking(_) | Phase::Answered { .. } => self.remove(slot),
        }
    }

    /// The line is broken.
    pub(super) fn lost(&mut self, slot: u32, reason: &str) {
        self.leave(slot, ABNORMAL, reason);
        self.remove(slot);
    }

    fn too_slow(&mut self, slot: u32) {
        match self.connections[slot as usize].phase {
            Phase::Open | Phase::Failing(_) => {
                self.close_for(
                    slot,
                    Cause::TooSlow,
                    "more waits for this connection than outbox_bytes allows",
                );
            }
            // What waits is the close frame or an HTTP answer: their own deadlines end it.
            Phase::Closing { .. } | Phase::Answered { .. } | Phase::Head(_) | Phase::Asking(_) => {}
        }
    }

    /// Takes a connection out of its lane and out of the chat.
    fn leave(&mut self, slot: u32, code: u16, reason: &str) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let id = connection.id;
        if let Some(seat) = connection.seat.take() {
            let lane = &mut self.lanes[seat.lane.0 as usize];
            lane.swap_remove(seat.index as usize);
            if let Some(&moved) = lane.get(seat.index as usize)
                && let Some(other) = &mut self.connections[moved as usize].seat
            {
                other.index = seat.index;
            }
        }
        if id != ConnectionId(0) {
            let _ = self.shared.with(|hub| hub.disconnect(id, code, reason.to_owned(), now));
        }
    }

    /// Drops the message that waits for the host's queue. Its place in the list goes with it: a host that takes no
    /// events must not make that grow with everybody who comes and goes.
    fn forget_parked(&mut self, slot: u32) {
        let parked = self.connections.get_mut(slot as usize).and_then(|connection| connection.parked.take());
        if parked.is_some() {
            self.parked.retain(|&other| other != slot);
        }
    }

    /// Closes a socket. What it was in must have been left.
    pub(super) fn remove(&mut self, slot: u32) {
        if !self.connections.contains(slot as usize) {
            return;
        }
        self.forget_parked(slot);
        self.leave(slot, ABNORMAL, "");
        self.settle(slot);
        let mut connection = self.connections.remove(slot as usize);
        connection.transport.say_goodbye();
        if let Some(key) = connection.counted {
            self.addresses.subtract(key);
        }
        // Closing the descriptor ends its registration too, unless the host has kept another one for the socket.
        if connection.adopted {
            let _ = self.registry.deregister(&mut connection.transport);
        }
    }
}

fn queue(connection: &mut Connection, frames: Bytes, sent: usize, now_ms: u64) {
    let waiting = connection
        .outbox
        .get_or_insert_with(|| Box::new(Waiting { outbox: Outbox::default(), progress_ms: now_ms }));
    waiting.outbox.push(frames, sent);
}

/// Has the transport go on, when the socket takes more, with what it has taken and not sent.
pub(super) fn queue_sealed(connection: &mut Connection, now_ms: u64) {
    if connection.outbox.is_none() && connection.transport.sealed_bytes() > 0 {
        connection.outbox = Some(Box::new(Waiting { outbox: Outbox::default(), progress_ms: now_ms }));
    }
}

/// Drops what waits behind the frame that is under way.
fn cut(connection: &mut Connection) {
    if let Some(waiting) = &mut connection.outbox {
        waiting.outbox.cut(frame_len);
        if waiting.outbox.is_empty() && connection.transport.sealed_bytes() == 0 {
            connection.outbox = None;
        }
    }
}

/// RFC 6455 §7.1.5: the line broke without a close frame.
const ABNORMAL: u16 = 1006;
