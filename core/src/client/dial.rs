//! From a URL to an open WebSocket: name, TCP, TLS, opening handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::masks::Masks;
use super::options::{Options, invalid};
use super::tls;
use super::transport::Transport;
use super::url::{Host, Url};
use crate::error::{Error, ErrorCode};
use crate::wire::handshake::client::{Offer, Opened, Refused, handshake_request, read_answer};

/// A connection on which the opening handshake is done.
pub(crate) struct Dialed {
    pub(crate) transport: Transport,
    pub(crate) peer: SocketAddr,
    pub(crate) masks: Masks,
    pub(crate) opened: Opened,
    /// What came behind the answer: frames.
    pub(crate) rest: Vec<u8>,
}

/// Connects, within `connect_timeout_ms`.
///
/// # Errors
/// `invalid_option`, `invalid_argument`: before anything is sent. `cannot_connect`, `handshake_refused`, `system`.
pub(crate) async fn dial(url: &str, options: &Options) -> Result<Dialed, Error> {
    options.check()?;
    let url = Url::parse(url)?;
    let mut masks = Masks::new();
    let offer = Offer {
        host: url.host_header(),
        target: url.target.clone(),
        key: masks.next()?,
        protocols: options.subprotocols.clone(),
        headers: options.headers.clone(),
        deflate: options.deflate,
    };
    let request = handshake_request(&offer).map_err(|refused| match refused {
        Refused::Wrong(words) => invalid(words),
        Refused::Status { .. } => unreachable!("only an answer has a status"),
    })?;
    let at = format!("{}:{}", url.host, url.port);
    let step = AtomicUsize::new(0);
    let all = async {
        let stream = reach(&url, &at, &step).await?;
        let peer = stream.peer_addr().map_err(|error| cannot_connect(&at, error))?;
        // What is sent is whole messages: nothing is gained by holding a small one back.
        stream.set_nodelay(true).map_err(|error| cannot_connect(&at, error))?;
        let mut transport = match url.is_encrypted {
            false => Transport::Plain(stream),
            true => {
                step.store(2, Ordering::Relaxed);
                encrypt(stream, &url.host, &at, options).await?
            }
        };
        step.store(3, Ordering::Relaxed);
        let (opened, rest) = shake_hands(&mut transport, &request, &offer, &at).await?;
        Ok((transport, peer, opened, rest))
    };
    let limit_ms = options.numbers.connect_timeout_ms;
    let (transport, peer, opened, rest) =
        timeout(Duration::from_millis(limit_ms), all).await.unwrap_or_else(|_| {
            let during = STEPS[step.load(Ordering::Relaxed)];
            let words = format!("{at}: not open within {limit_ms} ms (connect_timeout_ms), still {during}");
            Err(Error::new(ErrorCode::CannotConnect, words))
        })?;
    Ok(Dialed { transport, peer, masks, opened, rest })
}

/// Connects to the first address that answers. Another is tried beside it when one fails or is silent for a while,
/// so that an address family that leads nowhere costs a moment and not the whole deadline.
///
/// Source: RFC 8305 §5, without its racing of the resolver.
async fn reach(url: &Url, at: &str, step: &AtomicUsize) -> Result<TcpStream, Error> {
    let addresses: Vec<SocketAddr> = match &url.host {
        Host::Address(address) => vec![SocketAddr::new(*address, url.port)],
        Host::Name(name) => {
            let found = tokio::net::lookup_host((name.as_str(), url.port)).await;
            found.map_err(|error| cannot_connect(at, error))?.collect()
        }
    };
    step.store(1, Ordering::Relaxed);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut waiting = alternating(addresses).into_iter().peekable();
    let mut attempts = JoinSet::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(cannot_connect(at, last));
        }
        let patience = if waiting.peek().is_some() { STAGGER } else { Duration::MAX };
        match timeout(patience, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = error,
            Ok(Some(Err(error))) => last = io::Error::other(error),
            Ok(None) | Err(_) => {}
        }
    }
}

