//! Whom the client trusts.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::options::{Options, invalid};
use crate::error::{Error, ErrorCode};

/// What makes TLS sessions for these options; made once for all their clones. Reads the system's files: not for a
/// thread that others wait for.
///
/// # Errors
/// `invalid_option`: a PEM that is none or holds no authority, or nobody is trusted at all.
pub(crate) fn config(options: &Options) -> Result<Arc<ClientConfig>, Error> {
    if let Some(config) = options.tls.get() {
        return Ok(config.clone());
    }
    let config = Arc::new(make(options)?);
    // Of two that were made at once the first stays.
    Ok(options.tls.get_or_init(|| config).clone())
}

fn make(options: &Options) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    for pem in &options.roots_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| invalid(format!("root_pem is no PEM: {error}")))?;
            roots
                .add(certificate)
                .map_err(|error| invalid(format!("a certificate in root_pem cannot be used: {error}")))?;
        }
        if roots.len() == before {
            return Err(invalid("root_pem holds no certificate; it must be PEM, with BEGIN CERTIFICATE"));
        }
    }
    if options.system_roots {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "some of the system's authorities cannot be read");
        }
        // The system may list what is of no use here; that is no reason to connect to nobody.
        roots.add_parsable_certificates(native.certs);
    }
    if roots.is_empty() {
        return Err(invalid("wss needs an authority to trust: leave system_roots on, or give a root_pem"));
    }
    // The client's own, and not the process's default, which is the host's to choose.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| Error::new(ErrorCode::Internal, format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_are_none_are_refused_with_what_would_be_right() {
        let alone = Options::new().system_roots(false);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (options, word) in [
            (alone.clone(), "system_roots"),
            (alone.clone().root_pem("no PEM"), "BEGIN CERTIFICATE"),
            (alone.root_pem(broken), "cannot be used"),
        ] {
            let error = config(&options).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidOption);
            assert!(error.message().contains(word), "{error}");
        }
    }
}
