//! What waits for connections that did not take it at once, and how much that is for all of a shard together.

use bytes::Bytes;

use crate::fanout::Outbox;
use crate::id::Position;
use crate::wire::frame_len;

use super::connection::Connection;

/// What waits for one connection.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) outbox: Outbox,
    /// Since when it has taken nothing of it, in ticks.
    pub(super) progress_ms: u64,
    /// It lags: it is shown nothing of its room until nothing waits any more.
    pub(super) lag: Option<Lag>,
}

/// A connection reads too slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lag {
    /// The newest record of its room that it was shown, or that waits.
    pub(super) after: Position,
    /// Since when, in ticks.
    pub(super) since_ms: u64,
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
        Waiting { outbox: Outbox::default(), progress_ms: now_ms, lag: None }
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

    /// From here on it lags.
    pub(super) fn begin_lag(&mut self, lag: Lag, tally: &mut Tally) {
        if let Some(waiting) = &mut self.outbox {
            tally.lagging_count += usize::from(waiting.lag.is_none());
            waiting.lag = Some(lag);
        }
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

/// Each piece keeps the turn that it is a part of.
const MAX_PIECES: usize = 256;
