//! How bytes reach a peer: over the bare socket, or by TLS over it.
//!
//! In: plain bytes to send, and a buffer to read into. Out: how many were taken, and plain bytes. What TLS has to
//! say by itself goes in between. Never waits. Knows nothing of what the bytes mean, but that a request without
//! TLS does not begin as TLS does.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ServerConnection;
use socket2::SockRef;

use super::pipe::PipeEnd;

/// A connected socket, and its TLS session where it has one.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    tls: Option<Box<Tls>>,
}

/// What carries the bytes.
#[derive(Debug)]
enum Socket {
    System(TcpStream),
    /// No operating system does: a simulated network.
    Pipe(PipeEnd),
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Got {
    /// So many plain bytes, at the front of the buffer; none where TLS spoke for itself. `more`: there may be
    /// more at once.
    Bytes { count: usize, more: bool },
    /// The peer will send nothing more.
    End,
    /// An HTTP request without TLS, where TLS is spoken. The transport is plain from here on.
    Plain,
    /// The peer broke TLS, and has been told how. What it sends from here on is thrown away.
    Broken(String),
}

#[derive(Debug)]
struct Tls {
    session: ServerConnection,
    /// What is encrypted and not taken by the socket yet; a word, because nothing is for nearly everybody.
    sealed: Option<Box<Sealed>>,
    /// The peer's first byte was TLS.
    begun: bool,
    /// The peer has said that it will send nothing more.
    ended: bool,
    /// The peer broke TLS.
    broken: bool,
    /// This side has said that it will send nothing more.
    closed: bool,
}

/// Encrypted bytes, of which the socket took the first `sent`.
#[derive(Debug)]
struct Sealed {
    bytes: Vec<u8>,
    sent: usize,
}

impl Transport {
    /// A socket that speaks plain, or TLS where there is a session for it.
    pub(crate) fn new(socket: TcpStream, session: Option<ServerConnection>) -> Transport {
        // Fails on a Unix socket, which has no such delay.
        let _ = socket.set_nodelay(true);
        let tls = session.map(|session| {
            Box::new(Tls { session, sealed: None, begun: false, ended: false, broken: false, closed: false })
        });
        Transport { socket: Socket::System(socket), tls }
    }

    /// The end of a simulated line, which speaks plain.
    pub(crate) fn piped(end: PipeEnd) -> Transport {
        Transport { socket: Socket::Pipe(end), tls: None }
    }

    /// Whether its TLS handshake is under way.
    pub(crate) fn is_securing(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.session.is_handshaking())
    }

    /// Bytes that are encrypted and were not taken by the socket: at most [`AHEAD_BYTES`], or a handshake's.
    pub(crate) fn sealed_bytes(&self) -> usize {
        let sealed = self.tls.as_ref().and_then(|tls| tls.sealed.as_ref());
        sealed.map_or(0, |sealed| sealed.bytes.len() - sealed.sent)
    }

    /// Whether it is a Unix socket that came to a path. One of a pair has none.
    pub(crate) fn is_named_unix(&self) -> bool {
        let Socket::System(socket) = &self.socket else { return false };
        SockRef::from(socket).local_addr().is_ok_and(|local| local.is_unix() && !local.is_unnamed())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::System(socket) => socket.peer_addr(),
            Socket::Pipe(end) => end.peer_addr(),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::System(socket) => socket.local_addr(),
            Socket::Pipe(_) => Err(ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// Reads once from the socket.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Got> {
        let Some(tls) = &mut self.tls else {
            return Ok(match self.socket.read(buffer)? {
                0 => Got::End,
                count => Got::Bytes { count, more: count == buffer.len() },
            });
        };
        if tls.ended {
            return Ok(Got::End);
        }
        let (plain, sealed) = buffer.split_at_mut(buffer.len() - SEALED_BYTES);
        let count = self.socket.read(sealed)?;
        let more = count == sealed.len();
        if count == 0 {
            return Ok(Got::End);
        }
        if tls.broken {
            return Ok(Got::Bytes { count: 0, more });
        }
        // A TLS record begins with a control byte, an HTTP request with a method.
        if !std::mem::replace(&mut tls.begun, true) && sealed[0].is_ascii_uppercase() {
            self.tls = None;
            return Ok(Got::Plain);
        }
        let result = tls.open(&sealed[..count], plain);
        // Should that fail, so will the next write, which says so.
        let _ = tls.flush(&self.socket);
        Ok(match result {
            Ok(0) if tls.ended => Got::End,
            Ok(count) => Got::Bytes { count, more: more || tls.ended },
            Err(error) => {
                tls.broken = true;
                Got::Broken(error.to_string())
            }
        })
    }

    /// Sends these bytes. Gives how many were taken, which may be none; what TLS has taken may still be
    /// [`sealed_bytes`](Transport::sealed_bytes).
    ///
    /// # Errors
    /// The socket's, but that it takes nothing now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let result = match self.tls {
                None => self.socket.write(bytes),
                Some(_) => self.send(&[IoSlice::new(&bytes[taken..])]),
            };
            match result {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.tls.is_none() || taken == bytes.len() || self.sealed_bytes() > 0 {
                return Ok(taken);
            }
        }
    }

    /// Goes on with what is encrypted already, then sends these slices. Gives how many of their bytes were
    /// taken; none, if only bytes that were encrypted already went.
    ///
    /// # Errors
    /// The socket's. `WouldBlock`: it took not one byte.
    pub(crate) fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.send(slices) };
        tls.flush(&self.socket)?;
        if tls.sealed.is_some() {
            return Ok(0);
        }
        let count = tls.seal(slices)?;
        match tls.flush(&self.socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Ends this side of the connection, behind all that was taken. Gives whether that has left; if not, it is
    /// to be called again when the socket takes more.
    pub(crate) fn shutdown(&mut self) -> bool {
        self.say_goodbye();
        if self.sealed_bytes() > 0 {
            return false;
        }
        self.socket.shutdown();
        true
    }

    /// Says by TLS that nothing more will be sent, as far as the socket takes it now.
    pub(crate) fn say_goodbye(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        if !tls.broken && !std::mem::replace(&mut tls.closed, true) {
            tls.session.send_close_notify();
        }
        if let Err(error) = tls.flush(&self.socket)
            && error.kind() != ErrorKind::WouldBlock
        {
            // Nobody is there to take it.
            tls.sealed = None;
        }
    }
}

