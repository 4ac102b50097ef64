//! From a URL to a connection: resolve, check, connect to what was checked, TLS.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bellwire_domain::{AddressPolicy, TimeoutPhase};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Resolve;

/// Where there are more addresses to try, one is given up after this long.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

tokio::task_local! {
    /// How far the attempt of this task has come.
    pub(crate) static PROGRESS: Progress;
}

/// Shared between an attempt and the connector that it may set to work.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    pub(crate) fn reach(&self, phase: TimeoutPhase) {
        let number = match phase {
            TimeoutPhase::Headers => 0,
            TimeoutPhase::Dns => 1,
            TimeoutPhase::Connect => 2,
            TimeoutPhase::Tls => 3,
            TimeoutPhase::Body => 4,
        };
        self.0.store(number, Ordering::Relaxed);
    }

    /// A connection from the pool skips all phases before the request itself.
    pub(crate) fn phase(&self) -> TimeoutPhase {
        match self.0.load(Ordering::Relaxed) {
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
}

/// Connects to customers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) addresses: Arc<AddressPolicy>,
    pub(crate) tls: TlsConnector,
}

impl Connector {
    async fn connect(self, uri: Uri, progress: Progress) -> Result<CustomerStream, ConnectFailure> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        progress.reach(TimeoutPhase::Dns);
        let addresses = self.checked_addresses(&host).await?;
        progress.reach(TimeoutPhase::Connect);
        let stream = connect_first(&addresses, port).await?;
        let _ = stream.set_nodelay(true);
        let stream = if is_tls {
            progress.reach(TimeoutPhase::Tls);
            let name = ServerName::try_from(host).map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            let tls = self.tls.connect(name, stream).await.map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            CustomerStream::Tls(TokioIo::new(Box::new(tls)))
        } else {
            CustomerStream::Plain(TokioIo::new(stream))
        };
        progress.reach(TimeoutPhase::Headers);
        Ok(stream)
    }

    /// The addresses of `host` that may be connected to.
    async fn checked_addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectFailure> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| ConnectFailure::Dns(error.to_string()))?,
        };
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.addresses.check(address) {
                Ok(()) => allowed.push(address),
                Err(class) => refused = Some(class),
            }
        }
        allowed.truncate(ADDRESSES_MAX);
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(class)) => Err(ConnectFailure::Blocked(format!(
                "{} is not reachable for webhooks; --allow-network permits single networks",
                class.as_str()
            ))),
            (true, None) => Err(ConnectFailure::Dns("the name has no address".to_owned())),
        }
    }
}

/// Tries the addresses in order. The system would choose for us if we passed a name, and choose again after the check.
async fn connect_first(addresses: &[IpAddr], port: u16) -> Result<TcpStream, ConnectFailure> {
    let mut failure = ConnectFailure::Connect("no address".to_owned());
    for (index, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        let is_last = index + 1 == addresses.len();
        let result = if is_last {
            connecting.await
        } else {
            tokio::time::timeout(ADDRESS_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = ConnectFailure::Connect(error.to_string()),
        }
    }
    Err(failure)
}

impl tower_service::Service<Uri> for Connector {
    type Response = CustomerStream;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<CustomerStream, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let progress = PROGRESS.try_with(Clone::clone).unwrap_or_default();
        Box::pin(self.clone().connect(uri, progress))
    }
}

/// A connection to a customer, plain or TLS.
pub(crate) enum CustomerStream {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Box<TlsStream<TcpStream>>>),
}

impl Connection for CustomerStream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(_) => Connected::new(),
            Self::Tls(stream) => {
                let (_, session) = stream.inner().get_ref();
                let is_h2 = session.alpn_protocol() == Some(b"h2");
                if is_h2 { Connected::new().negotiated_h2() } else { Connected::new() }
            }
        }
    }
}

impl Read for CustomerStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl Write for CustomerStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
