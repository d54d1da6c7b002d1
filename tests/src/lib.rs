//! What the tests that cross the crates share: the language of the scenarios, the doors they run through, and
//! where things are.
#![forbid(unsafe_code)]

pub mod driver;
pub mod place;
pub mod scenario;
