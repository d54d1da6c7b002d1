//! The engine's figures, as one struct that the caller has the place for.
//!
//! In: the core's figures. Out: as many members as the caller's struct has, and not a byte behind them.

use std::mem::offset_of;

use klatsch::{Error, ErrorCode, SlowConnection, Stats};

use crate::engine::{klatsch_engine_t, with_engine};
use crate::error::{klatsch_code_t, klatsch_error_t};
use crate::host::Host;
use crate::text;

/// A connection that reads too slowly. This struct never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct klatsch_slow_connection_t {
    /// Which.
    pub connection: u64,
    /// How many bytes wait for it.
    pub waiting_bytes: u64,
    /// For how many milliseconds it has lagged; 0 if it does not.
    pub lagging_ms: u64,
}

/// Figures of a running engine. Those of the connections are a moment old at the most; what was counted begins anew
/// with each start.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_stats_t {
    /// Before the call: `sizeof(klatsch_stats_t)`. After it: how many of those bytes the running library has filled;
    /// see `KLATSCH_HAS`.
    pub size: u32,
    /// How many connections stand in `slowest`.
    pub slowest_count: u32,
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
    /// The connections for which most waits, most first; some tenths of a second old.
    pub slowest: [klatsch_slow_connection_t; 8],
}

/// Reads the figures of the running engine: how many connections, how much waits, which of them read too slowly.
///
/// - `engine`: required.
/// - `out_stats`: required. A struct of the caller's, whose `size` is set; gets the figures. Whatever else is in it
///   is not looked at, and members that the running library does not have are left as they are.
///
/// Fails with `KLATSCH_NOT_RUNNING`; with `KLATSCH_INVALID_ARGUMENT` also when `size` is too small.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_stats(
    engine: *mut klatsch_engine_t,
    out_stats: *mut klatsch_stats_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header: `size` bytes may be written, and the first four of them say how many.
    let body = |host: &Host| unsafe {
        let place = text::out("out_stats", out_stats)?;
        let bytes = fitting(place.cast::<u32>().read())?;
        let stats = stats(&host.core.stats()?, bytes);
        place.cast::<u8>().copy_from_nonoverlapping((&raw const stats).cast(), bytes);
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// How many bytes a struct gets that has `size`.
fn fitting(size: u32) -> Result<usize, Error> {
    let size = size as usize;
    if size < FIRST_BYTES {
        let words = format!(
            "the size of out_stats is {size}; it must be sizeof(klatsch_stats_t), which is {FIRST_BYTES} or more"
        );
        return Err(Error::new(ErrorCode::InvalidArgument, words));
    }
    Ok(size.min(size_of::<klatsch_stats_t>()))
}

fn stats(from: &Stats, bytes: usize) -> klatsch_stats_t {
    let mut stats = klatsch_stats_t {
        size: bytes as u32,
        slowest_count: 0,
        connection_count: from.connection_count,
        handshake_count: from.handshake_count,
        lagging_count: from.lagging_count,
        too_slow_count: from.too_slow_count,
        room_count: from.room_count,
        received_bytes: from.received_bytes,
        sent_bytes: from.sent_bytes,
        waiting_bytes: from.waiting_bytes,
        history_bytes: from.history_bytes,
        memory_bytes: from.memory_bytes,
        event_count: from.event_count,
        slowest: Default::default(),
    };
    for (place, slow) in stats.slowest.iter_mut().zip(&from.slowest) {
        *place = slow_connection(slow);
        stats.slowest_count += 1;
    }
    stats
}

fn slow_connection(slow: &SlowConnection) -> klatsch_slow_connection_t {
    klatsch_slow_connection_t {
        connection: slow.connection.0,
        waiting_bytes: slow.waiting_bytes,
        lagging_ms: slow.lagging_ms,
    }
}

/// How many bytes the struct had in the first version that had it: a smaller one is none.
///
/// cbindgen:ignore
const FIRST_BYTES: usize = offset_of!(klatsch_stats_t, slowest) + 8 * size_of::<klatsch_slow_connection_t>();
