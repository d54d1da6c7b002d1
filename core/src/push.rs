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

/// Why the engine closes a connection. Each dialect has a close code for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It does not keep to its dialect.
    Protocol,
    /// Its token or its session is not valid, or not any more.
    Unauthorized,
    /// The user, or where it comes from, is banned.
    Banned,
    /// Another connection has taken its session over.
    Replaced,
    /// The name is not allowed.
    BadName,
    /// A message is longer than it may be.
    TooLong,
    /// The host closed it.
    Kicked,
    /// It did nothing but send, faster than it may, for too long.
    Flood,
    /// There is no room for it: connections, rooms or memory have run out.
    Overload,
    /// Its user has as many connections as one may have.
    TooManyConnections,
    /// It reads more slowly than others write.
    TooSlow,
    /// It answered no heartbeat.
    NoHeartbeat,
    /// It did not say who it is in time.
    NoHello,
    /// The engine stops.
    GoingAway,
    /// The engine stops, to begin again.
    #[cfg_attr(not(test), expect(dead_code, reason = "no stop says that the engine begins again"))]
    Restart,
}
