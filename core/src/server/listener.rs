//! Listening sockets.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Error, ErrorCode};

/// Binds an address and listens on it, without blocking.
///
/// # Errors
/// `cannot_listen`, with the address and the cause.
pub(crate) fn bind(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server must not wait until its old connections are forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|source| {
        let words = match address.port() {
            0 => format!("cannot listen on {address}"),
            port => format!("cannot listen on {address}; is something else on port {port}?"),
        };
        Error::with_source(ErrorCode::CannotListen, words, source)
    })
}

/// Connections that wait to be accepted; the system may allow less.
const BACKLOG: i32 = 4_096;
