//! Names that nobody can fake, and colours that never run out.
//!
//! In: a text that a stranger wants to be called by. Out: the name in its one form, or words that say what would
//! be right; and what a name looks like, so that look-alikes are told from others. Knows nothing of who is here.

mod colors;
mod emoji;
mod held;
mod nickname;
mod reserved;
mod skeleton;

pub(crate) use colors::{Palette, color_of};
pub(crate) use held::Names;
pub(crate) use nickname::chosen;

#[cfg(test)]
mod tests;
