//! Compressed messages: one context for all connections of the shard.
//!
//! What a turn has for one lane is deflated once, whoever reads it; so is what is sent to one connection alone,
//! where it is long. Who cannot read a batch gets the same frames plain.

use bytes::Bytes;

use crate::fanout::Turn;
use crate::wire::deflate::{Agreed, Deflater, Inflater};
use crate::wire::{Item, Violation, frame_payload, judge_text, write_deflated_frame};

/// What was agreed with a connection about compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// 0: no compression. Else its window has 2 to the power of this many bytes.
    window_bits: u8,
    /// It forgets each message when the next begins.
    first_only: bool,
}

impl Terms {
    pub(crate) fn of(agreed: Option<&Agreed>) -> Terms {
        agreed.map_or(Terms::default(), |agreed| Terms {
            window_bits: agreed.server_max_window_bits,
            first_only: agreed.server_no_context_takeover,
        })
    }

    pub(crate) fn is_on(self) -> bool {
        self.window_bits > 0
    }
}

/// Frames that were deflated together, in a context of their own.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) turn: Turn,
    message_count: usize,
    /// The smallest window that can read it.
    window_bits: u8,
}

impl Batch {
    /// Whether a connection can read it, if it reads it from its start.
    pub(crate) fn is_for(&self, terms: Terms) -> bool {
        terms.window_bits >= self.window_bits && (!terms.first_only || self.message_count == 1)
    }
}

/// The shard's contexts, made when they are first needed: they hold some 350 KB.
#[derive(Debug)]
pub(crate) struct Compression {
    min_bytes: usize,
    /// One for each window from 9 bits on; batches that many share have the largest.
    deflaters: [Option<Box<Deflater>>; 7],
    inflater: Option<Box<Inflater>>,
    scratch: Vec<u8>,
    /// What was last deflated for one connection, plain and deflated: a history is the same for all who
    /// come.
    last: Option<(Bytes, Batch)>,
}

impl Compression {
    /// `min_bytes`: less than this goes plain.
    pub(crate) fn new(min_bytes: usize) -> Compression {
        Compression {
            min_bytes,
            deflaters: Default::default(),
            inflater: None,
            scratch: Vec::new(),
            last: None,
        }
    }

    /// Whether so many bytes of frames are worth it.
    pub(crate) fn is_worth(&self, bytes: usize) -> bool {
        bytes >= self.min_bytes
    }

    /// Deflates whole frames, each in the context of those before it.
    pub(crate) fn batch(&mut self, frames: &[u8]) -> Batch {
        self.batch_for(frames, LARGEST_WINDOW_BITS)
    }

    fn batch_for(&mut self, mut frames: &[u8], window_bits: u8) -> Batch {
        let deflater = self.deflaters[usize::from(window_bits.clamp(9, LARGEST_WINDOW_BITS) - 9)]
            .get_or_insert_with(|| Box::new(Deflater::with_window(LEVEL, window_bits)));
        deflater.reset();
        let mut out = Vec::with_capacity(frames.len() / 2);
        let mut message_count = 0;
        while let Some((kind, payload, rest)) = frame_payload(frames) {
            match kind {
                TEXT | BINARY => {
                    self.scratch.clear();
                    deflater.deflate(payload, &mut self.scratch);
                    write_deflated_frame(&mut out, kind == TEXT, &self.scratch);
                    message_count += 1;
                }
                // Control frames are never compressed.
                _ => out.extend_from_slice(&frames[..frames.len() - rest.len()]),
            }
            frames = rest;
        }
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        let window_bits = (9..window_bits).find(|&bits| deflater.fits(bits)).unwrap_or(window_bits);
        Batch { turn: Turn::Owned(out), message_count, window_bits }
    }

    /// Deflates whole frames for one connection, or gives them back where it could not read that.
    pub(crate) fn personal(&mut self, frames: Bytes, terms: Terms) -> Bytes {
        if !terms.is_on() || !self.is_worth(frames.len()) {
            return frames;
        }
        let known = self.last.as_ref().is_some_and(|(plain, batch)| {
            plain.as_ptr() == frames.as_ptr() && plain.len() == frames.len() && batch.is_for(terms)
        });
        if !known {
            let batch = self.batch_for(&frames, terms.window_bits);
            self.last = Some((frames.clone(), batch));
        }
        match &mut self.last {
            Some((_, batch)) if batch.is_for(terms) => {
                let len = batch.turn.bytes().len();
                batch.turn.slice(0, len)
            }
            _ => frames,
        }
    }

