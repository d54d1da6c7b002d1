//! Who gets which bytes, and when.
//!
//! In: frames, each made once, and who shares them. Out: slices of the same bytes for everybody. Knows
//! nothing of sockets, of what the bytes say, or of how a frame is made.
//!
//! `lanes` gathers, where messages get their place; `audience` hands out, in each shard; `outbox` keeps what a
//! connection did not take at once.

mod audience;
mod few;
mod lanes;
mod outbox;
#[cfg(test)]
mod tests;
mod turn;

pub(crate) use audience::Audience;
pub(crate) use few::Few;
pub(crate) use lanes::{LaneKey, Lanes, Mark, ShardKey, Taken};
pub(crate) use outbox::Outbox;
pub(crate) use turn::Turn;
