//! Compressed payloads to payloads, under a limit.
//!
//! In a server every message begins without a context, as the clients were told, so that one inflater serves all
//! of them. A client's inflater [keeps](Inflater::keeping) its one peer's context. What a message becomes is counted while it grows, never believed: the work and the memory
//! that a client can cause end at the limit, whatever it sent.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::wire::frame::Violation;

/// Inflates the messages of any number of connections, one at a time. It holds about 50 KB: make it when
/// it is first needed.
pub(crate) struct Inflater {
    stream: Decompress,
    /// Whether the stream has had its last block: what follows is a stream of its own.
    ended: bool,
    /// The message. Its capacity is spent on bytes that came out, and kept for the next message up to
    /// [`KEPT_BYTES`].
    out: Vec<u8>,
    /// The last bytes that came out, up to a window of them; `None`: each message begins without.
    context: Option<Vec<u8>>,
    /// How much of `out` is in `context`.
    remembered: usize,
}

impl Inflater {
    pub(crate) fn new() -> Inflater {
        Inflater {
            stream: Decompress::new(false),
            ended: false,
            out: Vec::new(),
            context: None,
            remembered: 0,
        }
    }

    /// An inflater of one connection whose peer may refer back to its earlier messages.
    ///
    /// Source: RFC 7692 §7.1.1.1.
    pub(crate) fn keeping() -> Inflater {
        Inflater { context: Some(Vec::new()), ..Inflater::new() }
    }

    /// Inflates one message, `payload` being that of all its frames.
    ///
    /// Gives at most `max_bytes`. The memory for it at most doubles as it grows, and never goes over
    /// `max_bytes` by more than what is kept anyway. When the message is dealt with,
    /// [`settle`](Inflater::settle).
    /// An empty `payload` is an empty message, although it should have one byte.
    ///
    /// # Errors
    /// 1009: more than `max_bytes` come out; found out at the first byte that is too many. 1007: it is not
    /// DEFLATE, refers to what is before the message and was not kept, or is cut off within a block. The
    /// context is of no further use then.
    ///
    /// Source: RFC 7692 §7.2.2, §7.2.3.
    pub(crate) fn inflate(&mut self, payload: &[u8], max_bytes: u64) -> Result<&[u8], Violation> {
        self.settle();
        self.out.clear();
        self.remembered = 0;
        if payload.is_empty() {
            return Ok(&self.out);
        }
        self.restart()?;
        let max_len = usize::try_from(max_bytes).unwrap_or(usize::MAX).min(isize::MAX as usize - 1);
        self.read(payload, max_len)?;
        // A message may end with a last block and nothing behind it.
        if !self.ended {
            let len = self.out.len();
            self.read(&TAIL_AND_END, max_len)?;
            // The end is seen as one only between two blocks. Anywhere else it is data, or nonsense.
            if !self.ended || self.out.len() != len {
                return Err(CORRUPT);
            }
        }
        self.remember();
        Ok(&self.out)
    }

    /// Begins a stream. The context goes into it as its dictionary: so each message is a stream that can be seen
    /// to end where it should, and one with a last block in it is like any other.
    fn restart(&mut self) -> Result<(), Violation> {
        self.stream.reset(false);
        self.ended = false;
        self.remember();
        match &self.context {
            Some(context) if !context.is_empty() => {
                self.stream.set_dictionary(context).map(|_| ()).map_err(|_| CORRUPT)
            }
            _ => Ok(()),
        }
    }

    fn remember(&mut self) {
        let Some(context) = &mut self.context else { return };
        let new = &self.out[self.remembered..];
        let new = &new[new.len().saturating_sub(WINDOW_BYTES)..];
        let surplus = (context.len() + new.len()).saturating_sub(WINDOW_BYTES);
        context.drain(..surplus);
        context.extend_from_slice(new);
        self.remembered = self.out.len();
    }

    /// Frees what a large message was inflated into. [`inflate`](Inflater::inflate) does it too, but nobody
    /// may ever send one again.
    pub(crate) fn settle(&mut self) {
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
    }

    /// Takes all of `input`.
    fn read(&mut self, mut input: &[u8], max_len: usize) -> Result<(), Violation> {
        loop {
            if self.ended && !input.is_empty() {
                // RFC 7692 §7.2.3.4: a last block may be followed by others, from the next whole byte on.
                self.restart()?;
            }
            self.make_space(input.len(), max_len)?;
            let before = self.stream.total_in();
            let status = self
                .stream
                .decompress_vec(input, &mut self.out, FlushDecompress::Sync)
                .map_err(|_| CORRUPT)?;
            let used = (self.stream.total_in() - before) as usize;
            input = &input[used..];
            if self.out.len() > max_len {
                return Err(TOO_LARGE);
            }
            self.ended = status == Status::StreamEnd;
            let is_full = self.out.len() == self.out.capacity();
            if input.is_empty() && (self.ended || !is_full) {
                return Ok(());
            }
            if !self.ended && !is_full && used == 0 {
                // It neither reads nor writes nor says why; no input is known that does this.
                return Err(CORRUPT);
            }
        }
    }

    /// Makes space for one more byte at least, up to the first that is too many.
    fn make_space(&mut self, input_len: usize, max_len: usize) -> Result<(), Violation> {
        let (len, capacity) = (self.out.len(), self.out.capacity());
        if len < capacity {
            return Ok(());
        }
        let wanted =
            capacity.saturating_mul(2).max(input_len.saturating_mul(4)).max(MIN_BYTES).min(max_len + 1);
        self.out.try_reserve_exact(wanted - len).map_err(|_| NO_MEMORY)
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("capacity_bytes", &self.out.capacity()).finish_non_exhaustive()
    }
}

const CORRUPT: Violation = Violation { code: 1007, reason: "a compressed message cannot be inflated" };
const TOO_LARGE: Violation =
    Violation { code: 1009, reason: "a message is over max_message_bytes when inflated" };
const NO_MEMORY: Violation =
    Violation { code: 1009, reason: "a message does not fit in memory when inflated" };

/// [`TAIL`], which the message was sent without, and an empty last block.
const TAIL_AND_END: [u8; 9] = {
    let [a, b, c, d] = TAIL;
    [a, b, c, d, 1, a, b, c, d]
};
/// As far back as DEFLATE refers.
const WINDOW_BYTES: usize = 1 << 15;
const MIN_BYTES: usize = 4096;
/// More than a message has by default, so that memory moves for large ones only.
const KEPT_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests;