/// In the resolver's order, the two families by turns.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut out = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return out;
        }
        out.extend(pair.into_iter().flatten());
    }
}

async fn encrypt(stream: TcpStream, host: &Host, at: &str, options: &Options) -> Result<Transport, Error> {
    let name = match host {
        Host::Address(address) => ServerName::IpAddress((*address).into()),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| {
            Error::new(ErrorCode::InvalidArgument, "no certificate can be for the URL's host")
        })?,
    };
    let config = match options.tls.get() {
        Some(config) => config.clone(),
        None => {
            // The system's authorities are read from files.
            let options = options.clone();
            let made = tokio::task::spawn_blocking(move || tls::config(&options)).await;
            made.map_err(|error| Error::new(ErrorCode::Internal, format!("TLS: {error}")))??
        }
    };
    let connector = TlsConnector::from(config);
    let stream = connector.connect(name, stream).await.map_err(|error| cannot_connect(at, error))?;
    Ok(Transport::Tls(Box::new(stream)))
}

async fn shake_hands(
    transport: &mut Transport,
    request: &[u8],
    offer: &Offer,
    at: &str,
) -> Result<(Opened, Vec<u8>), Error> {
    transport.write_all(request).await.map_err(|error| cannot_connect(at, error))?;
    let mut came = Vec::new();
    loop {
        if !read_more(transport, &mut came).await.map_err(|error| cannot_connect(at, error))? {
            let words = format!("{at} ended the connection instead of answering the opening handshake");
            return Err(Error::new(ErrorCode::HandshakeRefused, words));
        }
        match read_answer(&came, offer) {
            Ok(None) => {}
            Ok(Some(opened)) => {
                let rest = came.split_off(opened.len);
                return Ok((opened, rest));
            }
            Err(Refused::Wrong(words)) => {
                return Err(Error::new(ErrorCode::HandshakeRefused, format!("{at}: {words}")));
            }
            Err(Refused::Status { status, phrase, text }) => {
                let mut words = format!("{at} answered {status} {phrase}");
                if let Some((start, len)) = text {
                    let said = read_words(transport, came, start, len).await;
                    words = format!("{}: {said}", words.trim_end());
                }
                let words = words.trim_end_matches([' ', ':']);
                return Err(Error::new(ErrorCode::HandshakeRefused, words).with_http_status(status));
            }
        }
    }
}

/// The words of a refusal, or as many as come soon: its status is worth more than they are.
async fn read_words(transport: &mut Transport, mut came: Vec<u8>, start: usize, len: u64) -> String {
    let end = start + len.min(MAX_WORDS_BYTES) as usize;
    let all = async { while came.len() < end && read_more(transport, &mut came).await.unwrap_or(false) {} };
    let _ = timeout(WORDS_TIMEOUT, all).await;
    let words = String::from_utf8_lossy(&came[start..came.len().min(end)]).into_owned();
    words.replace(|char: char| char.is_control(), " ").trim().to_owned()
}

/// Gives whether anything came before the end.
async fn read_more(transport: &mut Transport, came: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; 2048];
    let len = transport.read(&mut bytes).await?;
    came.extend_from_slice(&bytes[..len]);
    Ok(len > 0)
}

fn cannot_connect(at: &str, error: io::Error) -> Error {
    Error::with_source(ErrorCode::CannotConnect, at, error)
}

/// What is under way.
const STEPS: [&str; 4] =
    ["looking for the host's addresses", "connecting", "in the TLS handshake", "waiting for the answer"];
/// RFC 8305 §8.
const STAGGER: Duration = Duration::from_millis(250);
const MAX_WORDS_BYTES: u64 = 1024;
const WORDS_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_of_addresses_are_tried_by_turns() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let resolved = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let tried = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(resolved), tried);
        assert_eq!(alternating(addresses(&["1.1.1.1:1"])), addresses(&["1.1.1.1:1"]));
        assert!(alternating(vec![]).is_empty());
    }
}
