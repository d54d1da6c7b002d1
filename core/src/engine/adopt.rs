//! Connections that the host has accepted itself.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use crate::error::{Error, ErrorCode};
use crate::server::{Adopted, Bridge};

use super::life::Inner;

/// Takes over a connected socket.
///
/// # Errors
/// As [`Engine::adopt`](super::Engine::adopt).
pub(super) fn socket(inner: &Inner, socket: OwnedFd, read: &[u8]) -> Result<(), Error> {
    let socket = socket2::Socket::from(socket);
    let cannot = |source| Error::with_source(ErrorCode::CannotAdopt, "not a connected stream socket", source);
    check_read(read)?;
    if socket.r#type().map_err(cannot)? != socket2::Type::STREAM {
        return Err(Error::new(ErrorCode::CannotAdopt, "the socket is not a stream socket"));
    }
    socket.peer_addr().map_err(cannot)?;
    socket.set_nonblocking(true).map_err(cannot)?;
    socket.set_cloexec(true).map_err(cannot)?;
    hand_over(inner, socket, read, None)
}

/// Takes over any stream: a pair of sockets stands between it and the shard, so that it takes part in the turn like
/// every other connection.
///
/// # Errors
/// As [`Engine::adopt_stream`](super::Engine::adopt_stream).
pub(super) fn stream<S>(inner: &Inner, stream: S, read: &[u8]) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    check_read(read)?;
    let pair = || {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok((ours, theirs))
    };
    let (ours, theirs) =
        pair().map_err(|source| Error::with_source(ErrorCode::System, "no pair of sockets", source))?;
    let bridge = Box::pin(async move {
        // Made in here, because it belongs to the runtime that it runs in.
        let Ok(mut theirs) = tokio::net::UnixStream::from_std(theirs) else { return };
        let mut stream = Box::pin(stream);
        // How it ends is the connection's affair: it sees the end of its side.
        let _ = copy_bidirectional_with_sizes(&mut stream, &mut theirs, BRIDGE_BYTES, BRIDGE_BYTES).await;
    });
    hand_over(inner, socket2::Socket::from(OwnedFd::from(ours)), read, Some(bridge))
}

fn hand_over(
    inner: &Inner,
    socket: socket2::Socket,
    read: &[u8],
    bridge: Option<Bridge>,
) -> Result<(), Error> {
    // Where this fails the descriptor is closed, and no more: the host may have another one of the same connection, by
    // which it answers its peer.
    let (shards, _) = inner.running()?;
    shards.adopt(Adopted { socket: socket.into(), read: read.to_owned(), bridge });
    Ok(())
}

fn check_read(read: &[u8]) -> Result<(), Error> {
    if read.len() > MAX_READ_BYTES {
        let words =
            format!("{} bytes were read already; at most {MAX_READ_BYTES} can be taken over", read.len());
        return Err(Error::new(ErrorCode::TooLong, words));
    }
    Ok(())
}

/// What a host's server can have read of a connection before it hands it over.
const MAX_READ_BYTES: usize = 64 * 1024;
/// What a bridge carries each way at a time.
const BRIDGE_BYTES: usize = 16 * 1024;
