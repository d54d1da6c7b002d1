//! The client, against the engine and against servers that misbehave.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod connecting;
mod limits;
// It measures the process by what Linux tells of it.
#[cfg(target_os = "linux")]
mod memory;
mod peers;
mod silence;
mod talking;
