//! What a client may set before it connects, and its only defaults.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use crate::error::{Error, ErrorCode};

macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:literal, $min:literal ..= $max:literal;)+) => {
        #[derive(Clone, Debug)]
        pub(crate) struct Numbers { $(pub(crate) $name: u64,)+ }

        impl Default for Numbers {
            fn default() -> Numbers {
                Numbers { $($name: $default,)+ }
            }
        }

        impl Numbers {
            fn all(&self) -> impl Iterator<Item = (&'static str, u64, u64, u64)> {
                [$((stringify!($name), self.$name, $min, $max),)+].into_iter()
            }
        }

        impl Options {
            $($(#[doc = $doc])+
            #[doc = concat!("\n\nDefault ", stringify!($default), "; from ", stringify!($min), " to ",
                stringify!($max), ".")]
            #[must_use]
            pub fn $name(mut self, $name: u64) -> Options {
                self.numbers.$name = $name;
                self
            })+
        }
    };
}

numbers! {
    /// How many milliseconds there are for everything up to the open WebSocket: the name's addresses, TCP, TLS, the
    /// opening handshake; then `cannot_connect`.
    connect_timeout_ms: 10_000, 1 ..= 600_000;
    /// How many milliseconds the peer has, from the start of the closing handshake, to answer it and to end the
    /// connection; then it is cut.
    close_timeout_ms: 5_000, 1 ..= 600_000;
    /// After how many milliseconds without a byte from the peer it is pinged. 0: never.
    heartbeat_interval_ms: 25_000, 0 ..= 3_600_000;
    /// For how many milliseconds more the client waits before it holds the peer for dead: `connection_lost`.
    heartbeat_timeout_ms: 10_000, 1 ..= 3_600_000;
    /// How long a whole message may be, in bytes, as it comes and when it is inflated; a longer one closes the
    /// connection with 1009.
    max_message_bytes: 1_048_576, 125 ..= 1_073_741_824;
    /// Into how many frames a message may be split; one more closes the connection with 1008.
    max_fragment_count: 1_024, 1 ..= 1_000_000;
    /// How many milliseconds the frames of one message may take to arrive; then 1008.
    max_assembly_ms: 10_000, 1 ..= 600_000;
    /// How many bytes of messages may wait to be read; past it the client reads no more from the network until
    /// some are taken. One message may always wait.
    inbox_bytes: 1_048_576, 1 ..= 1_073_741_824;
    /// How many bytes of messages may wait to be sent; past it `send` waits. One message may always wait.
    outbox_bytes: 1_048_576, 1_024 ..= 1_073_741_824;
    /// From how many bytes on a message is compressed, if that was agreed on; a shorter one goes plain.
    deflate_min_bytes: 512, 1 ..= 1_073_741_824;
}

/// What a client sets before it connects. Values are checked together by
/// [`WebSocket::connect`](super::WebSocket::connect).
///
/// A clone shares what was made for TLS: connect with clones of one value, and the roots are read once and sessions
/// are resumed.
///
/// ```
/// use klatsch::client::Options;
/// let options = Options::new().subprotocol("klatsch.v1").heartbeat_interval_ms(10_000);
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) subprotocols: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) deflate: bool,
    pub(crate) system_roots: bool,
    pub(crate) roots_pem: Vec<Vec<u8>>,
    /// What those two make, once it is needed.
    pub(crate) tls: Arc<OnceLock<Arc<ClientConfig>>>,
    pub(crate) numbers: Numbers,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            subprotocols: Vec::new(),
            headers: Vec::new(),
            deflate: true,
            system_roots: true,
            roots_pem: Vec::new(),
            tls: Arc::default(),
            numbers: Numbers::default(),
        }
    }
}

impl fmt::Debug for Options {
    /// The values of headers are not shown: there may be secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Options")
            .field("subprotocols", &self.subprotocols)
            .field("headers", &headers)
            .field("deflate", &self.deflate)
            .field("system_roots", &self.system_roots)
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// Offers this subprotocol; those offered first are preferred. The server picks one or none:
    /// [`WebSocket::subprotocol`](super::WebSocket::subprotocol). Default: none is offered.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Options {
        self.subprotocols.push(name.into());
        self
    }

    /// Sends this header with the opening request. May be called several times. The headers of the handshake itself
    /// are not for the caller to set.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Options {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Says where this client comes from, as a browser would: `https://chat.example`. Default: nothing is said.
    #[must_use]
    pub fn origin(self, origin: impl Into<String>) -> Options {
        self.header("Origin", origin)
    }

    /// Whether permessage-deflate is offered. Default `true`.
    #[must_use]
    pub fn deflate(mut self, on: bool) -> Options {
        self.deflate = on;
        self
    }

    /// Trusts the authorities in this PEM too. May be called several times.
    #[must_use]
    pub fn root_pem(mut self, pem: impl Into<Vec<u8>>) -> Options {
        self.roots_pem.push(pem.into());
        self.tls = Arc::default();
        self
    }

    /// Whether the authorities that the operating system trusts are trusted. Default `true`.
    #[must_use]
    pub fn system_roots(mut self, on: bool) -> Options {
        self.system_roots = on;
        self.tls = Arc::default();
        self
    }

    /// Checks the numbers. The handshake checks what goes into it, and TLS the roots.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.numbers.all().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
            None => Ok(()),
            Some((name, value, min, max)) => {
                Err(invalid(format!("{name} is {value}; it can be {min} to {max}")))
            }
        }
    }
}

pub(crate) fn invalid(words: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidOption, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_a_number_out_of_its_range_is_refused_by_its_name() {
        Options::new().check().unwrap();
        for (name, _, _, max) in Numbers::default().all() {
            assert!(max < u64::from(u32::MAX), "{name} counts permits of a semaphore, or time");
        }
        let error = Options::new().connect_timeout_ms(0).check().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        assert_eq!(error.message(), "connect_timeout_ms is 0; it can be 1 to 600000");
    }

    #[test]
    fn the_values_of_headers_are_not_shown() {
        let shown = format!("{:?}", Options::new().header("Authorization", "Bearer secret"));
        assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
    }
}
