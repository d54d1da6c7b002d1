//! Payloads to compressed payloads, one time for many readers.
//!
//! **A batch** is what one turn sends to one room. The context is [reset](Deflater::reset) at its start,
//! each of its messages is deflated once, in the context of those before it, and all members get the same
//! bytes.
//!
//! Each reader keeps a context of its own, in which there may be anything: earlier batches, messages of
//! another deflater, whatever was sent plain (which enters no context). That harms nothing, because a deflater
//! that was reset refers back to nothing before: all its distances end within its own batch, and
//! the batch is the end of what every reader remembers. So a reader needs no more than this:
//!
//! - It has had every message of the batch from its first. Who missed one (joined in the middle, was lagging,
//!   was sent one plain that others got deflated) gets the rest of the batch plain. For the same reason what
//!   has been deflated goes out deflated, also where it did not shrink.
//! - Its window [holds](Deflater::fits) the batch so far. The largest one always does.
//! - With `server_no_context_takeover` it can read a batch's first message only.
//!
//! Frames between, plain or control, touch no context and may stand anywhere. A batch that many share is never
//! deflated again for the few who have a smaller window.

use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

use super::TAIL;

/// One context, for all the batches of a shard. It holds about 300 KB: make it when it is first needed.
pub(crate) struct Deflater {
    stream: Compress,
}

impl Deflater {
    /// Makes a context at the start of a batch. `level` is zlib's, 0 (none) to 9 (smallest); more is taken
    /// for 9.
    #[cfg(test)]
    pub(crate) fn new(level: u32) -> Deflater {
        Deflater::with_window(level, 15)
    }

    /// Makes a context for clients whose window has 2 to the power of `window_bits` bytes, 9 to 15.
    pub(crate) fn with_window(level: u32, window_bits: u8) -> Deflater {
        let level = Compression::new(level.min(9));
        Deflater { stream: Compress::new_with_window_bits(level, false, window_bits.clamp(9, 15)) }
    }

    /// Appends `payload`, compressed, to `out`: the payload of one message, for
    /// [`write_deflated_frame`](crate::wire::frame::write_deflated_frame).
    ///
    /// It may be longer than it was: by an eighth and a few bytes at most, where it is random.
    ///
    /// Source: RFC 7692 §7.2.1, §7.2.3.6.
    pub(crate) fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if payload.is_empty() {
            // A second flush in a row would write nothing at all.
            return out.push(EMPTY_BLOCK);
        }
        let mut rest = payload;
        loop {
            // The most that a flush needs, so that there is one round nearly always.
            out.reserve(rest.len() + rest.len() / 8 + 64);
            let before = self.stream.total_in();
            self.stream
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect("a stream that is never finished takes any bytes");
            rest = &rest[(self.stream.total_in() - before) as usize..];
            // Where there is space left, all has been flushed.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }

    /// Begins a new batch: nothing that follows refers to anything before.
    pub(crate) fn reset(&mut self) {
        self.stream.reset();
    }

    /// Whether a window of 2 to the power of `window_bits` bytes reads everything since the last reset. No
    /// distance is longer than what there was to point at, so a short batch serves clients of small windows
    /// too.
    ///
    /// Source: RFC 7692 §7.1.2.1.
    pub(crate) fn fits(&self, window_bits: u8) -> bool {
        // The window of the deflater itself ends there.
        window_bits >= 15 || self.stream.total_in() <= 1 << window_bits
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("bytes_in", &self.stream.total_in()).finish_non_exhaustive()
    }
}

/// An empty stored block without its tail.
const EMPTY_BLOCK: u8 = 0;

#[cfg(test)]
mod tests;
