//! Certificates and keys, as the host sets them.

use std::fmt;
use std::path::PathBuf;

use super::Options;

/// A certificate with its chain, and its key.
#[derive(Clone)]
pub(crate) enum TlsPair {
    /// The paths of PEM files, which are read at each start and reload.
    Files { cert: PathBuf, key: PathBuf },
    /// PEM itself.
    Pem { cert: Vec<u8>, key: Vec<u8> },
}

impl fmt::Debug for TlsPair {
    /// Keys are shown nowhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsPair::Files { cert, key } => {
                f.debug_struct("Files").field("cert", cert).field("key", key).finish()
            }
            TlsPair::Pem { .. } => f.debug_struct("Pem").finish_non_exhaustive(),
        }
    }
}

impl Options {
    /// Has every listener speak TLS (1.2 or 1.3; `wss://`, `https://`) with the certificate in one file and its key
    /// in another, both PEM; the certificates of its chain stand behind it. May be called several times: a client
    /// gets the first certificate that is for the host it names (SNI), or the first of all.
    ///
    /// The files are read by [`Engine::start`](crate::Engine::start), and again by
    /// [`Engine::reload_tls`](crate::Engine::reload_tls). Default, when neither this nor
    /// [`tls_pem`](Options::tls_pem) is ever called: no TLS. Adopted connections never speak it.
    #[must_use]
    pub fn tls_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Options {
        self.tls.push(TlsPair::Files { cert: cert.into(), key: key.into() });
        self
    }

    /// As [`tls_files`](Options::tls_files), with what would be in the files.
    #[must_use]
    pub fn tls_pem(mut self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Options {
        self.tls.push(TlsPair::Pem { cert: cert.into(), key: key.into() });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_shown() {
        let shown =
            format!("{:?}", Options::new().tls_pem("a certificate", "secret").tls_files("a.pem", "b.pem"));
        assert!(shown.contains("a.pem") && shown.contains("Pem {") && !shown.contains("secret"), "{shown}");
    }
}
