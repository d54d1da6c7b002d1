//! The first half of a turn: what connections sent.

use std::cmp::Reverse;
use std::io::ErrorKind;

use crate::chat::Flow;
use crate::close::Cause;
use crate::event::Dialect;
use crate::id::ConnectionId;
use crate::message::Payload;
use crate::wire::{Item, Kind, OVERDUE, Rules as WireRules, Violation, close_frame, reply_code, write_frame};

use super::connection::{Peer, Phase};
use super::shard::Shard;
use super::transport::Got;

/// Why the bytes of a connection are looked at no further.
enum End {
    /// It is held, until it is released.
    Held,
    /// The host's queue has no place.
    Parked,
    /// It has been answered much already: the others are next.
    Later,
    /// The chat will close it.
    Discard,
    /// It broke the protocol.
    Violation(Violation),
    /// It sent a close frame.
    Closed(u16, String, Vec<u8>),
}

impl Shard {
    /// Reads, once, from everybody who may have sent something.
    pub(super) fn receive(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut ready = std::mem::take(&mut self.ready).into_iter();
        for slot in ready.by_ref() {
            self.receive_from(slot, &mut buffer);
            if self.shared.with(|hub| hub.waiting_bytes()).unwrap_or(0) > MAX_TURN_BYTES {
                break;
            }
        }
        self.ready.extend(ready);
        self.compression.settle();
        self.buffer = buffer;
    }

    /// Does not watch a connection for a moment that is no WebSocket, or no longer one, and sends little at a time: each
    /// of its bytes would cost as much as a whole message.
    fn rest(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let is_talk = !matches!(connection.phase, Phase::Head(_) | Phase::Answered { .. });
        if is_talk || connection.outbox.is_some() || connection.resting {
            return;
        }
        connection.read_count = connection.read_count.saturating_add(1);
        if connection.read_count >= MAX_READS && self.registry.deregister(&mut connection.transport).is_ok() {
            connection.resting = true;
            self.releases.push(Reverse((self.now.ticks_ms + REST_MS, slot, connection.id)));
        }
    }

    /// Lets a connection be read again that was held.
    pub(super) fn read_again(&mut self, slot: u32, id: ConnectionId) {
        let now_ms = self.now.ticks_ms;
        if let Some(connection) = self.find(slot, id)
            && std::mem::take(&mut connection.resting)
        {
            if self.watch(slot).is_err() {
                return self.remove(slot);
            }
            return self.make_ready(slot);
        }
        if let Some(connection) = self.find(slot, id)
            && connection.held
        {
            connection.held = false;
            if let Phase::Failing(violation) = &connection.phase {
                let violation = **violation;
                return self.fail(slot, violation);
            }
            // What it sent meanwhile is on its side of the socket: the silence was the engine's.
            connection.heard_ms = now_ms;
            self.make_ready(slot);
        }
    }

    /// Lets a connection be read again that was held. One that speaks v1 was perhaps sent a page, and is read on when
    /// that has left.
    pub(super) fn let_go(&mut self, slot: u32, id: ConnectionId) {
        match self.find_talking(slot, id) {
            Some(connection)
                if connection.dialect == Dialect::V1 && connection.held && connection.outbox.is_some() =>
            {
                connection.held = false;
                connection.choked = true;
            }
            _ => self.read_again(slot, id),
        }
    }

    /// A connection was sent so many bytes for itself alone. If too much of that waits, a v1 one is read no further until
    /// it has taken it.
    pub(super) fn choke(&mut self, slot: u32, id: ConnectionId, bytes: usize) {
        let lag_bytes = self.settings.lag_bytes;
        if let Some(connection) = self.find(slot, id)
            && connection.dialect == Dialect::V1
            && matches!(connection.phase, Phase::Open)
            && let Some(waiting) = &mut connection.outbox
        {
            waiting.personal_bytes += bytes;
            connection.choked |= waiting.personal_bytes > lag_bytes;
        }
    }

    fn receive_from(&mut self, slot: u32, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        connection.is_ready = false;
        if connection.held || connection.choked || connection.resting {
            // Its release makes it ready again; a peer that is gone is noticed then, or by what it is sent.
            return;
        }
        if connection.parked.is_some() && !self.unpark(slot) {
            return;
        }
        if let Some(mut bytes) = self.connections[slot as usize].unread.take() {
            self.process(slot, &mut bytes);
            // What is in the socket is for the next turn.
            return self.make_ready(slot);
        }
        let connection = &mut self.connections[slot as usize];
        let was_securing = connection.transport.is_securing();
        match connection.transport.read(buffer) {
            Ok(Got::Bytes { count, more }) => {
                connection.heard_ms = self.now.ticks_ms;
                connection.pinged = false;
                self.tally.received_bytes += count as u64;
                let more = more || connection.read_closed;
                connection.queue_sealed(self.now.ticks_ms);
                if was_securing && !connection.transport.is_securing() {
                    self.secured(slot);
                }
                if count > 0 {
                    self.process(slot, &mut buffer[..count]);
                }
                match more {
                    true => self.make_ready(slot),
                    false => self.rest(slot),
                }
            }
            Ok(Got::End) => self.lost(slot, "the peer closed the connection without a close frame"),
            Ok(Got::Plain) => self.is_plain(slot),
            Ok(Got::Broken(reason)) => self.broke_tls(slot, &reason),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => self.make_ready(slot),
            Err(error) => self.lost(slot, &error.to_string()),
        }
    }

