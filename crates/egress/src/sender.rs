//! One attempt: a request out, an outcome back.

use std::borrow::Cow;
use std::future::Future;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AddressPolicy, AttemptOutcome, Consumer, OutboundRequest, Phases, Scope, TimeoutPhase, Timestamp};
use quick_cache::sync::Cache;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::certificates::Certificates;
use crate::connect::Connector;
use crate::destination::Destination;
use crate::exchange::Unanswered;
use crate::guard::Guard;
use crate::http1::Http1;
use crate::http2::Http2;
use crate::lookups::{AT_ONCE_MAX, Lookups, Question};
use crate::pool::{Kept, Pool, Turn, TurnTaken, key};
use crate::progress::Progress;
use crate::terms::{KnownTerms, Terms};
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
    /// How long a request may wait until there is room to look its host's name up.
    pub name_wait_max: Duration,
    /// How long the addresses of a name are kept; that it has none, a tenth of that.
    pub names_kept_for: Duration,
}

impl Default for SenderOptions {
    /// Through the operating system, to public addresses.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            dialer: Arc::new(SystemDialer),
            addresses: AddressPolicy::default(),
            trusted: Vec::new(),
            idle_per_host_max: 512, // several endpoints of one host, each with its requests in flight
            kept_max: 2_048,
            idle_timeout: Duration::from_secs(90),
            ping_interval: Duration::from_secs(8),
            stream_wait_max: Duration::from_secs(30),
            name_wait_max: Duration::from_secs(5),
            names_kept_for: Duration::from_secs(30),
        }
    }
}

/// A request was not sent, because something that many share has no room for it now. That is no attempt: nothing came of it, and the
/// receiver is not to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What happened.
    pub outcome: AttemptOutcome,
    /// Where the time went.
    pub phases: Phases,
}

impl From<AttemptOutcome> for Sent {
    /// Nothing was measured: no request went out.
    fn from(outcome: AttemptOutcome) -> Self {
        Self { outcome, phases: Phases::default() }
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
    name_wait_max: Duration,
    /// Parsed URLs: an endpoint rarely changes its URL.
    destinations: Cache<String, Arc<Destination>>,
    terms: KnownTerms,
}

/// URLs to remember.
const DESTINATIONS_MAX: usize = 10_000;

impl Sender {
    /// A sender with its own pool.
    pub fn new(options: SenderOptions) -> Self {
        let roots = trust::roots(options.trusted);
        let lookups = Lookups::new(options.resolver, AT_ONCE_MAX, options.names_kept_for);
        let connector = Connector {
            guard: Guard::new(lookups, options.addresses),
            dialer: options.dialer,
            tls: TlsConnector::from(Arc::new(trust::tls_config(Arc::clone(&roots)))),
            certificates: Certificates::default(),
            places: Arc::new(Semaphore::new(options.kept_max)),
        };
        let pool = Pool::new(options.idle_per_host_max, options.idle_timeout);
        let SenderOptions { ping_interval, stream_wait_max, name_wait_max, .. } = options;
        let destinations = Cache::new(DESTINATIONS_MAX);
        let terms = KnownTerms::new(roots);
        Self(Arc::new(Shared { connector, pool, ping_interval, stream_wait_max, name_wait_max, destinations, terms }))
    }

    /// When the certificates end that receivers have shown in the last week, each receiver's once; of very many, those that end first.
    pub fn certificate_ends(&self) -> Vec<Timestamp> {
        self.0.connector.certificates.ends()
    }