impl Tls {
    /// Decrypts what came into the front of `plain`, and gives how many bytes that was. They fit: a record that
    /// was begun before is at most 16 KiB, and `sealed` at most [`SEALED_BYTES`].
    fn open(&mut self, mut sealed: &[u8], plain: &mut [u8]) -> Result<usize, Box<dyn std::error::Error>> {
        let mut count = 0;
        while !sealed.is_empty() && self.session.read_tls(&mut sealed)? > 0 {
            let state = self.session.process_new_packets()?;
            self.ended |= state.peer_has_closed();
            while state.plaintext_bytes_to_read() > 0 {
                match self.session.reader().read(&mut plain[count..]) {
                    Ok(0) => break,
                    Ok(more) => count += more,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(count)
    }

    /// Encrypts the first [`AHEAD_BYTES`] of the slices, less what TLS adds.
    fn seal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = [IoSlice::new(&[]); MAX_SLICES];
        let (mut room, mut count) = (AHEAD_BYTES - OVERHEAD_BYTES, 0);
        for (taken, slice) in taken.iter_mut().zip(slices) {
            let part = &slice[..slice.len().min(room)];
            *taken = IoSlice::new(part);
            room -= part.len();
            count += 1;
        }
        if taken[..count].iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        match self.session.writer().write_vectored(&taken[..count])? {
            0 => Err(ErrorKind::WriteZero.into()),
            taken => Ok(taken),
        }
    }

    /// Sends what is encrypted. What the socket does not take is kept.
    ///
    /// # Errors
    /// The socket's. `WouldBlock`: it took not one byte.
    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        let (mut taken, mut is_full) = (0, false);
        while let Some(sealed) = &mut self.sealed
            && !is_full
        {
            match socket.send(&[IoSlice::new(&sealed.bytes[sealed.sent..])]) {
                Ok(count) => {
                    taken += count;
                    sealed.sent += count;
                    if sealed.sent == sealed.bytes.len() {
                        self.sealed = None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => is_full = true,
                Err(error) => return Err(error),
            }
        }
        // Straight from where it was encrypted, as long as the socket takes it.
        while self.session.wants_write() && !is_full {
            match self.session.write_tls(&mut Direct(socket)) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => is_full = true,
                Err(error) => return Err(error),
            }
        }
        while self.session.wants_write() {
            let sealed = self.sealed.get_or_insert_with(|| Box::new(Sealed { bytes: Vec::new(), sent: 0 }));
            self.session.write_tls(&mut sealed.bytes)?;
        }
        match is_full && taken == 0 {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }
}

/// A socket to write to.
struct Direct<'a>(&'a Socket);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Transport {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &mut self.socket {
            Socket::System(socket) => socket.register(registry, token, interests),
            Socket::Pipe(end) => {
                end.watch(Some(token.0));
                Ok(())
            }
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &mut self.socket {
            Socket::System(socket) => socket.reregister(registry, token, interests),
            Socket::Pipe(end) => {
                end.watch(Some(token.0));
                Ok(())
            }
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.socket {
            Socket::System(socket) => socket.deregister(registry),
            Socket::Pipe(end) => {
                end.watch(None);
                Ok(())
            }
        }
    }
}

impl Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::System(socket) => socket.read(buffer),
            Socket::Pipe(end) => end.read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::System(socket) => (&*socket).write(bytes),
            Socket::Pipe(end) => end.send(&[IoSlice::new(bytes)]),
        }
    }

    /// A vectored write that raises no SIGPIPE in a host that has not switched it off.
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::System(socket) => SockRef::from(socket).send_vectored_with_flags(slices, NO_SIGNAL),
            Socket::Pipe(end) => end.send(slices),
        }
    }

    /// If that fails the peer is gone, and reading says so.
    fn shutdown(&self) {
        match self {
            Socket::System(socket) => drop(socket.shutdown(Shutdown::Write)),
            Socket::Pipe(end) => end.shutdown(),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const NO_SIGNAL: i32 = nix::sys::socket::MsgFlags::MSG_NOSIGNAL.bits();
/// Elsewhere the standard library has set SO_NOSIGPIPE on the socket.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const NO_SIGNAL: i32 = 0;

/// Pieces sent in one write.
pub(crate) const MAX_SLICES: usize = 64;
/// How much is encrypted ahead of the socket at the most: what is encrypted cannot be overtaken or dropped.
const AHEAD_BYTES: usize = 16 * 1024;
/// What TLS adds to that: a record's header, nonce, type and tag, and once in a while a key update.
const OVERHEAD_BYTES: usize = 256;
/// How much of the buffer encrypted bytes are read into; the rest is for what they hold.
const SEALED_BYTES: usize = 16 * 1024;
