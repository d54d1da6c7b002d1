//! Where to listen, out of the host's words.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::Error;

use super::invalid;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    pub(super) fn parse(text: &str) -> Result<Listen, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match std::os::unix::net::SocketAddr::from_pathname(path) {
                Ok(_) if !path.is_empty() => Ok(Listen::Unix(path.into())),
                _ => Err(invalid(format!(
                    "listen is {text:?}; unix: is followed by a path of at most about 100 bytes, like \
                     unix:/run/chat.sock"
                ))),
            };
        }
        let literal = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        literal.parse().map(Listen::Tcp).map_err(|_| {
            invalid(format!(
                "listen is {text:?}; it must be IP:PORT, like 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or \
                 unix:PATH"
            ))
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