    /// Inflates a whole message.
    ///
    /// # Errors
    /// 1009: over `max_bytes`. 1007: corrupt, or a text that is not UTF-8.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        is_text: bool,
        max_bytes: u64,
    ) -> Result<Item<'_>, Violation> {
        let inflater = self.inflater.get_or_insert_with(|| Box::new(Inflater::new()));
        let bytes = inflater.inflate(payload, max_bytes)?;
        Ok(match is_text {
            true => Item::Text(judge_text(bytes)?),
            false => Item::Binary(bytes),
        })
    }

    /// Frees what large messages were worked on in.
    pub(crate) fn settle(&mut self) {
        if let Some(inflater) = &mut self.inflater {
            inflater.settle();
        }
        if self.last.as_ref().is_some_and(|(plain, _)| plain.len() > KEPT_BYTES) {
            self.last = None;
        }
    }
}

const LARGEST_WINDOW_BITS: u8 = 15;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
/// zlib's fastest: a batch of chat lines gets hardly smaller with more.
const LEVEL: u32 = 1;
/// A history has at most 256 KiB.
const KEPT_BYTES: usize = 256 * 1024 + 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Kind, write_frame};

    fn frames(count: usize) -> Bytes {
        let mut frames = Vec::new();
        for n in 0..count {
            write_frame(&mut frames, Kind::Text, format!("the same words again and again, {n}").as_bytes());
        }
        frames.into()
    }

    const LARGE: Terms = Terms { window_bits: 15, first_only: false };

    #[test]
    fn a_batch_is_smaller_and_has_as_many_frames() {
        let plain = frames(50);
        let batch = Compression::new(1).batch(&plain);
        assert!(batch.turn.bytes().len() * 2 < plain.len());
        let (mut rest, mut count) = (batch.turn.bytes(), 0);
        while let Some((kind, _, after)) = frame_payload(rest) {
            assert_eq!(kind, 0xC1);
            (rest, count) = (after, count + 1);
        }
        assert_eq!(count, 50);
    }

    #[test]
    fn who_cannot_read_a_batch_gets_it_plain() {
        let mut compression = Compression::new(1);
        let (one, many) = (compression.batch(&frames(1)), compression.batch(&frames(100)));
        let small = Terms { window_bits: 9, first_only: false };
        let forgetful = Terms { window_bits: 15, first_only: true };
        assert!(one.is_for(LARGE) && one.is_for(small) && one.is_for(forgetful));
        assert!(many.is_for(LARGE) && !many.is_for(small) && !many.is_for(forgetful));
        assert!(!one.is_for(Terms::default()));
    }

    #[test]
    fn what_is_short_goes_plain_and_what_comes_again_is_deflated_once() {
        let mut compression = Compression::new(100);
        let short = frames(1);
        assert_eq!(compression.personal(short.clone(), LARGE), short);
        let long = frames(20);
        let first = compression.personal(long.clone(), LARGE);
        assert!(first.len() < long.len());
        assert_eq!(compression.personal(long.clone(), LARGE).as_ptr(), first.as_ptr());
        assert_eq!(compression.personal(long.clone(), Terms::default()), long);
    }

    #[test]
    fn what_was_deflated_is_inflated_again() {
        let mut compression = Compression::new(1);
        let batch = compression.batch(&frames(1));
        let (_, payload, _) = frame_payload(batch.turn.bytes()).unwrap();
        let payload = payload.to_vec();
        assert_eq!(
            compression.inflate(&payload, true, 100).unwrap(),
            Item::Text("the same words again and again, 0")
        );
        assert_eq!(compression.inflate(&payload, true, 10).unwrap_err().code, 1009);
        assert_eq!(compression.inflate(&[0xFF; 9], true, 100).unwrap_err().code, 1007);
    }
}
