//! What the chat knows of one connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::id::{UserId, UserName};
use crate::message::Color;
use crate::rate::Bucket;

use super::room::RoomKey;
use super::session::SessionKey;

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
pub(crate) struct Connection {
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    /// `None` until it has a name.
    pub(crate) who: Option<Arc<Who>>,
    /// Whether the host said who it is.
    pub(crate) given: bool,
    pub(crate) sent: Sent,
}

/// Where a connection is.
#[derive(Debug)]
pub(crate) enum Place {
    /// A raw connection that named no room.
    Nowhere,
    /// The one room of a tutorial or a raw connection.
    Room(RoomKey),
    /// A v1 connection, which joins rooms when it wants to.
    Talk(Box<Talk>),
}

/// What is known of a v1 connection.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) phase: Phase,
    /// Since when its refusals are counted, in ticks, and how many there were.
    pub(crate) refused: (u64, u32),
    /// Until when it may be here, in ticks.
    pub(crate) expires_ms: Option<u64>,
    /// When that is looked at next.
    pub(crate) looks_ms: Option<u64>,
}

/// How far a v1 connection is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It has not said hello.
    New(Box<Knock>),
    /// The host is asked about its hello.
    Asking(Box<Knock>),
    /// It goes on with this session.
    In(SessionKey),
    /// It is about to be closed.
    Gone,
}

/// What a v1 connection brought along, for the question that its hello leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knock {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Connection {
    /// The one room of a connection that is no v1 one.
    pub(crate) fn room(&self) -> Option<RoomKey> {
        match self.place {
            Place::Room(room) => Some(room),
            Place::Nowhere | Place::Talk(_) => None,
        }
    }

    pub(crate) fn talk(&mut self) -> Option<&mut Talk> {
        match &mut self.place {
            Place::Talk(talk) => Some(talk),
            Place::Nowhere | Place::Room(_) => None,
        }
    }

    /// Whether it speaks v1.
    pub(crate) fn is_talk(&self) -> bool {
        matches!(self.place, Place::Talk(_))
    }

    /// Whether it is a v1 connection that is about to be closed.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(&self.place, Place::Talk(talk) if matches!(talk.phase, Phase::Gone))
    }

    /// The session of a v1 connection that has said hello.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        match &self.place {
            Place::Talk(talk) => match talk.phase {
                Phase::In(session) => Some(session),
                _ => None,
            },
            Place::Nowhere | Place::Room(_) => None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small_and_knows_where_it_comes_from() {
        assert!(size_of::<Connection>() <= 64, "{} bytes", size_of::<Connection>());
        for address in [None, Some("192.0.2.7:80"), Some("[2001:db8::1]:80")] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(Origin::new(address).address(), address);
        }
    }
}