    /// Sends `request` on behalf of `consumer` and reads the answer, all within `timeout`. `now` is the instant of the attempt; a
    /// `Retry-After` date is relative to it.
    ///
    /// Two waits are not counted and have bounds of their own: until there is room to look the host's name up, and over HTTP/2 until
    /// the receiver allows another stream. Where one takes too long, the request is not sent, and the answer is [`NoRoom`].
    ///
    /// A request may go out again over another connection if it did not arrive: nothing was sent, or the receiver says that it did
    /// not process it; and once if a kept connection was closed before a byte of the answer came.
    pub async fn send(
        &self,
        consumer: Consumer<'_>,
        request: OutboundRequest,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Sent, NoRoom> {
        let destination = match self.0.destination(&request.url) {
            Ok(destination) => destination,
            Err(reason) => return Ok(AttemptOutcome::Unbuildable { reason }.into()),
        };
        let terms = match self.0.terms(&request, &destination) {
            Ok(terms) => terms,
            Err(outcome) => return Ok(outcome.into()),
        };
        let progress = Progress::default();
        let terms = terms.as_deref();
        let sending = Sending { shared: &self.0, consumer, destination: &destination, terms, request: &request, progress, now };
        let mut time = Time { left: timeout, stream_wait_left: self.0.stream_wait_max, name_wait_left: self.0.name_wait_max };
        let outcome = match sending.run(&mut time).await {
            Ok(outcome) => outcome,
            Err(Over::Timeout) => AttemptOutcome::Timeout { phase: sending.progress.phase() },
            Err(Over::NoRoom) => return Err(NoRoom),
        };
        Ok(Sent { outcome, phases: sending.progress.phases() })
    }
}

impl Shared {
    /// The endpoint's own terms of TLS, if it has any.
    fn terms(&self, request: &OutboundRequest, destination: &Destination) -> Result<Option<Arc<Terms>>, AttemptOutcome> {
        let Some(tls) = &request.tls else { return Ok(None) };
        if !destination.is_tls {
            let reason = "certificates are shown and checked over https only, and this URL is another".to_owned();
            return Err(AttemptOutcome::Unbuildable { reason });
        }
        self.terms.find(tls).map(Some).map_err(|detail| AttemptOutcome::Tls { detail })
    }

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

/// A connection, as a request uses it.
struct Connection<'s> {
    kept: Kept,
    /// What it is kept by.
    key: Cow<'s, str>,
    /// Whether it is left from an earlier request.
    has_served: bool,
}

/// One request on its way.
struct Sending<'s> {
    shared: &'s Shared,
    consumer: Consumer<'s>,
    destination: &'s Destination,
    terms: Option<&'s Terms>,
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

impl<'s> Sending<'s> {
    /// Sends the request until it has an outcome.
    async fn run(&self, time: &mut Time) -> Result<AttemptOutcome, Over> {
        let (mut choice, mut sent) = (Choice::Any, 0);
        loop {
            let connection = match self.connection(choice, time).await? {
                Ok(connection) => connection,
                Err(outcome) => return Ok(outcome),
            };
            let has_served = connection.has_served;
            match self.send_over(connection, time).await? {
                Ok(outcome) | Err(Unanswered::Failed(outcome)) => return Ok(outcome),
                Err(Unanswered::Unsent(_)) if has_served => {}
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

    async fn connection(&self, choice: Choice, time: &mut Time) -> Result<Result<Connection<'s>, AttemptOutcome>, Over> {
        if let Some(kept) = self.kept(choice) {
            return Ok(Ok(kept));
        }
        // On the heap, as most requests open nothing: what is awaited is moved along with the whole request.
        Box::pin(self.new_connection(choice, time)).await
    }

    async fn new_connection(&self, choice: Choice, time: &mut Time) -> Result<Result<Connection<'s>, AttemptOutcome>, Over> {
        let mut addresses = self.shared.connector.guard.ask(self.consumer.account, &self.destination.host);
        time.wait_for_name(addresses.has_room()).await?;
        let opened = time.count(self.open_in_turn(choice, addresses)).await;
        self.progress.pause();
        opened
    }

    /// What the connections that this request may use are kept by.
    fn keys(&self) -> impl Iterator<Item = Cow<'s, str>> {
        let Destination { origin, port, .. } = self.destination;
        let scopes = self.shared.connector.guard.scopes(*port, self.consumer);
        iter::once(&Scope::Everybody).chain(scopes).map(|scope| key(origin, self.terms, scope))
    }

    fn kept(&self, choice: Choice) -> Option<Connection<'s>> {
        let take = |key: Cow<'s, str>| Some(Connection { kept: self.shared.pool.take(&key)?, key, has_served: true });
        if choice == Choice::Any { self.keys().find_map(take) } else { None }
    }

    async fn open_in_turn(&self, choice: Choice, addresses: Question) -> Result<Connection<'s>, AttemptOutcome> {
        let Shared { connector, pool, .. } = self.shared;
        let turn = if connector.has_place() { self.keys().find_map(|key| pool.turn(&key)) } else { None };
        let _turn = match &turn {
            Some(turn) => Some(self.take(turn).await),
            None => None,
        };
        match self.kept(choice) {
            Some(opened_by_another) => {
                self.progress.reach(TimeoutPhase::Headers);
                Ok(opened_by_another)
            }
            None => self.open(addresses).await,
        }
    }

