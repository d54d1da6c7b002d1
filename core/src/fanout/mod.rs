//! Who gets which bytes, and when.
//!
//! In: frames, each made once, and who shares them. Out: slices of the same bytes for everybody. Knows
//! nothing of sockets, of what the bytes say, or of how a frame is made.

mod outbox;
mod turn;

pub(crate) use outbox::Outbox;
pub(crate) use turn::Turn;
