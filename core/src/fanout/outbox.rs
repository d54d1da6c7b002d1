//! What waits for one connection: the only way out of it, in the order of happening.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Pieces of whole frames, behind each other. The first may have been sent in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// How much of the first piece has been sent.
    sent_bytes: usize,
    /// The first piece as it was, to find the ends of its frames; without what [`sent_bytes`] counts.
    head: Bytes,
    /// The first piece is no frames, but something that must be sent whole before any frame.
    is_whole: bool,
}

impl Outbox {
    /// Adds whole frames, or, as the first piece, the rest of them behind `sent` bytes.
    pub(crate) fn push(&mut self, frames: Bytes, sent: usize) {
        debug_assert!(sent == 0 || self.pieces.is_empty());
        self.waiting_bytes += frames.len() - sent;
        if self.pieces.is_empty() {
            self.sent_bytes = sent;
            self.head = frames.clone();
        }
        self.pieces.push_back(frames.slice(sent..));
    }

    /// Adds, as the first piece, what must be sent whole before any frame.
    pub(crate) fn push_whole(&mut self, bytes: Bytes) {
        debug_assert!(self.pieces.is_empty());
        self.push(bytes, 0);
        self.is_whole = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// How many pieces wait.
    pub(crate) fn piece_count(&self) -> usize {
        self.pieces.len()
    }

    /// Fills `slices` with the first pieces, for one vectored write. Gives how many.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Takes away what the socket took.
    pub(crate) fn advance(&mut self, mut count: usize) {
        self.waiting_bytes -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                first.advance(count);
                self.sent_bytes += count;
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
            self.is_whole = false;
            self.sent_bytes = 0;
            self.head = self.pieces.front().cloned().unwrap_or_default();
        }
    }

    /// Drops everything behind the frame that is under way, so that a close frame can come next.
    ///
    /// `frame_len` gives the length of the frame at the front of some bytes.
    pub(crate) fn cut(&mut self, frame_len: impl Fn(&[u8]) -> usize) {
        let mut end = if self.is_whole { self.head.len() } else { 0 };
        while end < self.sent_bytes {
            end += frame_len(&self.head[end..]);
        }
        let rest = self.head.slice(self.sent_bytes..end.min(self.head.len()).max(self.sent_bytes));
        self.pieces.clear();
        self.waiting_bytes = rest.len();
        if !rest.is_empty() {
            self.pieces.push_back(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of the tests: a length byte and that many bytes.
    fn frame_len(bytes: &[u8]) -> usize {
        1 + usize::from(bytes[0])
    }

    fn rest(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn pieces_leave_in_their_order_however_they_are_taken() {
        for step in 1..12 {
            let mut outbox = Outbox::default();
            outbox.push(Bytes::from_static(&[2, 7, 7, 1, 8]), 1);
            outbox.push(Bytes::from_static(&[1, 9]), 0);
            let mut got = Vec::new();
            while !outbox.is_empty() {
                let bytes = rest(&outbox);
                let take = step.min(bytes.len());
                got.extend_from_slice(&bytes[..take]);
                outbox.advance(take);
                assert_eq!(outbox.waiting_bytes(), bytes.len() - take);
            }
            assert_eq!(got, [7, 7, 1, 8, 1, 9]);
        }
    }

    #[test]
    fn a_cut_keeps_what_must_be_sent_whole() {
        for sent in 0..5 {
            let mut outbox = Outbox::default();
            outbox.push_whole(Bytes::from_static(b"HTTP"));
            outbox.push(Bytes::from_static(&[1, 9]), 0);
            outbox.advance(sent);
            outbox.cut(frame_len);
            assert_eq!(rest(&outbox), b"HTTP"[sent..], "after {sent} bytes");
        }
    }

    #[test]
    fn a_cut_keeps_the_frame_that_is_under_way_and_no_more() {
        let frames = || Bytes::from_static(&[2, 7, 7, 1, 8, 0, 3, 5, 5, 5]);
        for (sent, left) in [
            (0, &[][..]),
            (1, &[7, 7][..]),
            (2, &[7][..]),
            (3, &[]),
            (4, &[8]),
            (5, &[]),
            (6, &[]),
            (7, &[5, 5, 5]),
        ] {
            let mut outbox = Outbox::default();
            outbox.push(frames(), sent);
            outbox.push(frames(), 0);
            outbox.cut(frame_len);
            assert_eq!(rest(&outbox), left, "after {sent} bytes");
            assert_eq!(outbox.waiting_bytes(), left.len());

            let mut outbox = Outbox::default();
            outbox.push(frames(), 0);
            outbox.push(frames(), 0);
            outbox.advance(10 + sent);
            outbox.cut(frame_len);
            assert_eq!(rest(&outbox), left, "after 10 and {sent} bytes");
        }
    }
}
