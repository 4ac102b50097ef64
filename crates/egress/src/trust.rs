//! Whom TLS trusts: the system's certificate authorities, Mozilla's, and those that the caller adds.

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Receivers whose TLS sessions are remembered, so that the next connection needs less of a handshake.
const SESSIONS_MAX: usize = 4_096;

pub(crate) fn tls_config(added: Vec<CertificateDer<'static>>) -> ClientConfig {
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
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
