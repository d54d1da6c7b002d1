//! For the programs in `tests/fuzz`, `tests/callgrind` and `tests/bench/parts` alone: no part of the library, and it may
//! change at any time.

pub mod parts;

use crate::wire::{Assembly, Item, Role, Rules, fuzzed};

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

/// Has clients and a host do what the lines say; panics where the conversation breaks a promise.
pub fn talk(bytes: &[u8]) {
    let _ = crate::engine::talked::talk(bytes);
}

/// What a server reads of one client, as a connection does.
#[derive(Debug, Default)]
pub struct Texts(Assembly);

impl Texts {
    /// Takes what one read of the socket gave; each whole text is lent to `each`. Panics at anything else.
    pub fn read(&mut self, bytes: &mut [u8], mut each: impl FnMut(&str)) {
        let mut at = 0;
        while at < bytes.len() {
            let step = self.0.next(&mut bytes[at..], &RULES, 0).expect("the frames are right");
            at += step.used;
            match step.item {
                Some(Item::Text(text)) => each(text),
                None => {}
                Some(other) => panic!("a text and not {other:?}"),
            }
        }
        self.0.settle();
    }
}

/// The engine's defaults.
const RULES: Rules = Rules {
    role: Role::Server,
    deflate: true,
    max_message_bytes: 64 << 10,
    max_fragment_count: 64,
    max_assembly_ms: 10_000,
};
