//! TLS to the database, by the same stack as everywhere.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{PostgresUrl, Verification};
use crate::StoreError;

/// What makes TLS connections as a URL asks for them.
pub(super) fn connector(url: &PostgresUrl) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("TLS: {error}").into());
    let signers = || {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(url)?), Arc::clone(&provider));
        builder.build().map_err(|error| unusable(&error))
    };
    let lenient = |signers| Arc::new(Lenient { provider: Arc::clone(&provider), signers });
    let verifier: Arc<dyn ServerCertVerifier> = match url.verification {
        Verification::None => lenient(None),
        Verification::Signer => lenient(Some(signers()?)),
        Verification::SignerAndName => signers()?,
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(&error))?.dangerous();
    Ok(MakeRustlsConnect::new(builder.with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// The certificates to trust.
fn roots(url: &PostgresUrl) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    match &url.root_certificates {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let unusable = |reason: String| StoreError::Unavailable(format!("sslrootcert {}: {reason}", path.display()).into());
            let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("there is no certificate in it".to_owned()));
            }
        }
    }
    Ok(roots)
}

/// Checks the signer, if anything, and not the name: `sslmode` below `verify-full` asks for no more.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    signers: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(signers) = &self.signers else { return Ok(ServerCertVerified::assertion()) };
        match signers.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last, when all else is well.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
