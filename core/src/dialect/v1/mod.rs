//! The dialect `klatsch.v1`: one text frame is one JSON object.
//!
//! In: texts of a client; replies, errors and events for it. Out: requests; JSON appended to a byte buffer. Knows nothing
//! of who is where, or of what a request leads to. For people: core/docs/protocol-v1.md.

mod event;
mod fields;
mod message;
mod reply;
mod request;

use super::json;

pub(crate) use event::event;
pub(crate) use reply::{refusal, reply};
pub(crate) use request::{Bounds, Incoming, Unread, read};

/// The name by which clients ask for the dialect.
pub(crate) const SUBPROTOCOL: &str = "klatsch.v1";

/// A text as JSON.
pub(crate) fn text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::text(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Looks whether a text is JSON that a client of this dialect can read.
///
/// # Errors
/// Words: where it is none.
pub(crate) fn check_json(text: &str) -> Result<(), String> {
    json::Json::parse(text, ANSWER_DEPTH).map(drop)
}

/// How deep the host's answer may be: with the reply around it, as deep as a client's request.
const ANSWER_DEPTH: usize = 31;

/// What is sent for the sake of sending something; nobody answers it.
pub(crate) const HEARTBEAT: &[u8] = b"{}";

#[cfg(test)]
mod tests;
