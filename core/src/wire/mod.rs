//! Bytes to whole messages and back: RFC 6455, and RFC 7692 in parts.
//!
//! In: the bytes a peer sent, in the order they came, cut anywhere; the limits and the time, as
//! arguments. Out: a judged HTTP request (for a client, a judged answer), then whole texts, binaries and control frames, each valid
//! by the RFC and within the limits; and the bytes of answers and frames. What breaks a rule gives a
//! [`Refusal`] (an HTTP answer) or a [`Violation`] (a close code), never a panic.
//!
//! Knows nothing of sockets, clocks, rooms or what texts mean, keeps nothing between messages, and
//! never spends memory on what a peer only claims to send.

pub(crate) mod assembly;
pub(crate) mod close;
pub(crate) mod deflate;
#[cfg(any(test, feature = "testing"))]
mod differential;
pub(crate) mod frame;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzzed;
pub(crate) mod handshake;
#[cfg(test)]
mod testing;

pub(crate) use assembly::{Assembly, Item, OVERDUE, Rules, judge_text};
pub(crate) use close::{MAX_REASON_BYTES, close_frame, is_allowed, reply_code};
pub(crate) use frame::{
    Kind, Role, Violation, frame_len, frame_payload, write_deflated_frame, write_frame, write_masked,
    write_masked_message,
};
