//! Certificates and keys: where they are read, how they are chosen, and what replaces them while the engine runs.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};

use crate::error::{Error, ErrorCode};
use crate::event::Event;
use crate::options::TlsPair;

use super::shared::Shared;

/// What makes TLS sessions: of the certificates that were read last.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pairs: Vec<TlsPair>,
    config: RwLock<Arc<ServerConfig>>,
}

impl Acceptor {
    /// Reads the certificates and keys; the first pair is for clients that name none of the others' hosts.
    /// Without any there is no TLS.
    ///
    /// # Errors
    /// `invalid_option`: which file or text, and what is wrong with it.
    pub(crate) fn new(pairs: &[TlsPair]) -> Result<Option<Acceptor>, Error> {
        if pairs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Acceptor { pairs: pairs.to_vec(), config: RwLock::new(Arc::new(config(pairs)?)) }))
    }

    /// Reads the files again. Sessions that are made from here on get what is in them now, and none is resumed
    /// that was begun before.
    ///
    /// # Errors
    /// As `new`; everything stays as it was.
    fn reload(&self) -> Result<(), Error> {
        let config = Arc::new(config(&self.pairs)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// A session for a connection that has just come.
    ///
    /// # Errors
    /// rustls's; none is known for a server.
    pub(crate) fn session(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(self.config.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Reads a running engine's certificates again. If that fails, the host hears of it as an event too.
///
/// # Errors
/// As [`Acceptor::new`]; `invalid_argument`: there are none.
pub(crate) fn reload(acceptor: Option<&Acceptor>, shared: &Shared) -> Result<(), Error> {
    let Some(acceptor) = acceptor else {
        let words = "the engine speaks no TLS; set tls_files before it starts";
        return Err(Error::new(ErrorCode::InvalidArgument, words));
    };
    acceptor.reload().inspect_err(|error| {
        tracing::warn!(%error, "the certificates cannot be replaced");
        let words = format!("the certificates in use stay: {}", error.message());
        let error = Error::new(error.code(), words);
        let _ = shared.with(|hub| hub.tell_host(Event::Degraded { error }));
    })
}

fn config(pairs: &[TlsPair]) -> Result<ServerConfig, Error> {
    // The engine's own, and not the process's default, which is the host's to choose.
    let provider = Arc::new(ring::default_provider());
    let keys =
        pairs.iter().map(|pair| Ok(Arc::new(read(pair, &provider)?))).collect::<Result<Vec<_>, Error>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| Error::new(ErrorCode::Internal, format!("TLS cannot be set up: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName { keys }));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Whoever comes again carries what is needed to go on: thousands can come back at once without a whole handshake
    // each, and nothing is kept for those who do not.
    config.ticketer = ring::Ticketer::new().map_err(|error| {
        Error::new(ErrorCode::System, format!("TLS has no randomness for its tickets: {error}"))
    })?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // One for each WebSocket that follows; a second one is for pages that open several connections at once.
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Chooses a certificate by the host that the client names.
#[derive(Debug)]
struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fitting = match (&self.keys[..], &name) {
            ([_], _) | (_, None) => None,
            (keys, Some(name)) => keys.iter().find(|key| {
                let parsed = key.cert.first().and_then(|cert| ParsedCertificate::try_from(cert).ok());
                parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
            }),
        };
        fitting.or(self.keys.first()).cloned()
    }
}

/// Reads a certificate's chain and its key, and looks whether they fit each other.
fn read(pair: &TlsPair, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let (chain, key, chain_at, key_at) = match pair {
        TlsPair::Files { cert, key } => {
            (file(cert)?, file(key)?, format!("tls_files {cert:?}"), format!("tls_files {key:?}"))
        }
        TlsPair::Pem { cert, key } => (
            Cow::Borrowed(&cert[..]),
            Cow::Borrowed(&key[..]),
            "the certificate of tls_pem".to_owned(),
            "the key of tls_pem".to_owned(),
        ),
    };
    let invalid = |at: &str, words: String| Error::new(ErrorCode::InvalidOption, format!("{at}: {words}"));
    let chain = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(&chain_at, format!("is no PEM: {error}")))?;
    let first = chain.first().ok_or_else(|| {
        invalid(&chain_at, "there is no certificate in it; it must be PEM, with BEGIN CERTIFICATE".to_owned())
    })?;
    ParsedCertificate::try_from(first)
        .map_err(|error| invalid(&chain_at, format!("the first certificate cannot be used: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        let words =
            "there is no private key in it; it must be PEM, with BEGIN PRIVATE KEY, and not encrypted";
        invalid(&key_at, words.to_owned())
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            invalid(&key_at, format!("this key is not that of the first certificate in {chain_at}"))
        }
        error => invalid(&key_at, format!("the key cannot be used: {error}")),
    })
}

fn file(path: &Path) -> Result<Cow<'static, [u8]>, Error> {
    std::fs::read(path).map(Cow::Owned).map_err(|source| {
        Error::with_source(ErrorCode::InvalidOption, format!("tls_files {path:?} cannot be read"), source)
    })
}
