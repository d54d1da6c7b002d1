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
use crate::push::Cause;

pub(crate) use event::event;
pub(crate) use reply::{refusal, reply};
pub(crate) use request::{Bounds, Incoming, Unread, read};

/// The close code for a cause: 4000 to 4099, do not come back; 4100 to 4199, later; 4200 to 4299, come back and resume.
pub(crate) const fn close_code(cause: Cause) -> u16 {
    match cause {
        Cause::TooLong => 1009,
        Cause::Protocol | Cause::BadName => 4000,
        Cause::Unauthorized => 4001,
        Cause::Banned => 4002,
        Cause::Replaced => 4003,
        Cause::Kicked => 4004,
        Cause::Overload => 4100,
        Cause::TooManyConnections => 4101,
        Cause::Flood => 4102,
        Cause::GoingAway => 4200,
        Cause::TooSlow => 4201,
        Cause::Restart => 4202,
        Cause::NoHeartbeat => 4203,
        Cause::NoHello => 4204,
    }
}

/// The name by which clients ask for the dialect.
pub(crate) const SUBPROTOCOL: &str = "klatsch.v1";

/// A text as JSON.
pub(crate) fn text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::text(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// What is sent for the sake of sending something; nobody answers it.
pub(crate) const HEARTBEAT: &[u8] = b"{}";

#[cfg(test)]
mod tests;
