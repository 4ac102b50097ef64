//! One attempt: a request out, an outcome back.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AddressPolicy, AttemptOutcome, OutboundRequest, Timestamp};
use http::Request;
use quick_cache::sync::Cache;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::connect::{Connector, Progress};
use crate::destination::Destination;
use crate::exchange::{Outgoing, Unanswered};
use crate::guard::Guard;
use crate::http1::Http1;
use crate::pool::{Kept, Pool};
use crate::{Dial, Resolve, SystemDialer, SystemResolver, failure, http2, trust};

/// How to send.
pub struct SenderOptions {
    /// How names are resolved.
    pub resolver: Arc<dyn Resolve>,
    /// How addresses are connected to.
    pub dialer: Arc<dyn Dial>,
    /// Which addresses may be connected to.
    pub addresses: AddressPolicy,
    /// Certificate authorities to trust in addition to the system's and Mozilla's.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Idle connections kept per host.
    pub idle_per_host_max: usize,
    /// Connections kept after a request, over all hosts. Any beyond that serve one request.
    pub kept_max: usize,
    /// How long a connection is kept while idle.
    pub idle_timeout: Duration,
    /// How often an HTTP/2 connection is pinged, and how long the answer may take. The connection carries many requests, and if
    /// it died silently it would take them all with it.
    pub ping_interval: Duration,
}

impl Default for SenderOptions {
    /// Through the operating system, to public addresses. Receivers close idle connections after 5 seconds or more. A request
    /// sent at that moment is lost, through nobody's fault, so we close ours first.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver::default()),
            dialer: Arc::new(SystemDialer),
            addresses: AddressPolicy::default(),
            trusted: Vec::new(),
            idle_per_host_max: 512, // several endpoints of one host, each with its requests in flight
            kept_max: 2_048,
            idle_timeout: Duration::from_secs(4),
            ping_interval: Duration::from_secs(8),
        }
    }
}

/// Sends requests over one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Sender(Arc<Shared>);

struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    ping_interval: Duration,
    /// Parsed URLs: an endpoint rarely changes its URL.
    destinations: Cache<String, Arc<Destination>>,
}

/// URLs to remember.
const DESTINATIONS_MAX: usize = 10_000;

impl Sender {
    /// A sender with its own pool.
    pub fn new(options: SenderOptions) -> Self {
        let connector = Connector {
            guard: Guard::new(options.resolver, options.addresses),
            dialer: options.dialer,
            tls: TlsConnector::from(Arc::new(trust::tls_config(options.trusted))),
            places: Arc::new(Semaphore::new(options.kept_max)),
        };
        let pool = Pool::new(options.idle_per_host_max, options.idle_timeout);
        let shared = Shared { connector, pool, ping_interval: options.ping_interval, destinations: Cache::new(DESTINATIONS_MAX) };
        Self(Arc::new(shared))
    }

    /// Sends `request` and reads the answer, all within `timeout`. `now` is the instant of the attempt; a `Retry-After` date
    /// is relative to it.
    ///
    /// A request is sent once. If a kept connection turns out to be closed before any of the request was sent, another one is
    /// used; if anything may have arrived, the attempt has failed.
    pub async fn send(&self, request: OutboundRequest, timeout: Duration, now: Timestamp) -> AttemptOutcome {
        let destination = match self.0.destination(&request.url) {
            Ok(destination) => destination,
            Err(reason) => return AttemptOutcome::Unbuildable { reason },
        };
        let progress = Progress::default();
        let exchange = self.0.ask(&destination, build(request), &progress, now);
        match tokio::time::timeout(timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => AttemptOutcome::Timeout { phase: progress.phase() },
        }
    }
}

impl Shared {
    fn destination(&self, url: &str) -> Result<Arc<Destination>, String> {
        if let Some(known) = self.destinations.get(url) {
            return Ok(known);
        }
        let destination = Arc::new(Destination::parse(url)?);
        self.destinations.insert(url.to_owned(), Arc::clone(&destination));
        Ok(destination)
    }

    /// Sends the request over the first kept connection that takes it, or over a new one.
    async fn ask(&self, destination: &Destination, mut request: Outgoing, progress: &Progress, now: Timestamp) -> AttemptOutcome {
        while let Some(kept) = self.pool.take(&destination.origin) {
            match self.send_over(kept, destination, request, progress, now).await {
                Ok(outcome) | Err(Unanswered::Failed(outcome)) => return outcome,
                Err(Unanswered::Unsent(unsent, _)) => request = *unsent,
            }
        }
        let opened = match self.open(destination, progress).await {
            Ok(opened) => opened,
            Err(outcome) => return outcome,
        };
        let sent = self.send_over(opened, destination, request, progress, now).await;
        sent.unwrap_or_else(Unanswered::into_outcome)
    }

    async fn open(&self, destination: &Destination, progress: &Progress) -> Result<Kept, AttemptOutcome> {
        let stream = self.connector.connect(destination, progress).await?;
        let may_be_kept = stream.may_be_kept();
        if !stream.is_http2() {
            return Ok(Kept::Http1(Box::new(Http1::new(stream, Arc::clone(&self.pool.stirred)))));
        }
        let http2 = http2::open(stream, self.ping_interval).await.map_err(|error| failure::broken(&error))?;
        if may_be_kept {
            self.pool.share(&destination.origin, http2.clone());
        }
        Ok(Kept::Http2(http2))
    }

    async fn send_over(
        &self,
        connection: Kept,
        destination: &Destination,
        mut request: Outgoing,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<AttemptOutcome, Unanswered> {
        match connection {
            Kept::Http1(mut http1) => {
                destination.address_http1(&mut request);
                let outcome = http1.exchange(request, progress, now).await?;
                self.pool.put(&destination.origin, http1);
                Ok(outcome)
            }
            Kept::Http2(mut http2) => {
                destination.address_http2(&mut request);
                let sent = http2::exchange(&mut http2, request, progress, now).await;
                if sent.is_err() && http2.is_closed() {
                    self.pool.forget_shared(&destination.origin);
                }
                sent
            }
        }
    }
}

fn build(request: OutboundRequest) -> Outgoing {
    let mut built = Request::new(request.body);
    *built.method_mut() = request.method;
    *built.headers_mut() = request.headers;
    built
}
