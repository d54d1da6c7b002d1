//! What the chat knows of one connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
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

/// Where a connection comes from, small in the usual case.
#[derive(Debug)]
pub(crate) enum Origin {
    V4(Ipv4Addr, u16),
    Other(Option<Box<SocketAddr>>),
}

impl Origin {
    pub(crate) fn new(address: Option<SocketAddr>) -> Origin {
        match address {
            Some(SocketAddr::V4(address)) => Origin::V4(*address.ip(), address.port()),
            address => Origin::Other(address.map(Box::new)),
        }
    }

    /// `None` for a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Origin::V4(ip, port) => Some(SocketAddr::new(IpAddr::V4(*ip), *port)),
            Origin::Other(address) => address.as_deref().copied(),
        }
    }
}

/// One connection of the chat.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) origin: Origin,
    /// `None`: a raw connection that named no room.
    pub(crate) room: Option<RoomKey>,
    /// `None` until it has named itself.
    pub(crate) who: Option<Arc<Who>>,
    /// Whether the host said who it is.
    pub(crate) given: bool,
    pub(crate) sent: Sent,
}

/// What a v1 connection brought along, for the question that its hello leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knock {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// How fast a user sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) bucket: Bucket,
    /// Since when it has been slowed down without letting up, in ticks.
    throttled_since_ms: Option<NonZeroU64>,
}

impl Sent {
    /// Notes that it is slowed down. Gives since when, in ticks.
    pub(crate) fn throttle(&mut self, now_ms: u64) -> u64 {
        let now_ms = NonZeroU64::new(now_ms).unwrap_or(NonZeroU64::MIN);
        self.throttled_since_ms.get_or_insert(now_ms).get()
    }

    /// It has let up.
    pub(crate) fn recover(&mut self) {
        self.throttled_since_ms = None;
    }
}

/// A user whom the host named: they may have several connections, and share their rate.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) who: Arc<Who>,
    pub(crate) connection_count: u64,
    pub(crate) sent: Sent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small_and_knows_where_it_comes_from() {
        assert!(size_of::<Session>() <= 56, "{} bytes", size_of::<Session>());
        for address in [None, Some("192.0.2.7:80"), Some("[2001:db8::1]:80")] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(Origin::new(address).address(), address);
        }
    }
}
