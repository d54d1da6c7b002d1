//! JSON as the dialects need it: a reader that copies nothing it need not, and a writer without a tree.
//!
//! In: text. Out: values that lie in it. And the other way round: values appended to a byte buffer. Knows nothing of
//! what the values mean.
//!
//! Source: RFC 8259; where it leaves a choice, RFC 7493 (I-JSON): no lone surrogates, no number beyond a double.

mod read;
mod write;

pub(crate) use read::Json;
#[cfg(test)]
pub(super) use read::LOOKED_AT;
pub(crate) use write::{Object, decimal, list, object, text};

#[cfg(test)]
mod tests;
