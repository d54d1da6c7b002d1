//! Certificates, and clients that speak TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use klatsch::Options;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::Host;
pub use super::raw::tcp;

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate of its own making, and its key, both PEM.
pub struct Pair {
    pub cert: String,
    pub key: String,
}

pub fn pair(names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    Pair { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

impl Pair {
    pub fn options(&self) -> Options {
        Options::new().tls_pem(self.cert.as_str(), self.key.as_str())
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

pub fn config(trusted: &[&Pair], versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|pair| roots.add(pair.der()).unwrap());
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub fn session(config: ClientConfig, name: &str) -> ClientConnection {
    ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
}

/// A TLS connection whose handshake is done, or why it failed.
pub fn connect(host: &Host, config: ClientConfig, name: &str) -> std::io::Result<Stream> {
    over(tcp(host), config, name)
}

/// The same over any stream.
pub fn over<S: Read + Write>(
    stream: S,
    config: ClientConfig,
    name: &str,
) -> std::io::Result<StreamOwned<ClientConnection, S>> {
    let mut stream = StreamOwned::new(session(config, name), stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

pub fn websocket(host: &Host, stream: Stream) -> WebSocket<Stream> {
    let request = format!("wss://localhost:{}/", host.address.port()).into_client_request().unwrap();
    tungstenite::client(request, stream).unwrap().0
}

pub fn wss(host: &Host, pair: &Pair) -> WebSocket<Stream> {
    wss_of(host, &[pair])
}

pub fn hear(socket: &mut WebSocket<Stream>) -> String {
    loop {
        if let Message::Text(text) = socket.read().expect("something is heard in time") {
            return text.to_string();
        }
    }
}

pub fn hear_until(socket: &mut WebSocket<Stream>, part: &str) {
    while !hear(socket).contains(part) {}
}

pub fn serves_the_next(host: &Host, pair: &Pair) {
    let mut next = wss(host, pair);
    next.send(Message::text("Next")).unwrap();
    hear_until(&mut next, "color");
    next.close(None).unwrap();
}

/// Everything up to the end, which must be TLS's own.
pub fn read_to_end(stream: &mut Stream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the end is said by close_notify");
    String::from_utf8(answer).unwrap()
}

/// The first bytes that a client of this configuration sends.
pub fn client_hello(config: ClientConfig) -> Vec<u8> {
    let mut bytes = Vec::new();
    session(config, "localhost").write_tls(&mut bytes).unwrap();
    bytes
}

pub fn wss_of(host: &Host, trusted: &[&Pair]) -> WebSocket<Stream> {
    websocket(host, connect(host, config(trusted, &VERSIONS), "localhost").unwrap())
}
