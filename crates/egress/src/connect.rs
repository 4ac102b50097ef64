//! From a URL to a connection: check the addresses, connect to one of them, do TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Consumer, Scope, TimeoutPhase};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::Dial;
use crate::certificates::Certificates;
use crate::destination::Destination;
use crate::guard::{Admitted, Guard, NoAddress};
use crate::lookups::Question;
use crate::progress::Progress;
use crate::stream::{CustomerStream, Transport};
use crate::terms::Terms;

/// How long to try an address when there are others.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFailure {
    #[error("{0}")]
    Dns(String),
    #[error("{0}")]
    Blocked(String),
    #[error("{0}")]
    Connect(String),
    #[error("{0}")]
    Tls(String),
}

impl From<NoAddress> for ConnectFailure {
    fn from(why: NoAddress) -> Self {
        match why {
            NoAddress::Dns(detail) => Self::Dns(detail),
            NoAddress::Blocked(reason) => Self::Blocked(reason),
        }
    }
}

/// Connects to customers.
pub(crate) struct Connector {
    pub(crate) guard: Guard,
    pub(crate) dialer: Arc<dyn Dial>,
    pub(crate) tls: TlsConnector,
    /// Those that customers have shown.
    pub(crate) certificates: Certificates,
    /// Room for connections that are kept after their first request, over all hosts.
    pub(crate) places: Arc<Semaphore>,
}

impl Connector {
    /// Whether a new connection could be kept.
    pub(crate) fn has_place(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Connects on behalf of `consumer` to an address of the destination, once the question for them is answered. The scope is that of
    /// the requests which the connection may carry.
    pub(crate) async fn connect(
        &self,
        destination: &Destination,
        (consumer, terms): (Consumer<'_>, Option<&Terms>),
        addresses: Question,
        progress: &Progress,
    ) -> Result<(CustomerStream, &Scope), ConnectFailure> {
        let host = destination.host.as_str();
        if addresses.is_looked_up() {
            progress.reach(TimeoutPhase::Dns);
        }
        let addresses = self.guard.check(addresses, destination.port, consumer).await?;
        progress.reach(TimeoutPhase::Connect);
        let (stream, scope) = self.dial_first(&addresses).await?;
        let transport = if destination.is_tls {
            progress.reach(TimeoutPhase::Tls);
            let name = host.strip_suffix('.').unwrap_or(host).to_owned(); // certificates name hosts without the root's dot
            let name = ServerName::try_from(name).map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            let connector = terms.map_or(&self.tls, |terms| &terms.connector);
            let tls = connector.connect(name, stream).await.map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            if let Some(shown) = tls.get_ref().1.peer_certificates().and_then(<[_]>::first) {
                self.certificates.note(host, destination.port, shown);
            }
            Transport::Tls(Box::new(tls))
        } else {
            Transport::Plain(stream)
        };
        progress.reach(TimeoutPhase::Headers);
        Ok((CustomerStream::new(transport, Arc::clone(&self.places).try_acquire_owned().ok()), scope))
    }

    /// Tries the addresses in order. If we passed a name, the system would resolve it again, after the check.
    async fn dial_first<'p>(&self, addresses: &[Admitted<'p>]) -> Result<(TcpStream, &'p Scope), ConnectFailure> {
        let mut failure = ConnectFailure::Connect("no address".to_owned());
        for (index, (address, scope)) in addresses.iter().enumerate() {
            let connecting = self.dialer.dial(*address);
            let is_last = index + 1 == addresses.len();
            let result = if is_last {
                connecting.await
            } else {
                let late = |_| Err(io::ErrorKind::TimedOut.into());
                tokio::time::timeout(ADDRESS_TIMEOUT, connecting).await.unwrap_or_else(late)
            };
            match result {
                Ok(stream) => return Ok((stream, scope)),
                Err(error) => failure = ConnectFailure::Connect(error.to_string()),
            }
        }
        Err(failure)
    }
}
