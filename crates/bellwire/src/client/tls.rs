//! Whom the client trusts: the system's certificate authorities, Mozilla's, and those of `--cacert`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bellwire_egress::{CertificateDer, trusted_roots};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

/// Connects with TLS.
pub(super) fn connector(cacert: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let added = cacert.map(authorities).transpose()?.unwrap_or_default();
    let mut config = ClientConfig::builder().with_root_certificates(trusted_roots(added)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authorities(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let name = || format!("--cacert {}", path.display());
    let bytes = std::fs::read(path).with_context(name)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.ok().with_context(|| format!("{}: a certificate of it is cut off or damaged; write PEM", name()))?;
    ensure!(!found.is_empty(), "{}: there is no certificate in it", name());
    Ok(found)
}
