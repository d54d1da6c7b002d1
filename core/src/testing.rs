//! For the fuzz targets in `tests/fuzz` alone: no part of the library, and it may change at any time.

use crate::wire::fuzzed;

/// Judges the first bytes of a connection; panics if the judgement is not the same however they are cut.
pub fn handshake(bytes: &[u8]) {
    fuzzed::handshake(bytes);
}

/// Reads a client's frames; panics if they mean something else to tungstenite.
pub fn frames(bytes: &[u8]) {
    fuzzed::frames(bytes);
}

/// Inflates a message; panics if a plain reading of RFC 1951 makes something else of it.
pub fn inflate(bytes: &[u8]) {
    fuzzed::inflate(bytes);
}
