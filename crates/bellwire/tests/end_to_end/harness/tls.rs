//! A caller that speaks TLS.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bellwire_testkit::authority::{Authority, Identity};
use bellwire_testkit::http::exchange;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Answer, PATIENCE};

/// Somebody who trusts one authority, perhaps with a certificate of their own.
pub(crate) struct Caller(Arc<ClientConfig>);

impl Caller {
    pub(crate) fn new(trusted: &Authority, identity: Option<Identity>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.certificate.clone().into()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![identity.certificate.into()];
                builder.with_client_auth_cert(chain, identity.key.try_into().unwrap()).unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// Asks once, over a connection of its own; with the answer comes the certificate that the server has shown.
    pub(crate) fn ask(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<(Answer, Vec<u8>)> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let connection = ClientConnection::new(Arc::clone(&self.0), ServerName::from(address.ip())).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = exchange(&mut stream, &address.to_string(), method, path, &headers, body.as_bytes())?;
        let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
        Ok((answer, shown))
    }
}
