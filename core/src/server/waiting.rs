//! What waits for connections that did not take it at once, and how much that is for all of a shard together.

use bytes::Bytes;

use crate::event::Dialect;
use crate::fanout::Outbox;
use crate::id::Position;
use crate::wire::frame_len;

use super::connection::Connection;
use super::dispatch::Lane;

/// What waits for one connection.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) outbox: Outbox,
    /// Since when it has taken nothing of it, in ticks.
    pub(super) progress_ms: u64,
    /// How much of what it was sent for itself alone has come here since nothing waited.
    pub(super) personal_bytes: usize,
    /// Nothing of it has been tried yet: more for this connection alone may come in this turn, to leave in one write.
    pub(super) is_gathering: bool,
    /// It lags: it is shown nothing of its rooms until nothing waits any more.
    pub(super) lag: Option<Lag>,
}

/// A connection reads too slowly.
#[derive(Debug)]
pub(super) struct Lag {
    pub(super) missing: Missing,
    /// Since when, in ticks.
    pub(super) since_ms: u64,
}

/// What a connection that lags is to be shown later.
#[derive(Debug)]
pub(super) enum Missing {
    /// What came to its one room behind the newest record that it was shown, or that waits.
    After(Position),
    /// The same for each of these rooms of a v1 connection, none of which stands here twice. Earlier is right too: its
    /// client knows by the position what it has.
    Rooms(Vec<(Lane, Position)>),
}

/// What a shard counts about its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) waiting_bytes: usize,
    pub(super) lagging_count: usize,
    pub(super) too_slow_count: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
}

impl Waiting {
    pub(super) fn new(now_ms: u64) -> Waiting {
        Waiting {
            outbox: Outbox::default(),
            progress_ms: now_ms,
            personal_bytes: 0,
            is_gathering: false,
            lag: None,
        }
    }

    /// Whether so many bytes more are too many for one who still has to take what waits.
    pub(super) fn is_long(&self, more_bytes: usize, max_bytes: usize) -> bool {
        self.outbox.waiting_bytes() + more_bytes > max_bytes || self.outbox.piece_count() >= MAX_PIECES
    }
}

impl Connection {
    /// How many bytes wait for it, encrypted ones among them.
    pub(super) fn waiting_bytes(&self) -> usize {
        let queued = self.outbox.as_ref().map_or(0, |waiting| waiting.outbox.waiting_bytes());
        queued + self.transport.sealed_bytes()
    }

    /// Adds frames of which the socket took `sent` bytes.
    pub(super) fn queue(&mut self, frames: Bytes, sent: usize, now_ms: u64, tally: &mut Tally) {
        tally.waiting_bytes += frames.len() - sent;
        self.waiting(now_ms).outbox.push(frames, sent);
    }

    /// Has what it is sent gather, where nothing waits for it. Gives whether it does from now on.
    pub(super) fn gather(&mut self, now_ms: u64) -> bool {
        let begins = self.outbox.is_none();
        if begins {
            self.waiting(now_ms).is_gathering = true;
        }
        begins
    }

    /// Whether more has gathered than is to leave in one write.
    pub(super) fn has_gathered_enough(&self) -> bool {
        let enough =
            |waiting: &Waiting| waiting.is_gathering && waiting.outbox.waiting_bytes() >= GATHERED_BYTES;
        self.outbox.as_deref().is_some_and(enough)
    }

    /// Adds, as the first of all, what must be sent whole before any frame.
    pub(super) fn queue_whole(&mut self, bytes: Bytes, now_ms: u64, tally: &mut Tally) {
        tally.waiting_bytes += bytes.len();
        self.waiting(now_ms).outbox.push_whole(bytes);
    }

    /// Has the transport go on, when the socket takes more, with what it has taken and not sent.
    pub(super) fn queue_sealed(&mut self, now_ms: u64) {
        if self.transport.sealed_bytes() > 0 {
            self.waiting(now_ms);
        }
    }

    /// The socket took so many bytes. Gives whether nothing waits any more.
    pub(super) fn took(&mut self, count: usize, now_ms: u64, tally: &mut Tally) -> bool {
        let Some(waiting) = &mut self.outbox else { return true };
        waiting.outbox.advance(count);
        waiting.progress_ms = now_ms;
        tally.waiting_bytes -= count;
        tally.sent_bytes += count as u64;
        waiting.outbox.is_empty() && self.transport.sealed_bytes() == 0
    }

    /// From here on it lags: what comes to a lane behind this position is missing.
    pub(super) fn begin_lag(&mut self, lane: Lane, after: Position, now_ms: u64, tally: &mut Tally) {
        let missing = match lane.dialect {
            Dialect::V1 => Missing::Rooms(Vec::new()),
            Dialect::Tutorial | Dialect::Raw => Missing::After(after),
        };
        if let Some(waiting) = &mut self.outbox {
            tally.lagging_count += usize::from(waiting.lag.is_none());
            waiting.lag = Some(Lag { missing, since_ms: now_ms });
        }
        self.miss(lane, after);
    }

    /// It lags, and what comes to a lane behind this position is missing, if not sooner in the same room.
    pub(super) fn miss(&mut self, lane: Lane, after: Position) {
        let lag = self.outbox.as_mut().and_then(|waiting| waiting.lag.as_mut());
        if let (Some(_), Some(Lag { missing: Missing::Rooms(missing), .. })) = (lane.room, lag)
            && missing.iter().all(|(other, _)| other.room != lane.room)
        {
            missing.push((lane, after));
        }
    }

    pub(super) fn is_lagging(&self) -> bool {
        self.outbox.as_ref().is_some_and(|waiting| waiting.lag.is_some())
    }

    /// It lags no longer: nothing more of its room is for it.
    pub(super) fn end_lag(&mut self, tally: &mut Tally) {
        if let Some(waiting) = &mut self.outbox {
            tally.lagging_count -= usize::from(waiting.lag.take().is_some());
        }
    }

    /// Drops what waits behind the frame that is under way. Whoever lagged is shown nothing more.
    pub(super) fn cut(&mut self, tally: &mut Tally) {
        let Some(waiting) = &mut self.outbox else { return };
        let before = waiting.outbox.waiting_bytes();
        waiting.outbox.cut(frame_len);
        tally.waiting_bytes -= before - waiting.outbox.waiting_bytes();
        let is_empty = waiting.outbox.is_empty() && self.transport.sealed_bytes() == 0;
        self.end_lag(tally);
        if is_empty {
            self.outbox = None;
        }
    }

    /// Drops everything that waits. Gives whether it lagged, and since when.
    pub(super) fn forget_waiting(&mut self, tally: &mut Tally) -> Option<Lag> {
        let waiting = self.outbox.take()?;
        tally.waiting_bytes -= waiting.outbox.waiting_bytes();
        tally.lagging_count -= usize::from(waiting.lag.is_some());
        waiting.lag
    }

    fn waiting(&mut self, now_ms: u64) -> &mut Waiting {
        self.outbox.get_or_insert_with(|| Box::new(Waiting::new(now_ms)))
    }
}

/// Far below what may wait for a connection (`outbox_bytes`), and large enough that a write more costs little.
const GATHERED_BYTES: usize = 32 * 1024;

/// Each piece keeps the turn that it is a part of.
const MAX_PIECES: usize = 256;
