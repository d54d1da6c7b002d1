//! The two clocks as values: pure parts are given them and never ask for them.

/// One moment, by both clocks, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Unix time: what people and clients see. May jump.
    pub(crate) unix_ms: u64,
    /// Since the engine was made: what timeouts and rates count by. Never jumps.
    pub(crate) ticks_ms: u64,
}
