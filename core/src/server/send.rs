//! The second half of a turn: what connections are sent, and how they end.

use std::io::{ErrorKind, IoSlice};

use bytes::Bytes;

use crate::broken::{Broken, is_broken};
use crate::close::Cause;
use crate::dialect::v1;
use crate::event::Dialect;
use crate::fanout::LaneKey;
use crate::id::ConnectionId;
use crate::push::reply::Happening;
use crate::wire::{Kind, close_frame, write_frame};

use super::connection::{Connection, Peer, Phase};
use super::dispatch::{Act, Delivery, Ends};
use super::shard::Shard;
use super::show::Catching;
use super::transport::MAX_SLICES;
use super::waiting::Missing;

impl Shard {
    /// Sends everything that has gathered in the hub.
    pub(super) fn flush(&mut self) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let (key, held_bytes, now) = (self.key, self.gathered_bytes(), self.now);
        let drained = std::mem::take(&mut self.drained);
        let mut missed = Vec::new();
        let mut catching = Vec::new();
        let mut hub_bytes = 0;
        let waiting = self.shared.with(|hub| {
            hub_bytes = hub.held_bytes();
            for (slot, id, missing) in drained {
                match missing {
                    Missing::After(after) => missed.push((slot, id, hub.missed(id, after))),
                    Missing::Rooms(missing) => {
                        let shown = hub.missed_v1(id, &missing, now);
                        catching.push(Catching { slot, id, missing, shown });
                    }
                }
            }
            hub.take(key, held_bytes, &mut outgoing)
        });
        self.catching = catching;
        // What came of this shard's turn for others is theirs to send.
        self.shards.wake(waiting.unwrap_or(0));
        self.forget_emptied();
        for (taken, top) in outgoing.lanes.drain(..).zip(outgoing.tops.drain(..)) {
            self.gather(taken, top);
        }
        for (slot, id, missed) in missed {
            self.end_lag(slot, id, missed);
        }
        for delivery in outgoing.deliveries.drain(..) {
            self.deliver(delivery);
        }
        self.catch_on();
        // Before the lanes are shown: who takes all of it does not lag.
        for slot in std::mem::take(&mut self.gathering) {
            self.write(slot);
        }
        self.show();
        for slot in std::mem::take(&mut self.unwritten) {
            self.write(slot);
        }
        self.outgoing = outgoing;
        self.shards.census.note_hub(hub_bytes);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let (Delivery { slot, connection: id, act }, now_ms) = (delivery, self.now.ticks_ms);
        match act {
            Act::Enter { key, lane, from, top } => self.enter(slot, id, (key, lane), from, top),
            Act::Exit { lane, lane_end } => self.exit(slot, id, lane, lane_end),
            Act::Frames { frames, behind } => {
                // Whoever talks much is answered much: that and what stands before each answer leave together.
                if let Some(connection) = self.find_talking(slot, id)
                    && connection.gather(now_ms)
                {
                    self.gathering.push(slot);
                }
                self.catch_all_up(slot, id, &behind);
                if let Some(terms) = self.find_talking(slot, id).map(|connection| connection.terms) {
                    let frames = self.compression.personal(frames, terms);
                    let bytes = frames.len();
                    self.send(slot, frames);
                    self.choke(slot, id, bytes);
                }
            }
            Act::Close { code, reason, behind } => {
                self.catch_all_up(slot, id, &behind);
                if self.find(slot, id).is_some() {
                    self.close(slot, code, &reason, false);
                }
            }
            Act::Release { at_ms } => match at_ms > self.now.ticks_ms {
                true => self.releases.push(std::cmp::Reverse((at_ms, slot, id))),
                false => self.let_go(slot, id),
            },
            Act::Heartbeat { interval_ms } => {
                if let Some(connection) = self.find(slot, id) {
                    connection.beat_every(interval_ms);
                }
            }
            Act::Admitted { given } => self.admitted(slot, id, given),
            Act::Denied { reason } => self.denied(slot, id, reason),
        }
    }

    fn catch_all_up(&mut self, slot: u32, id: ConnectionId, to: &Ends) {
        for &(lane, to) in to.as_slice() {
            self.catch_up(slot, id, lane, to);
        }
    }

    /// Sends whole frames to one connection, behind what waits for it.
    pub(super) fn send(&mut self, slot: u32, frames: Bytes) {
        let now_ms = self.now.ticks_ms;
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let sent = match &connection.outbox {
            Some(_) => 0,
            None => match connection.transport.write(&frames) {
                Ok(sent) => sent,
                Err(error) => return self.lost(slot, &error.to_string()),
            },
        };
        self.tally.sent_bytes += sent as u64;
        if sent == frames.len() {
            return connection.queue_sealed(now_ms);
        }
        connection.queue(frames, sent, now_ms, &mut self.tally);
        if connection.has_gathered_enough() {
            self.write(slot);
        }
        let waiting_bytes = self.connections.get(slot as usize).map_or(0, Connection::waiting_bytes);
        if waiting_bytes > self.settings.outbox_bytes {
            self.too_slow(slot);
        }
    }

    /// Sends the answer to a handshake at the end of the turn, in one write with the frames that follow it.
    pub(super) fn send_answer(&mut self, slot: u32, answer: Bytes) {
        if let Some(connection) = self.connections.get_mut(slot as usize) {
            connection.queue_whole(answer, self.now.ticks_ms, &mut self.tally);
            self.unwritten.push(slot);
        }
    }

    /// Goes on with what waits for a connection.
    fn write(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if let Some(waiting) = &mut connection.outbox {
            waiting.is_gathering = false;
        }
        while let Some(waiting) = &connection.outbox {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = waiting.outbox.slices(&mut slices);
            match connection.transport.send(&slices[..count]) {
                Ok(sent) => {
                    if connection.took(sent, self.now.ticks_ms, &mut self.tally) {
                        if let Some(lag) = connection.forget_waiting(&mut self.tally)
                            && !is_broken(Broken::LostWakeUp)
                        {
                            self.drained.push((slot, connection.id, lag.missing));
                        }
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
                connection.queue_sealed(self.now.ticks_ms);
            }
            Phase::Answered { shut, .. } if !*shut => {
                *shut = connection.transport.shutdown();
                // Else this is called again when that has left.
                connection.queue_sealed(self.now.ticks_ms);
            }
            Phase::Open if connection.choked => {
                connection.choked = false;
                connection.heard_ms = self.now.ticks_ms;
                self.make_ready(slot);
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
        connection.choked = false;
        match ahead {
            true => connection.cut(&mut self.tally),
            false => connection.end_lag(&mut self.tally),
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
        connection.cut(&mut self.tally);
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

    /// The engine stops: a WebSocket is closed after what its rooms have got and what waits for it, a v1 one behind a
    /// `bye`; anything else is cut.
    pub(super) fn dismiss(&mut self, slot: u32, bye: &Bytes) {
        let Some(connection) = self.connections.get(slot as usize) else { return };
        let (id, dialect) = (connection.id, connection.dialect);
        match &connection.phase {
            Phase::Open => {
                let lanes: Vec<LaneKey> = connection.seats.as_slice().iter().map(|seat| seat.lane).collect();
                for lane in lanes {
                    let end = self.stages[lane.0 as usize].lane_end();
                    self.catch_up(slot, id, lane, end);
                }
                if dialect == Dialect::V1 && self.find_talking(slot, id).is_some() {
                    self.send(slot, bye.clone());
                }
                if self.find_talking(slot, id).is_some() {
                    let cause = self.settings.stop_cause;
                    self.close(slot, cause.code(dialect), stop_reason(cause), false);
                }
            }
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

    pub(super) fn too_slow(&mut self, slot: u32) {
        match self.connections[slot as usize].phase {
            Phase::Open | Phase::Failing(_) => {
                self.tally.too_slow_count += 1;
                self.close_for(
                    slot,
                    Cause::TooSlow,
                    "this connection reads too slowly for what is said in its room",
                );
            }
            // What waits is the close frame or an HTTP answer: their own deadlines end it.
            Phase::Closing { .. } | Phase::Answered { .. } | Phase::Head(_) | Phase::Asking(_) => {}
        }
    }

    /// Takes a connection out of its lane and out of the chat.
    fn leave(&mut self, slot: u32, code: u16, reason: &str) {
        let now = self.now;
        let Some(connection) = self.connections.get(slot as usize) else { return };
        let id = connection.id;
        self.unseat(slot);
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
        connection.forget_waiting(&mut self.tally);
        connection.transport.say_goodbye();
        if let Some(key) = connection.counted {
            self.shards.census.addresses().subtract(key);
        }
        self.shards.census.leave(self.key);
        // Closing the descriptor ends its registration too, unless the host has kept another one for the socket.
        if connection.adopted {
            let _ = self.registry.deregister(&mut connection.transport);
        }
    }
}

/// The frame by which v1 connections are told that they are about to be closed, and when to come back.
pub(super) fn bye(cause: Cause) -> Bytes {
    let (code, reason) = (cause.code(Dialect::V1), stop_reason(cause));
    let mut json = Vec::new();
    v1::event(&Happening::Bye { code, reason: reason.to_owned(), reconnect_ms: RECONNECT_MS }, &mut json);
    let mut frame = Vec::new();
    write_frame(&mut frame, Kind::Text, &json);
    frame.into()
}

/// Why everybody is closed when the engine stops, in words.
fn stop_reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Restart => "the server restarts",
        _ => "the server stops",
    }
}

/// Within which time clients are to come back, each at a random moment of its own, so that they do not all come at once.
const RECONNECT_MS: (u64, u64) = (500, 8_000);
/// RFC 6455 §7.1.5: the line broke without a close frame.
const ABNORMAL: u16 = 1006;
