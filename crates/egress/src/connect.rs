//! From a URL to a connection: check, connect to what was checked, TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bellwire_domain::TimeoutPhase;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::guard::{Guard, Refusal};
use crate::stream::{CustomerStream, Transport};
use crate::{CheckedAddress, Dial};

/// Where there are more addresses to try, one is given up after this long.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

tokio::task_local! {
    /// The attempt of this task.
    pub(crate) static ATTEMPT: Attempt;
}

/// Shared between an attempt and the connector that it may set to work.
#[derive(Clone)]
pub(crate) struct Attempt {
    reached: Arc<AtomicU8>,
    /// The pool finishes a connection that its attempt no longer needs; it must not take longer for that.
    deadline: Instant,
}

impl Attempt {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { reached: Arc::default(), deadline }
    }

    pub(crate) fn reach(&self, phase: TimeoutPhase) {
        let number = match phase {
            TimeoutPhase::Headers => 0,
            TimeoutPhase::Dns => 1,
            TimeoutPhase::Connect => 2,
            TimeoutPhase::Tls => 3,
            TimeoutPhase::Body => 4,
        };
        self.reached.store(number, Ordering::Relaxed);
    }

    /// A connection from the pool skips all phases before the request itself.
    pub(crate) fn phase(&self) -> TimeoutPhase {
        match self.reached.load(Ordering::Relaxed) {
            1 => TimeoutPhase::Dns,
            2 => TimeoutPhase::Connect,
            3 => TimeoutPhase::Tls,
            4 => TimeoutPhase::Body,
            _ => TimeoutPhase::Headers,
        }
    }
}

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
    /// Nobody waits for this connection any more.
    #[error("given up")]
    Late,
}

impl From<Refusal> for ConnectFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Dns(detail) => Self::Dns(detail),
            Refusal::Blocked(reason) => Self::Blocked(reason),
        }
    }
}

/// Connects to customers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) guard: Arc<Guard>,
    pub(crate) dialer: Arc<dyn Dial>,
    pub(crate) tls: TlsConnector,
    /// Places for connections that are kept after their first request, over all hosts.
    pub(crate) places: Arc<Semaphore>,
}

impl Connector {
    async fn connect(self, uri: Uri, attempt: Attempt) -> Result<CustomerStream, ConnectFailure> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        attempt.reach(TimeoutPhase::Dns);
        let addresses = self.guard.check(host, port).await?;
        attempt.reach(TimeoutPhase::Connect);
        let stream = self.dial_first(&addresses).await?;
        let transport = if is_tls {
            attempt.reach(TimeoutPhase::Tls);
            let name = host.strip_suffix('.').unwrap_or(host).to_owned(); // certificates name hosts without the root's dot
            let name = ServerName::try_from(name).map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            let tls = self.tls.connect(name, stream).await.map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            Transport::Tls(TokioIo::new(Box::new(tls)))
        } else {
            Transport::Plain(TokioIo::new(stream))
        };
        attempt.reach(TimeoutPhase::Headers);
        Ok(CustomerStream::new(transport, self.places.try_acquire_owned().ok()))
    }

    /// Tries the addresses in order. The system would choose for us if we passed a name, and choose again after the check.
    async fn dial_first(&self, addresses: &[CheckedAddress]) -> Result<TcpStream, ConnectFailure> {
        let mut failure = ConnectFailure::Connect("no address".to_owned());
        for (index, address) in addresses.iter().enumerate() {
            let connecting = self.dialer.dial(*address);
            let is_last = index + 1 == addresses.len();
            let result = if is_last {
                connecting.await
            } else {
                let late = |_| Err(io::ErrorKind::TimedOut.into());
                tokio::time::timeout(ADDRESS_TIMEOUT, connecting).await.unwrap_or_else(late)
            };
            match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = ConnectFailure::Connect(error.to_string()),
            }
        }
        Err(failure)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = CustomerStream;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<CustomerStream, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        let attempt = ATTEMPT.try_with(Clone::clone);
        Box::pin(async move {
            let attempt = attempt.map_err(|_| ConnectFailure::Late)?; // only attempts connect
            let deadline = attempt.deadline;
            let connecting = connector.connect(uri, attempt);
            tokio::time::timeout_at(deadline, connecting).await.unwrap_or(Err(ConnectFailure::Late))
        })
    }
}
