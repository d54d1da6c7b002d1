//! Masks and keys that nobody can foretell.

use rustls::crypto::{SecureRandom, ring};

use crate::error::{Error, ErrorCode};

/// Random bytes of the operating system's, fetched for many frames at once.
pub(crate) struct Masks {
    source: &'static dyn SecureRandom,
    bytes: [u8; FETCHED_BYTES],
    used: usize,
}

impl Masks {
    pub(crate) fn new() -> Masks {
        Masks {
            source: ring::default_provider().secure_random,
            bytes: [0; FETCHED_BYTES],
            used: FETCHED_BYTES,
        }
    }

    /// Bytes that were never given before: 4 for a frame (RFC 6455 §5.3, §10.3), 16 for a handshake (§4.1).
    ///
    /// # Errors
    /// `system`: the operating system gives none.
    pub(crate) fn next<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        if self.used + N > FETCHED_BYTES {
            self.source
                .fill(&mut self.bytes)
                .map_err(|_| Error::new(ErrorCode::System, "the system gives no random bytes"))?;
            self.used = 0;
        }
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[self.used..][..N]);
        // What was given is kept nowhere.
        self.bytes[self.used..][..N].fill(0);
        self.used += N;
        Ok(out)
    }
}

const FETCHED_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_mask_comes_twice() {
        let mut masks = Masks::new();
        let seen: HashSet<[u8; 16]> = (0..1000).map(|_| masks.next().unwrap()).collect();
        assert_eq!(seen.len(), 1000);
        assert!(!seen.contains(&[0; 16]), "what is given is not what was cleared");
    }
}
