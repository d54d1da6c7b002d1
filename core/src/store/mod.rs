//! Where the rooms' logs are kept.
//!
//! In: records that have their place. Out: the same again, by position, and messages as they stand now. Knows nothing
//! of who reads them.

mod age;
mod dedupe;
mod kept;
mod memory;
mod table;

pub(crate) use memory::{Bounds, Memory, RECORDS_A_MESSAGE};
