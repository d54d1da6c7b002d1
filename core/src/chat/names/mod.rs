//! Names that nobody can fake, and colours that never run out.
//!
//! In: a text that a stranger wants to be called by. Out: the name in its one form, or words that say what would
//! be right; and what a name looks like, so that look-alikes are told from others. Knows nothing of who is here.

mod colors;
mod emoji;
mod nickname;
mod reserved;
mod skeleton;

pub(crate) use colors::{Palette, color_of};
pub(crate) use nickname::chosen;
pub(crate) use reserved::Reserved;

#[cfg(test)]
mod tests;
