//! What a simulated line is like.

use std::net::SocketAddr;

/// How a line between a client and the engine behaves. What is not said is that of a good line: some milliseconds, and
/// nothing but patience bounds what the client reads.
///
/// ```
/// use klatsch::sim::Link;
/// let phone_in_a_tunnel = Link::new().delay_ms(300, 4_000).reads_at(2_000);
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    pub(super) min_delay_ms: u64,
    pub(super) max_delay_ms: u64,
    pub(super) in_flight_bytes: usize,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) address: Option<SocketAddr>,
}

impl Link {
    /// A good line.
    pub fn new() -> Link {
        Link {
            min_delay_ms: 1,
            max_delay_ms: 5,
            in_flight_bytes: 64 * 1024,
            bytes_per_second: None,
            address: None,
        }
    }

    /// How long what is sent is under way: a number between these, new for each piece. What was sent first arrives
    /// first all the same. Default: 1 to 5.
    pub fn delay_ms(mut self, min: u64, max: u64) -> Link {
        (self.min_delay_ms, self.max_delay_ms) = (min, max.max(min));
        self
    }

    /// How many bytes of the engine's the line takes before the client has read them: the buffers of both sockets. Default:
    /// 65,536.
    pub fn in_flight_bytes(mut self, bytes: usize) -> Link {
        self.in_flight_bytes = bytes.max(1);
        self
    }

    /// How fast the client reads, in bytes a second; 0: not at all. Default: at once.
    pub fn reads_at(mut self, bytes_per_second: u64) -> Link {
        self.bytes_per_second = Some(bytes_per_second);
        self
    }

    /// Where the client is, for what the engine counts per address. Default: nowhere, as on a Unix socket.
    pub fn from_address(mut self, address: SocketAddr) -> Link {
        self.address = Some(address);
        self
    }
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}