    fn process(&mut self, slot: u32, bytes: &mut [u8]) {
        match &mut self.connections[slot as usize].phase {
            Phase::Head(_) => self.read_head(slot, bytes),
            Phase::Open => self.read_frames(slot, bytes),
            Phase::Closing { peer: Peer::Awaited, .. } => self.await_close(slot, bytes),
            // Asking and failing connections are held, so nothing of them comes here.
            Phase::Closing { .. } | Phase::Asking(_) | Phase::Failing(_) | Phase::Answered { .. } => {}
        }
    }

    pub(super) fn read_frames(&mut self, slot: u32, bytes: &mut [u8]) {
        let mut at = 0;
        let mut replies = Vec::new();
        let end = self.take_items(slot, bytes, &mut at, &mut replies);
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        connection.assembly.settle();
        if !replies.is_empty() {
            self.send(slot, replies.into());
        }
        match end {
            None | Some(End::Discard) => {}
            Some(end @ (End::Held | End::Parked | End::Later)) => {
                if at < bytes.len()
                    && let Some(connection) = self.connections.get_mut(slot as usize)
                {
                    connection.unread = Some(Box::new(bytes[at..].into()));
                }
                if matches!(end, End::Later) {
                    self.make_ready(slot);
                }
            }
            Some(End::Violation(violation)) => self.fail_after_answers(slot, violation),
            Some(End::Closed(code, reason, reply)) => self.closed_by_peer(slot, code, reason, reply),
        }
    }

    /// Takes whole messages and control frames from the front of `bytes`, `at` counting what is used up.
    fn take_items(
        &mut self,
        slot: u32,
        bytes: &mut [u8],
        at: &mut usize,
        replies: &mut Vec<u8>,
    ) -> Option<End> {
        let now = self.now;
        let (rate, shard) = (self.settings.control_rate, self.key);
        // How many bytes its texts have been answered with.
        let mut answered = 0;
        let connection = self.connections.get_mut(slot as usize)?;
        let rules = WireRules { deflate: connection.terms.is_on(), ..self.settings.wire };
        let id = connection.id;
        while *at < bytes.len() {
            let step = match connection.assembly.next(&mut bytes[*at..], &rules, now.ticks_ms) {
                Ok(step) => step,
                Err(violation) => return Some(End::Violation(violation)),
            };
            *at += step.used;
            let item = match step.item {
                Some(Item::Deflated { is_text, payload }) => {
                    match self.compression.inflate(payload, is_text, rules.max_message_bytes) {
                        Ok(item) => Some(item),
                        Err(violation) => return Some(End::Violation(violation)),
                    }
                }
                item => item,
            };
            let (payload, len): (&dyn Fn() -> Payload, usize) = match item {
                // Inflated above.
                None | Some(Item::Deflated { .. }) => return None,
                Some(Item::Text(text)) if connection.dialect != Dialect::Raw => {
                    let first = !std::mem::replace(&mut connection.spoke, true);
                    connection.named = true;
                    let flow = self.shared.with(|hub| match connection.dialect {
                        Dialect::V1 => {
                            let before = hub.personal_bytes(shard);
                            let flow = hub.request(id, text, now);
                            answered += hub.personal_bytes(shard).saturating_sub(before);
                            flow
                        }
                        _ => hub.text(id, text, first, now),
                    });
                    match flow.unwrap_or(Flow::Discard) {
                        Flow::Go if answered > self.settings.lag_bytes => return Some(End::Later),
                        Flow::Go => continue,
                        Flow::Discard => return Some(End::Discard),
                        Flow::Hold => connection.held = true,
                        Flow::PauseUntil(at_ms) => {
                            connection.held = true;
                            self.releases.push(Reverse((at_ms, slot, id)));
                        }
                    }
                    return Some(End::Held);
                }
                Some(Item::Binary(_)) if connection.dialect == Dialect::Tutorial => continue,
                Some(Item::Binary(_)) if connection.dialect == Dialect::V1 => {
                    return Some(End::Violation(TEXT_ONLY));
                }
                Some(Item::Text(text)) => (&|| Payload::Text(text.to_owned()), text.len()),
                Some(Item::Binary(bytes)) => (&|| Payload::Binary(bytes.to_owned()), bytes.len()),
                Some(Item::Close(close)) => {
                    let (code, reason) = close.unwrap_or((NO_CODE, ""));
                    return Some(End::Closed(code, reason.to_owned(), close_frame(reply_code(close), "")));
                }
                Some(item @ (Item::Ping(_) | Item::Pong(_))) => {
                    if connection.control.next_at_ms(rate, now.ticks_ms) > now.ticks_ms {
                        let code = Cause::Flood.code(connection.dialect);
                        return Some(End::Violation(Violation { code, reason: TOO_MANY_CONTROL_FRAMES }));
                    }
                    connection.control.take(rate, now.ticks_ms);
                    if let Item::Ping(payload) = item {
                        write_frame(replies, Kind::Pong, payload);
                    }
                    continue;
                }
            };
            let taken = self.shared.with(|hub| hub.received(id, payload, len)).unwrap_or(true);
            connection.handed_ms = now.ticks_ms;
            if !taken {
                connection.parked = Some(Box::new(payload()));
                self.parked.push(slot);
                return Some(End::Parked);
            }
        }
        None
    }

