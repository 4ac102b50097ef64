//! One attempt: a request out, an outcome back.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AddressPolicy, AttemptOutcome, OutboundRequest, TimeoutPhase, Timestamp};
use quick_cache::sync::Cache;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::connect::{Connector, Progress};
use crate::destination::Destination;
use crate::exchange::Unanswered;
use crate::guard::Guard;
use crate::http1::Http1;
use crate::http2::Http2;
use crate::pool::{Kept, Pool};
use crate::{Dial, Resolve, SystemDialer, SystemResolver, failure, trust};

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
    /// How long a request may wait until the receiver allows another stream on its HTTP/2 connection.
    pub stream_wait_max: Duration,
}

impl Default for SenderOptions {
    /// Through the operating system, to public addresses.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver::default()),
            dialer: Arc::new(SystemDialer),
            addresses: AddressPolicy::default(),
            trusted: Vec::new(),
            idle_per_host_max: 512, // several endpoints of one host, each with its requests in flight
            kept_max: 2_048,
            idle_timeout: Duration::from_secs(90),
            ping_interval: Duration::from_secs(8),
            stream_wait_max: Duration::from_secs(30),
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
    stream_wait_max: Duration,
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
        let SenderOptions { ping_interval, stream_wait_max, .. } = options;
        let shared = Shared { connector, pool, ping_interval, stream_wait_max, destinations: Cache::new(DESTINATIONS_MAX) };
        Self(Arc::new(shared))
    }

    /// Sends `request` and reads the answer, all within `timeout`. `now` is the instant of the attempt; a `Retry-After` date
    /// is relative to it.
    ///
    /// Over HTTP/2, waiting until the receiver allows another stream is not counted; it has a bound of its own.
    ///
    /// A request may go out again over another connection if it did not arrive: nothing was sent, or the receiver says that it did
    /// not process it; and once if a kept connection was closed before a byte of the answer came.
    pub async fn send(&self, request: OutboundRequest, timeout: Duration, now: Timestamp) -> AttemptOutcome {
        let destination = match self.0.destination(&request.url) {
            Ok(destination) => destination,
            Err(reason) => return AttemptOutcome::Unbuildable { reason },
        };
        let sending =
            Sending { shared: &self.0, destination: &destination, request: &request, progress: Progress::default(), now };
        let mut time = Time { left: timeout, wait_left: self.0.stream_wait_max };
        match sending.run(&mut time).await {
            Ok(outcome) => outcome,
            Err(Elapsed) => AttemptOutcome::Timeout { phase: sending.progress.phase() },
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
}

/// How often a request goes out at most. A receiver that ends a connection after so many requests may refuse one several times.
const SENT_MAX: usize = 16;

/// One request on its way.
struct Sending<'s> {
    shared: &'s Shared,
    destination: &'s Destination,
    request: &'s OutboundRequest,
    progress: Progress,
    now: Timestamp,
}

/// Over which connection a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// A kept one, if there is any.
    Any,
    /// A new one.
    New,
}

impl Sending<'_> {
    /// Sends the request until it has an outcome.
    async fn run(&self, time: &mut Time) -> Result<AttemptOutcome, Elapsed> {
        let (mut choice, mut sent) = (Choice::Any, 0);
        loop {
            let (connection, is_kept) = match time.count(self.connection(choice)).await? {
                Ok(connection) => connection,
                Err(outcome) => return Ok(outcome),
            };
            match self.send_over(connection, time).await? {
                Ok(outcome) | Err(Unanswered::Failed(outcome)) => return Ok(outcome),
                Err(Unanswered::Unsent(_)) if is_kept => {}
                Err(Unanswered::Unsent(outcome) | Unanswered::Refused(outcome)) => {
                    sent += 1;
                    if sent >= SENT_MAX {
                        return Ok(outcome);
                    }
                }
                Err(Unanswered::Dropped) => choice = Choice::New, // which has not served before, so it is not dropped
            }
        }
    }

    /// A connection, and whether it was kept from an earlier request.
    async fn connection(&self, choice: Choice) -> Result<(Kept, bool), AttemptOutcome> {
        let (pool, origin) = (&self.shared.pool, &self.destination.origin);
        let kept = || if choice == Choice::Any { pool.take(origin) } else { None };
        if let Some(kept) = kept() {
            return Ok((kept, true));
        }
        self.progress.reach(TimeoutPhase::Connect);
        let turn = if self.shared.connector.has_place() { pool.turn(origin) } else { None };
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        match kept() {
            Some(opened_by_another) => {
                self.progress.reach(TimeoutPhase::Headers);
                Ok((opened_by_another, true))
            }
            None => Ok((self.open().await?, false)),
        }
    }

    async fn open(&self) -> Result<Kept, AttemptOutcome> {
        let Shared { connector, pool, ping_interval, .. } = self.shared;
        let stream = connector.connect(self.destination, &self.progress).await?;
        let may_be_kept = stream.may_be_kept();
        if !stream.is_http2() {
            return Ok(Kept::Http1(Box::new(Http1::new(stream, Arc::clone(&pool.stirred)))));
        }
        let http2 = Http2::open(stream, *ping_interval).await?;
        if may_be_kept {
            pool.share(&self.destination.origin, http2.clone());
        }
        Ok(Kept::Http2(http2))
    }

    async fn send_over(&self, connection: Kept, time: &mut Time) -> Result<Result<AttemptOutcome, Unanswered>, Elapsed> {
        let Self { shared, destination, request, progress, now } = self;
        match connection {
            Kept::Http1(mut http1) => {
                let answered = time.count(http1.exchange(request, destination, progress, *now)).await?;
                if answered.is_ok() {
                    shared.pool.put(&destination.origin, http1);
                }
                Ok(answered)
            }
            Kept::Http2(http2) => {
                let answered = match time.wait(http2.place()).await? {
                    Some(place) => time.count(http2.exchange(place, request, destination, progress, *now)).await?,
                    None => Err(Unanswered::Unsent(failure::closed("closed"))),
                };
                if http2.is_closed() || matches!(answered, Err(Unanswered::Unsent(_) | Unanswered::Refused(_))) {
                    shared.pool.forget_shared(&destination.origin, &http2);
                }
                Ok(answered)
            }
        }
    }
}

/// What is left of an attempt's time.
struct Time {
    /// For what the receiver is answerable for.
    left: Duration,
    /// For waiting until it may be sent to.
    wait_left: Duration,
}

/// It is over.
struct Elapsed;

impl Time {
    /// Counts what `work` takes as the receiver's time.
    async fn count<F: Future>(&mut self, work: F) -> Result<F::Output, Elapsed> {
        spend(&mut self.left, work).await
    }

    /// Counts it as waiting.
    async fn wait<F: Future>(&mut self, work: F) -> Result<F::Output, Elapsed> {
        spend(&mut self.wait_left, work).await
    }
}

async fn spend<F: Future>(left: &mut Duration, work: F) -> Result<F::Output, Elapsed> {
    let began = Instant::now();
    let done = tokio::time::timeout(*left, work).await;
    *left = left.saturating_sub(began.elapsed());
    done.map_err(|_| Elapsed)
}
