//! Where to connect: `ws://host:port/path?query`, taken apart.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::error::{Error, ErrorCode};

/// A URL, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// `wss`.
    pub(crate) is_encrypted: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// The path and the query, beginning with `/`.
    pub(crate) target: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

impl fmt::Display for Host {
    /// As it stands in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Url {
    /// Reads a URL. Without a port it is that of the scheme; without a path it is `/`.
    ///
    /// # Errors
    /// `invalid_argument`: another scheme, no host, user information, a fragment, or characters that have no place
    /// in a URL.
    ///
    /// Source: RFC 6455 §3; RFC 3986 §3.2.
    pub(crate) fn parse(text: &str) -> Result<Url, Error> {
        // What stands in a URL may be a secret, so the words never repeat all of it.
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid(NEITHER_SCHEME))?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(invalid(NEITHER_SCHEME)),
        };
        if let Some(wrong) = rest.chars().find(|char| !char.is_ascii_graphic()) {
            return Err(invalid(format!(
                "the URL has a {wrong:?}; write a name in its ASCII form (xn--…), and anything else as %XX"
            )));
        }
        if rest.contains('#') {
            return Err(invalid("the URL has a fragment (#); a WebSocket has none"));
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(invalid("the URL has a user (…@); send an Authorization header instead"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or_else(|| invalid("the URL's [ has no ]"))?;
                let address: Ipv6Addr = address
                    .parse()
                    .map_err(|_| invalid("what is between the URL's [ ] is no IPv6 address"))?;
                (Host::Address(address.into()), port)
            }
            None => {
                let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                (read_name(name)?, port)
            }
        };
        let port = match (port.strip_prefix(':'), port) {
            (_, "" | ":") => default_port(is_encrypted),
            (Some(digits), _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|&port| port != 0).ok_or_else(|| invalid(BAD_PORT))?
            }
            _ => return Err(invalid(BAD_PORT)),
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { is_encrypted, host, port, target })
    }

    /// What stands in the `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> String {
        match self.port == default_port(self.is_encrypted) {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

fn read_name(name: &str) -> Result<Host, Error> {
    if let Ok(address) = name.parse() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_name) {
        return Err(invalid("the URL's host is not a name like chat.example, nor an address"));
    }
    Ok(Host::Name(name.to_ascii_lowercase()))
}

/// RFC 6455 §3.
fn default_port(is_encrypted: bool) -> u16 {
    if is_encrypted { 443 } else { 80 }
}

fn invalid(words: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, words)
}

const NEITHER_SCHEME: &str = "the URL begins with neither ws:// nor wss://";
const BAD_PORT: &str = "the URL's port is not a number from 1 to 65535";
/// RFC 1035 §2.3.4, written out.
const MAX_NAME_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_its_host_header_names_a_port_only_where_it_must() {
        for (text, is_encrypted, host, port, target, header) in [
            ("ws://chat.example", false, "chat.example", 80, "/", "chat.example"),
            ("wss://chat.example", true, "chat.example", 443, "/", "chat.example"),
            ("WSS://Chat.Example:443/", true, "chat.example", 443, "/", "chat.example"),
            ("ws://chat.example:443/a/b?c=d&e", false, "chat.example", 443, "/a/b?c=d&e", "chat.example:443"),
            ("ws://chat.example?room=x/y@z:1", false, "chat.example", 80, "/?room=x/y@z:1", "chat.example"),
            ("ws://127.0.0.1:8080/x", false, "127.0.0.1", 8080, "/x", "127.0.0.1:8080"),
            ("wss://[::1]/x", true, "[::1]", 443, "/x", "[::1]"),
            ("ws://[2001:DB8::1]:65535", false, "[2001:db8::1]", 65_535, "/", "[2001:db8::1]:65535"),
            ("ws://a_b-c.example.:/", false, "a_b-c.example.", 80, "/", "a_b-c.example."),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.host_header(), header, "{text}");
            let Url { is_encrypted: encrypted, host: got, port: on, target: to } = url;
            assert_eq!((encrypted, got.to_string().as_str(), on), (is_encrypted, host, port), "{text}");
            assert_eq!(to, target, "{text}");
        }
    }

    #[test]
    fn what_is_no_websockets_url_is_refused_and_its_secrets_are_not_repeated() {
        for (text, word) in [
            ("", "ws://"),
            ("chat.example", "ws://"),
            ("http://chat.example", "ws://"),
            ("ws:chat.example", "ws://"),
            ("ws://", "host"),
            ("ws:///path", "host"),
            ("ws://:80", "host"),
            ("ws://a,b", "host"),
            ("ws://ann:secret@chat.example", "user"),
            ("ws://chat.example/#top", "fragment"),
            ("ws://chat.example/a b", "%XX"),
            ("ws://grüße.example", "xn--"),
            ("ws://chat.example/\r\nX: y", "%XX"),
            ("ws://chat.example:0", "port"),
            ("ws://chat.example:65536", "port"),
            ("ws://chat.example:+80", "port"),
            ("ws://chat.example:8a", "port"),
            ("ws://[::1", "]"),
            ("ws://[::1%25lo]/", "IPv6"),
            ("ws://[127.0.0.1]", "IPv6"),
            ("ws://[::1]x", "port"),
            ("ws://::1", "host"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{text}");
            assert!(error.message().contains(word) && !error.message().contains("secret"), "{text}: {error}");
        }
    }
}
