//! Listening sockets: TCP addresses and Unix socket files.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};
use nix::sys::resource::{Resource, getrlimit};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::{Error, ErrorCode};
use crate::options::Listen;

/// How many connections the process's descriptors allow, less a tenth for the host.
///
/// # Errors
/// `system`: their limit cannot be read.
pub(crate) fn descriptors() -> Result<usize, Error> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| {
        Error::with_source(ErrorCode::System, "the limit of open files cannot be read", errno.into())
    })?;
    let reserve = (soft / 10).clamp(32, 1_024);
    Ok(usize::try_from(soft.saturating_sub(reserve)).unwrap_or(usize::MAX).max(16))
}

/// A socket that listens, without blocking.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix {
        /// Above the socket, so that it goes first: as long as that is open, nobody else's file is this one.
        _file: SocketFile,
        socket: UnixListener,
    },
}

impl Listener {
    /// Binds an address and listens on it.
    ///
    /// A socket file on which nobody listens any more is replaced: it is what a server leaves behind that
    /// was killed. Its mode is left to the process's umask.
    ///
    /// # Errors
    /// `cannot_listen`, with the address and the cause.
    pub(crate) fn bind(listen: &Listen) -> Result<Listener, Error> {
        let (listener, hint) = match listen {
            Listen::Tcp(address) => (tcp(*address), format!("is something else on port {}?", address.port())),
            Listen::Unix(path) => (unix(path), "does another server listen there?".to_owned()),
        };
        listener.map_err(|source| {
            let words = match source.kind() {
                ErrorKind::AddrInUse => format!("cannot listen on {listen}; {hint}"),
                _ => format!("cannot listen on {listen}"),
            };
            Error::with_source(ErrorCode::CannotListen, words, source)
        })
    }

    /// Where it listens; `None` for a Unix socket.
    ///
    /// # Errors
    /// The operating system does not say.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Listener::Tcp(socket) => socket.local_addr().map(Some),
            Listener::Unix { .. } => Ok(None),
        }
    }

    /// Whether only this machine can reach it.
    pub(crate) fn is_local(&self) -> bool {
        self.address().is_ok_and(|address| address.is_none_or(|address| address.ip().is_loopback()))
    }

    /// Takes the next connection, and says where it comes from; `None` for a Unix socket's.
    ///
    /// # Errors
    /// As the operating system's `accept`.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        match self {
            Listener::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                Ok((stream, Some(address.ip())))
            }
            // From here on one stream is like another.
            Listener::Unix { socket, .. } => {
                let (stream, _) = socket.accept()?;
                Ok((TcpStream::from(OwnedFd::from(stream)), None))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(socket) => socket,
            Listener::Unix { socket, .. } => socket,
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().register(registry, token, interest)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// The file by which a Unix socket is found. Dropping it removes it, unless somebody has put another in its
/// place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute: the host may change its working directory.
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: std::path::absolute(path)?, identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // A file that cannot be removed is stale from now on, and replaced by the next server.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait until its old connections are forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener::Tcp(TcpListener::from_std(socket.into())))
}

fn unix(path: &Path) -> io::Result<Listener> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path, &address)? => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        result => result?,
    }
    let file = SocketFile::of(path)?;
    socket.listen(BACKLOG)?;
    Ok(Listener::Unix { _file: file, socket: UnixListener::from_std(socket.into()) })
}

/// Whether a file is a socket on which nobody listens.
fn is_stale(path: &Path, address: &SockAddr) -> io::Result<bool> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "there is a file of that name that is no socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A live one whose queue is full would have a blocking probe wait.
    probe.set_nonblocking(true)?;
    Ok(probe.connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Connections that wait to be accepted; the system may allow less.
const BACKLOG: i32 = 4_096;
