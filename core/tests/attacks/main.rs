//! What strangers may try: each ends only its own connection, costs bounded memory and time, and the next client is
//! served. `core/docs/attacks.md` says which promise each of these keeps.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod deflate;
mod frames;
mod pages;
mod proxies;
mod requests;
mod talk;

// These measure the process by what Linux tells of it.
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod growth;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod secure;
