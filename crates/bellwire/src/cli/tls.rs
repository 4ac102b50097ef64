//! Flags of TLS.

use std::path::PathBuf;

use bellwire_http::listener::TlsFiles;
use clap::Args;

#[derive(Args)]
#[expect(clippy::struct_field_names, reason = "a field is named as its flag is")]
pub(crate) struct TlsArguments {
    /// Speak TLS at every listener, with this certificate and those that lead to its signer (PEM). Read again when it changes
    #[arg(long, value_name = "FILE", env = "BELLWIRE_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM, without a passphrase)
    #[arg(long, value_name = "FILE", env = "BELLWIRE_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Let in only callers with a certificate that one of these has signed (PEM), at every listener
    #[arg(long, value_name = "FILE", env = "BELLWIRE_TLS_CLIENT_CA", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

impl TlsArguments {
    /// The files, if TLS is asked for.
    pub(crate) fn files(self) -> Option<TlsFiles> {
        let (certificate, key) = self.tls_cert.zip(self.tls_key)?;
        Some(TlsFiles { certificate, key, client_authorities: self.tls_client_ca })
    }
}
