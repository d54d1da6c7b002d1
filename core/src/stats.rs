//! Figures of a running engine.

use crate::id::ConnectionId;

/// Figures of a running engine, by [`Engine::stats`](crate::Engine::stats). Those of the connections are as of each
/// shard's last turn, so a moment old at the most; what was counted begins anew with each start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many connections there are, those on their way to a WebSocket and those being closed among them.
    pub connection_count: u64,
    /// How many of them are no WebSockets yet.
    pub handshake_count: u64,
    /// How many connections lag: they are shown nothing of their room until they have taken what waits for them.
    pub lagging_count: u64,
    /// How many connections were closed because they read too slowly.
    pub too_slow_count: u64,
    /// How many rooms there are.
    pub room_count: u64,
    /// How many bytes came from connections, without what TLS adds.
    pub received_bytes: u64,
    /// How many bytes their sockets took, without what TLS adds.
    pub sent_bytes: u64,
    /// How many bytes wait for connections that read too slowly.
    pub waiting_bytes: u64,
    /// How many bytes the logs of all rooms hold.
    pub history_bytes: u64,
    /// How many bytes the engine holds in all, about, as `memory_bytes` counts them.
    pub memory_bytes: u64,
    /// How many events wait for the host.
    pub event_count: u64,
    /// The connections for which most waits, at most 8, most first; some tenths of a second old.
    pub slowest: Vec<SlowConnection>,
}

/// A connection that reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowConnection {
    /// Which.
    pub connection: ConnectionId,
    /// How many bytes wait for it.
    pub waiting_bytes: u64,
    /// For how many milliseconds it has lagged; 0 if it does not.
    pub lagging_ms: u64,
}

/// How many of the slowest connections are named.
pub(crate) const MAX_SLOWEST: usize = 8;