    /// Takes the turn to open a connection, or waits while another request opens one for both.
    async fn take<'t>(&self, turn: &'t Turn) -> TurnTaken<'t> {
        if let Ok(taken) = turn.try_lock() {
            return taken;
        }
        self.progress.reach(TimeoutPhase::Connect);
        turn.lock().await
    }

    async fn open(&self, addresses: Question) -> Result<Connection<'s>, AttemptOutcome> {
        let Shared { connector, pool, ping_interval, .. } = self.shared;
        let (stream, scope) = connector.connect(self.destination, (self.consumer, self.terms), addresses, &self.progress).await?;
        let key = key(&self.destination.origin, self.terms, scope);
        let may_be_kept = stream.may_be_kept();
        if !stream.is_http2() {
            let kept = Kept::Http1(Box::new(Http1::new(stream, Arc::clone(&pool.stirred))));
            return Ok(Connection { kept, key, has_served: false });
        }
        let http2 = Http2::open(stream, *ping_interval).await?;
        if may_be_kept {
            pool.share(&key, http2.clone());
        }
        Ok(Connection { kept: Kept::Http2(http2), key, has_served: false })
    }

    async fn send_over(&self, connection: Connection<'s>, time: &mut Time) -> Result<Answered, Over> {
        let Self { shared, destination, request, progress, now, .. } = self;
        let Connection { kept, key, .. } = connection;
        match kept {
            Kept::Http1(mut http1) => {
                let answered = self.ask(time, pin!(http1.exchange(request, destination, progress, *now))).await?;
                if answered.is_ok() {
                    shared.pool.put(&key, http1);
                }
                Ok(answered)
            }
            Kept::Http2(http2) => {
                let answered = match time.wait_for_stream(http2.place()).await? {
                    Some(place) => self.ask(time, Box::pin(http2.exchange(place, request, destination, progress, *now))).await?,
                    None => Err(Unanswered::Unsent(failure::closed("closed"))),
                };
                if http2.is_closed() || matches!(answered, Err(Unanswered::Unsent(_) | Unanswered::Refused(_))) {
                    shared.pool.forget_shared(&key, &http2);
                }
                Ok(answered)
            }
        }
    }

    /// Counts an exchange as the receiver's time, and as that of its answer where anything went out.
    async fn ask(&self, time: &mut Time, exchange: impl Future<Output = Answered>) -> Result<Answered, Over> {
        let before = time.left;
        let answered = time.count(exchange).await;
        if !matches!(answered, Ok(Err(Unanswered::Unsent(_)))) {
            self.progress.answered_in(before.saturating_sub(time.left));
        }
        answered
    }
}

/// What comes of asking over one connection.
type Answered = Result<AttemptOutcome, Unanswered>;

/// What is left of an attempt's time.
struct Time {
    /// For what the receiver is answerable for.
    left: Duration,
    /// For waiting until the receiver allows another stream.
    stream_wait_left: Duration,
    /// For waiting until its name may be looked up.
    name_wait_left: Duration,
}

/// Which time is over.
enum Over {
    /// The receiver's.
    Timeout,
    /// That for waiting.
    NoRoom,
}

impl Time {
    /// Counts what `work` takes as the receiver's time.
    async fn count<F: Future>(&mut self, work: F) -> Result<F::Output, Over> {
        spend(&mut self.left, work).await.ok_or(Over::Timeout)
    }

    /// Counts it as waiting for a stream.
    async fn wait_for_stream<F: Future>(&mut self, work: F) -> Result<F::Output, Over> {
        spend(&mut self.stream_wait_left, work).await.ok_or(Over::NoRoom)
    }

    /// Counts it as waiting for room to look a name up.
    async fn wait_for_name<F: Future>(&mut self, work: F) -> Result<F::Output, Over> {
        spend(&mut self.name_wait_left, work).await.ok_or(Over::NoRoom)
    }
}

/// What comes of `work`, if it is done in the time that is left.
async fn spend<F: Future>(left: &mut Duration, work: F) -> Option<F::Output> {
    let began = Instant::now();
    let done = tokio::time::timeout(*left, work).await;
    *left = left.saturating_sub(began.elapsed());
    done.ok()
}
