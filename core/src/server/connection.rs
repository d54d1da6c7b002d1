//! One connection, as the shard keeps it: small, because most are idle.

use std::net::SocketAddr;

use crate::event::Dialect;
use crate::fanout::{Few, LaneKey};
use crate::id::ConnectionId;
use crate::message::Payload;
use crate::rate::Bucket;
use crate::wire::{Assembly, Violation};

use super::addresses::AddressKey;
use super::admission::Wanted;
use super::compression::Terms;
use super::transport::Transport;
use super::waiting::Waiting;
use crate::wire::handshake::HeadScan;

/// One connection. What only some have, and only for a time, is boxed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) transport: Transport,
    /// 0 until its handshake was right.
    pub(super) id: ConnectionId,
    pub(super) phase: Phase,
    /// When the last byte came, in ticks; or when the engine itself began to read it again.
    pub(super) heard_ms: u64,
    /// By which address it is counted; not yet, while a trusted proxy has not said for whom it speaks.
    pub(super) counted: Option<AddressKey>,
    /// For whom a trusted proxy speaks; `None`: the peer is the client.
    pub(super) client: Option<Box<SocketAddr>>,
    pub(super) assembly: Assembly,
    /// `None`: nothing waits, neither here nor in the transport.
    pub(super) outbox: Option<Box<Waiting>>,
    /// Bytes that were read and not looked at, because the connection was held. Boxed twice, so that it is a
    /// word here.
    pub(super) unread: Option<Box<Box<[u8]>>>,
    /// A raw message for which the host's queue had no place.
    pub(super) parked: Option<Box<Payload>>,
    /// When the host was handed a raw message last, in ticks.
    pub(super) handed_ms: u64,
    pub(super) control: Bucket,
    /// Its places in the lanes that it is in.
    pub(super) seats: Few<Seat>,
    pub(super) dialect: Dialect,
    pub(super) terms: Terms,
    /// The socket was the host's.
    pub(super) adopted: bool,
    /// It has sent a text: the next one is not its first.
    pub(super) spoke: bool,
    /// It has a name, or is about to.
    pub(super) named: bool,
    /// It is not read, until it is released.
    pub(super) held: bool,
    /// It was pinged and has not been heard since.
    pub(super) pinged: bool,
    /// The socket is not watched, until it is released: what the peer sends byte by byte gathers meanwhile.
    pub(super) resting: bool,
    /// How often it was read before it was a WebSocket, or after its answer.
    pub(super) read_count: u8,
    /// It speaks v1 and is not read, until everything that waits for it has left.
    pub(super) choked: bool,
    /// How often a v1 connection is sent something at least, in tenths of a second so that it is small.
    heartbeat_tenths: u16,
    /// The peer will send nothing more.
    pub(super) read_closed: bool,
    /// It stands in the shard's list of what is to be read.
    pub(super) is_ready: bool,
}

/// A connection's place in its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) lane: LaneKey,
    /// Its index in the lane's audience.
    pub(super) index: u32,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its request is being read.
    Head(Box<Head>),
    /// The host is asked whether it may come in.
    Asking(Box<Wanted>),
    /// It is a WebSocket.
    Open,
    /// It broke the protocol and is read no further. The host may be about to answer what came before: that is
    /// sent for a moment longer, and then the close frame.
    Failing(Box<Violation>),
    /// A close frame is under way to it. Nothing that it sends counts, but its own close frame.
    Closing { deadline_ms: u64, peer: Peer },
    /// It has had an HTTP answer and nothing more to say. What it sends is thrown away, so that a reset does
    /// not overtake the answer.
    Answered { deadline_ms: u64, shut: bool },
}

/// The peer's part in a closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Its close frame is still to come.
    Awaited,
    /// What it sends makes no sense, so its close frame would not be found: its end is waited for.
    Deaf,
    /// It has sent its close frame.
    Closed,
}

/// A request under way. Where TLS is spoken, it begins after the TLS handshake.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) scan: HeadScan,
    /// Since when it is here, in ticks.
    pub(super) began_ms: u64,
    /// Until when the TLS handshake may last, and then the request.
    pub(super) deadline_ms: u64,
    /// What it will be answered, whatever it asks: there are too many already.
    pub(super) refusal: Option<u16>,
    /// It came from a server of the host's own, not from a listener.
    pub(super) adopted: bool,
    /// Its peer is a trusted proxy.
    pub(super) proxied: bool,
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        head: Head,
        counted: Option<AddressKey>,
        now_ms: u64,
    ) -> Connection {
        Connection {
            transport,
            adopted: head.adopted,
            id: ConnectionId(0),
            phase: Phase::Head(Box::new(head)),
            heard_ms: now_ms,
            counted,
            client: None,
            assembly: Assembly::default(),
            outbox: None,
            unread: None,
            parked: None,
            handed_ms: 0,
            control: Bucket::default(),
            seats: Few::None,
            dialect: Dialect::Tutorial,
            terms: Terms::default(),
            spoke: false,
            named: false,
            held: false,
            pinged: false,
            resting: false,
            read_count: 0,
            choked: false,
            heartbeat_tenths: u16::MAX,
            read_closed: false,
            is_ready: false,
        }
    }

    pub(super) fn heartbeat_interval_ms(&self) -> u64 {
        u64::from(self.heartbeat_tenths) * 100
    }

    pub(super) fn beat_every(&mut self, interval_ms: u64) {
        self.heartbeat_tenths = u16::try_from(interval_ms / 100).unwrap_or(u16::MAX).max(1);
    }

    /// Where it comes from, whatever trusted proxies are between; `None` for a Unix socket, and when the peer is
    /// gone.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.client.as_deref().copied().or_else(|| self.transport.peer_addr().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small_whatever_it_may_become() {
        // In a debug build mio keeps a selector's number in each socket.
        let numbers = size_of::<mio::net::TcpStream>() - size_of::<std::net::TcpStream>();
        let size = (size_of::<Connection>() - numbers).next_multiple_of(8);
        assert!(size <= 144, "{size} bytes");
    }
}
