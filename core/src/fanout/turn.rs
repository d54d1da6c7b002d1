//! What one audience is shown in one turn: frames behind each other in one buffer, for all of it.

use bytes::Bytes;

/// The bytes of a turn. They are sent from here to everybody; only if somebody's socket takes less do they
/// become shared, and what that socket did not take is a slice of them.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nobody waits for a part of it: the buffer can be used again.
    Owned(Vec<u8>),
    /// Somebody does.
    Shared(Bytes),
}

impl Turn {
    /// All bytes of the turn.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Turn::Owned(buffer) => buffer,
            Turn::Shared(bytes) => bytes,
        }
    }

    /// The bytes from `start` to `end`, to be kept. Copies nothing.
    pub(crate) fn slice(&mut self, start: usize, end: usize) -> Bytes {
        if let Turn::Owned(buffer) = self {
            *self = Turn::Shared(Bytes::from(std::mem::take(buffer)));
        }
        match self {
            Turn::Owned(_) => Bytes::new(),
            Turn::Shared(bytes) => bytes.slice(start..end),
        }
    }

    /// The empty buffer again, if nobody kept a part of it and it is not huge.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        match self {
            Turn::Owned(mut buffer) if buffer.capacity() <= MAX_KEPT_BYTES => {
                buffer.clear();
                buffer
            }
            Turn::Owned(_) | Turn::Shared(_) => Vec::new(),
        }
    }
}

/// A buffer larger than this is given back when its turn is over.
const MAX_KEPT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_nobody_waits_for_leaves_its_buffer() {
        let turn = Turn::Owned(b"abc".to_vec());
        assert_eq!(turn.bytes(), b"abc");
        assert!(turn.into_buffer().capacity() >= 3);
    }

    #[test]
    fn slices_are_parts_of_the_same_bytes() {
        let mut turn = Turn::Owned(b"abcdef".to_vec());
        let at = turn.bytes().as_ptr();
        let (one, two) = (turn.slice(1, 3), turn.slice(3, 6));
        assert_eq!((&one[..], &two[..]), (&b"bc"[..], &b"def"[..]));
        assert_eq!((one.as_ptr(), turn.bytes().as_ptr()), (at.wrapping_add(1), at));
        assert_eq!(turn.into_buffer().capacity(), 0);
    }
}
