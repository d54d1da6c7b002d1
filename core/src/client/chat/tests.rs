//! The machine against a server that says what the test wants, by a clock that the test turns.

mod answers;
mod catching;
mod desk;
mod kept;
mod random;
mod talking;

use desk::{Desk, at, field, joined, message, record, records};
