//! What a client asks for, whatever dialect it said it in.

pub(crate) mod request;

/// One command of a tutorial client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// "This is my name."
    Name(&'a str),
    /// "Say this in my room."
    Say(&'a str),
}
