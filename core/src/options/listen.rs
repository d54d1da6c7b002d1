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
            if (1..=MAX_PATH_BYTES).contains(&path.len()) && !path.contains('\0') {
                return Ok(Listen::Unix(path.into()));
            }
            return Err(invalid(format!(
                "listen is {text:?}; unix: is followed by a path of 1 to {MAX_PATH_BYTES} bytes, like \
                 unix:/run/chat.sock"
            )));
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

/// What every system has room for: Linux takes 107, macOS 103.
const MAX_PATH_BYTES: usize = 103;
