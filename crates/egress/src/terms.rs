//! TLS on an endpoint's own terms: the certificate that it wants to be shown, and the authorities that it is known by.
//!
//! A connection that was made on some terms carries requests on the same terms only: what it is kept by has their digest, and each has
//! TLS sessions of its own.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwire_domain::ClientTls;
use quick_cache::sync::Cache;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsConnector;

use crate::trust;

/// Terms to remember. What is forgotten is read again.
const TERMS_MAX: usize = 1_024;
/// TLS sessions that are remembered on some terms: they are one endpoint's.
const SESSIONS_MAX: usize = 8;

/// The terms of one request.
pub(crate) struct Terms {
    /// What connections on these terms are told from others by.
    pub(crate) digest: String,
    pub(crate) connector: TlsConnector,
}

/// Those that were met lately.
pub(crate) struct KnownTerms {
    roots: Arc<RootCertStore>,
    known: Cache<String, Arc<Terms>>,
}

impl KnownTerms {
    /// `roots` are the public authorities.
    pub(crate) fn new(roots: Arc<RootCertStore>) -> Self {
        Self { roots, known: Cache::new(TERMS_MAX) }
    }

    /// How to connect on these terms, or what is wrong with them.
    pub(crate) fn find(&self, tls: &ClientTls) -> Result<Arc<Terms>, String> {
        let digest = digest(tls);
        if let Some(known) = self.known.get(&digest) {
            return Ok(known);
        }
        let config = self.config(tls)?;
        let terms = Arc::new(Terms { digest: digest.clone(), connector: TlsConnector::from(Arc::new(config)) });
        self.known.insert(digest, Arc::clone(&terms));
        Ok(terms)
    }

    fn config(&self, tls: &ClientTls) -> Result<ClientConfig, String> {
        let roots = match &tls.ca {
            None => Arc::clone(&self.roots),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(ca.expose(), "the certificate authority")? {
                    roots.add(certificate).map_err(|_| "the certificate authority cannot be used".to_owned())?;
                }
                Arc::new(roots)
            }
        };
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match &tls.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate.expose(), "the client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                    .map_err(|_| "the key of the client certificate cannot be read".to_owned())?;
                builder.with_client_auth_cert(chain, key).map_err(|_| "the client certificate cannot be used".to_owned())?
            }
        };
        Ok(trust::finished(config, SESSIONS_MAX))
    }
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.ok().filter(|read| !read.is_empty()).ok_or_else(|| format!("{what} cannot be read"))
}

/// A digest of everything in it, each part with its length.
fn digest(tls: &ClientTls) -> String {
    let mut digest = Sha256::new();
    let (certificate, key) = tls.certificate.as_ref().map_or((None, None), |(certificate, key)| (Some(certificate), Some(key)));
    for part in [certificate, key, tls.ca.as_ref()] {
        let text = part.map_or("", |part| part.expose().as_str());
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let (mut text, digest) = (String::with_capacity(64), digest.finalize());
    for byte in digest {
        let _ = write!(text, "{byte:02x}"); // a text takes everything
    }
    text
}
