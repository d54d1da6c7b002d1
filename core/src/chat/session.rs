//! What the chat knows of one connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::id::{UserId, UserName};
use crate::message::Color;
use crate::rate::Bucket;

use super::room::RoomKey;

/// Who speaks: a user with a name and a colour.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) user: UserId,
    pub(crate) name: UserName,
    pub(crate) color: Color,
}

/// One connection of the chat.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) address: Option<SocketAddr>,
    /// `None`: a raw connection that named no room.
    pub(crate) room: Option<RoomKey>,
    /// `None` until it has named itself.
    pub(crate) who: Option<Arc<Who>>,
    /// Whether the host said who it is.
    pub(crate) given: bool,
    pub(crate) sent: Sent,
}

/// How fast a user sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) bucket: Bucket,
    /// Since when it has been slowed down without letting up, in ticks.
    pub(crate) throttled_since_ms: Option<u64>,
}

/// A user whom the host named: they may have several connections, and share their rate.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) who: Arc<Who>,
    pub(crate) connection_count: u64,
    pub(crate) sent: Sent,
}
