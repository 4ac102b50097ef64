//! Whom TLS trusts: the system's certificate authorities, Mozilla's, and those that the caller adds.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Receivers whose TLS sessions are remembered, so that the next connection needs less of a handshake.
const SESSIONS_MAX: usize = 4_096;

/// The public authorities, and those that the caller adds.
#[must_use]
pub fn roots(added: Vec<CertificateDer<'static>>) -> Arc<RootCertStore> {
    // Name the provider, so that another crate's choice cannot make it ambiguous. If one is set already, that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(error = %error, "a system certificate store could not be read");
    }
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(added);
    Arc::new(roots)
}

/// How to connect where nothing else is said.
pub(crate) fn tls_config(roots: Arc<RootCertStore>) -> ClientConfig {
    finished(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(), SESSIONS_MAX)
}

/// What every connection has.
pub(crate) fn finished(mut config: ClientConfig, sessions_max: usize) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(sessions_max);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
