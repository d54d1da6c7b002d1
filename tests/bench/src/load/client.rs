//! One client's socket: bytes in and out, plain or encrypted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use flate2::{Decompress, FlushDecompress};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

/// Where a client has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Gone,
    Connecting,
    /// The opening request is out.
    Opening,
    /// Its name is out.
    Named,
    /// It has its colour: it is in.
    Joined,
    /// Its close frame is out.
    Leaving,
}

/// One client.
pub(crate) struct Client {
    pub(crate) socket: Option<Socket>,
    pub(crate) stage: Stage,
    /// Its address is 127.0.0.2 and so many more.
    pub(crate) source: u8,
    /// It never reads once it is in.
    pub(crate) is_slow: bool,
    /// When it began to connect.
    pub(crate) born: u64,
    /// Messages that came in this run.
    pub(crate) message_count: usize,
    /// In `klatsch.v1`, the offset of the newest record that it has.
    pub(crate) offset: u64,
    /// When it said something last; only in `klatsch.v1`, whose clients must not be silent for too long.
    pub(crate) said_at: u64,
    /// It waits for the socket to take what is left in `wire`.
    pub(crate) waits_to_write: bool,
    /// The beginning of a frame that is not whole yet.
    pub(crate) tail: Vec<u8>,
    /// If it is a witness: what its messages are inflated with.
    pub(crate) inflater: Option<Box<Decompress>>,
    tls: Option<Box<ClientConnection>>,
    /// Bytes to be encrypted.
    clear: Vec<u8>,
    /// Bytes for the socket.
    wire: Vec<u8>,
}

impl Client {
    pub(crate) fn new(source: u8, is_slow: bool) -> Client {
        Client {
            socket: None,
            stage: Stage::Gone,
            source,
            is_slow,
            born: 0,
            message_count: 0,
            offset: 0,
            said_at: 0,
            waits_to_write: false,
            tail: Vec::new(),
            inflater: None,
            tls: None,
            clear: Vec::new(),
            wire: Vec::new(),
        }
    }

    /// Begins to connect.
    pub(crate) fn connect(
        &mut self,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
        now: u64,
    ) -> Result<(), String> {
        let session = match tls {
            Some(config) => {
                let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
                let mut session =
                    ClientConnection::new(config.clone(), name).map_err(|error| error.to_string())?;
                session.set_buffer_limit(None);
                Some(Box::new(session))
            }
            None => None,
        };
        let socket = open_socket(port, self.source, self.is_slow.then_some(SLOW_RECEIVE_BYTES))
            .map_err(|error| format!("connect: {error}"))?;
        let (source, is_slow, witness) = (self.source, self.is_slow, self.inflater.is_some());
        *self = Client::new(source, is_slow);
        self.inflater = witness.then(|| Box::new(Decompress::new(false)));
        (self.socket, self.tls, self.born) = (Some(socket), session, now);
        (self.stage, self.waits_to_write) = (Stage::Connecting, true);
        Ok(())
    }

    /// Where to append what is to be sent.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        match self.tls {
            Some(_) => &mut self.clear,
            None => &mut self.wire,
        }
    }

    /// Sends what the socket takes. Gives whether nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(&self.clear)?;
            self.clear.clear();
            while tls.wants_write() {
                tls.write_tls(&mut self.wire)?;
            }
        }
        let Some(socket) = &self.socket else { return Ok(true) };
        if !self.wire.is_empty() {
            match (&*socket).write(&self.wire) {
                Ok(sent) => drop(self.wire.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.wire.is_empty())
    }

    /// Reads once. Puts what the tail and the socket have behind each other into `buffer`, and gives its length and how
    /// many bytes came; `None`: nothing is there. 0 bytes are the end.
    pub(crate) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        wire: &mut [u8],
    ) -> io::Result<Option<(usize, usize)>> {
        let Some(socket) = &self.socket else { return Ok(None) };
        let kept = self.tail.len();
        if buffer.len() < kept + MOST_AT_ONCE {
            buffer.resize(kept + MOST_AT_ONCE, 0);
        }
        let into = if self.tls.is_some() { &mut *wire } else { &mut buffer[kept..] };
        let came = match (&*socket).read(into) {
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        buffer[..kept].copy_from_slice(&self.tail);
        self.tail.clear();
        let Some(tls) = &mut self.tls else { return Ok(Some((kept + came, came))) };
        let (mut encrypted, mut len) = (&wire[..came], kept);
        while !encrypted.is_empty() {
            tls.read_tls(&mut encrypted)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let clear = state.plaintext_bytes_to_read();
            if buffer.len() < len + clear {
                buffer.resize(len + clear, 0);
            }
            if clear > 0 {
                tls.reader().read_exact(&mut buffer[len..len + clear])?;
                len += clear;
            }
        }
        Ok(Some((len, came)))
    }

    /// Whether TLS has something of its own to say.
    pub(crate) fn tls_wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Inflates a message, as a witness; messages share a context (RFC 7692, 7.2.2).
    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let Some(inflater) = &mut self.inflater else { return Ok(Vec::new()) };
        let input = [payload, &END_OF_MESSAGE].concat();
        let (mut used, mut out) = (0, Vec::with_capacity(payload.len() * 4 + 256));
        loop {
            out.reserve(256);
            let before = inflater.total_in();
            let inflated = inflater.decompress_vec(&input[used..], &mut out, FlushDecompress::Sync);
            inflated.map_err(|error| format!("inflating: {error}"))?;
            let taken = (inflater.total_in() - before) as usize;
            used += taken;
            // Where the room was not enough there may be more.
            if out.len() < out.capacity() && (used == input.len() || taken == 0) {
                break;
            }
        }
        if used < input.len() {
            return Err("inflating: the stream has ended".into());
        }
        Ok(out)
    }

    /// Cuts the connection; a reset leaves no socket behind that waits.
    pub(crate) fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            // If it cannot be set, the connection ends another way.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.tls = None;
        self.stage = Stage::Gone;
    }
}

/// A socket that is connecting to 127.0.0.1, from the `source`th address behind 127.0.0.2.
pub(crate) fn open_socket(port: u16, source: u8, receive_bytes: Option<usize>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    let own = Ipv4Addr::new(127, 0, 0, 2 + source % 250);
    socket.bind(&SocketAddr::from((own, 0)).into())?;
    match socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()) {
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(socket),
    }
}

/// What a sender leaves out at the end of each message (RFC 7692, 7.2.1).
const END_OF_MESSAGE: [u8; 4] = [0, 0, 0xff, 0xff];

/// The most that is read at once.
pub(crate) const MOST_AT_ONCE: usize = 256 * 1024;

/// What the kernel keeps for a client that does not read.
const SLOW_RECEIVE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    #[test]
    fn a_witness_inflates_messages_that_refer_to_one_another() {
        let mut client = Client::new(0, false);
        client.inflater = Some(Box::new(Decompress::new(false)));
        let mut deflater = Compress::new(Compression::fast(), false);
        for message in [b"a message like others".repeat(9), b"a message like others".repeat(9000)] {
            let mut compressed = Vec::with_capacity(message.len() + 100);
            deflater.compress_vec(&message, &mut compressed, FlushCompress::Sync).unwrap();
            compressed.truncate(compressed.len() - 4);
            assert_eq!(client.inflate(&compressed).unwrap(), message);
        }
        assert!(client.inflate(b"\x06 is no kind of block").is_err());
    }
}
