//! The documents of `klatsch.v1` from the client's side: requests to text, and the server's text to typed values.
//!
//! In: requests with their ids and mids; texts from the server. Out: JSON; replies and events. Knows nothing of what
//! was asked before: whoever asked reads the reply as what it must be. Contract: core/docs/protocol-v1.md.

mod events;
mod read;
mod replies;
mod write;

pub(super) use events::{Document, Happening, document};
pub(super) use read::{Fields, Unreadable};
pub(super) use replies::{Content, Entered, Resumed, Welcome, entered, page, reply, sent, welcome};
pub(super) use write::{Hello, hello, request};

/// What is sent for the sake of sending something; nobody answers it.
pub(super) const HEARTBEAT: &str = "{}";

#[cfg(test)]
mod tests;
