//! What a client is shown, before a dialect has put it into words.

pub(crate) mod reply;

use std::sync::Arc;

use crate::id::UserName;
use crate::message::{Color, Message};

/// One thing to show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Push<'a> {
    /// What was said before, oldest first.
    History(&'a [Arc<Message>]),
    /// The colour that a client got for its name.
    Color(Color),
    /// A record of the log.
    Message(&'a Message),
    /// Something the host says that stands in no log.
    Notice { name: &'a UserName, color: Color, at_ms: u64, text: &'a str },
}