    /// Offers the host the message again for which there was no place. Gives whether there was now.
    fn unpark(&mut self, slot: u32) -> bool {
        let connection = &mut self.connections[slot as usize];
        let Some(payload) = connection.parked.take() else { return true };
        let (id, len) = (connection.id, payload.as_bytes().len());
        let mut payload = Some(*payload);
        let mut give = || payload.take().unwrap_or(Payload::Text(String::new()));
        if self.shared.with(|hub| hub.received(id, &mut give, len)).unwrap_or(true) {
            connection.heard_ms = self.now.ticks_ms;
            connection.handed_ms = self.now.ticks_ms;
            return true;
        }
        connection.parked = payload.map(Box::new);
        self.parked.push(slot);
        false
    }

    /// After the engine's own close frame: waits for the peer's.
    fn await_close(&mut self, slot: u32, bytes: &mut [u8]) {
        let connection = &mut self.connections[slot as usize];
        let rules = WireRules { deflate: connection.terms.is_on(), ..self.settings.wire };
        let mut at = 0;
        while at < bytes.len() {
            match connection.assembly.next(&mut bytes[at..], &rules, self.now.ticks_ms) {
                Ok(step) => {
                    at += step.used;
                    if let Some(Item::Close(_)) = step.item {
                        return self.heard_close(slot);
                    }
                }
                // It is being closed already: only its end, or the deadline, is waited for.
                Err(_) => {
                    if let Phase::Closing { peer, .. } = &mut connection.phase {
                        *peer = Peer::Deaf;
                    }
                    return;
                }
            }
        }
    }

    /// Closes a connection that broke the protocol. What it sent before stands, so if the host was handed a message
    /// of it just now, its answer has a moment to go out first.
    fn fail_after_answers(&mut self, slot: u32, violation: Violation) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let until_ms = connection.handed_ms + ANSWER_MS;
        if connection.dialect != Dialect::Raw || until_ms <= self.now.ticks_ms {
            return self.fail(slot, violation);
        }
        connection.phase = Phase::Failing(Box::new(violation));
        connection.held = true;
        self.releases.push(Reverse((until_ms, slot, connection.id)));
    }

    pub(super) fn fail(&mut self, slot: u32, mut violation: Violation) {
        let connection = &mut self.connections[slot as usize];
        let id = connection.id;
        if violation.code == POLICY {
            // RFC 6455 §7.4.1: what no other code fits, for which a dialect may have a word of its own. A slow line is
            // nobody's fault: whoever it is may come back by another.
            let cause = if violation == OVERDUE { Cause::NoHeartbeat } else { Cause::Protocol };
            violation.code = match connection.dialect {
                Dialect::V1 => cause.code(Dialect::V1),
                dialect => Cause::Protocol.code(dialect),
            };
        }
        connection.phase = Phase::Failing(Box::new(violation));
        tracing::debug!(
            connection = id.0,
            code = violation.code,
            reason = violation.reason,
            "protocol violated"
        );
        self.close(slot, violation.code, violation.reason, true);
    }

    /// Closes a connection for a cause of the engine's, ahead of what waits for it.
    pub(super) fn close_for(&mut self, slot: u32, cause: Cause, reason: &str) {
        if let Some(connection) = self.connections.get(slot as usize) {
            let code = cause.code(connection.dialect);
            self.close(slot, code, reason, true);
        }
    }
}

/// How often a connection that is no WebSocket is read at once, before it is read only now and then. A request
/// comes in one piece, or in a few.
const MAX_READS: u8 = 16;
/// How long such a connection is not looked at, in milliseconds.
const REST_MS: u64 = 20;
/// A turn that has so much to send reads no further.
const MAX_TURN_BYTES: usize = 1024 * 1024;
/// How long the host has to answer the messages before a violation. Long beside what a host that answers at once
/// takes on a busy machine, short beside the time that a closing handshake may take.
const ANSWER_MS: u64 = 200;
/// RFC 6455 §7.1.5: what a close frame without a code means.
const NO_CODE: u16 = 1005;
const POLICY: u16 = 1008;
const TOO_MANY_CONTROL_FRAMES: &str = "more control frames than control_rate allows";
const TEXT_ONLY: Violation = Violation { code: 1003, reason: "this dialect has text messages only" };
