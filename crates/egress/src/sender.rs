//! One attempt: a request out, an outcome back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_domain::delivery::parse_retry_after;
use bellwire_domain::{AddressPolicy, AttemptOutcome, TimeoutPhase, Timestamp};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::RwLock;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::connect::{ATTEMPT, Attempt, Connector};
use crate::excerpt::Excerpt;
use crate::guard::Guard;
use crate::{Dial, Resolve, SystemDialer, SystemResolver, failure, trust};

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Interim answers (1xx) before the real one.
const INTERIM_ANSWERS_MAX: usize = 16;
/// What a receiver may send over HTTP/2 before we take it: of one answer, and of all on a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;

/// A request as a contract rendered it.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The HTTP method.
    pub method: Method,
    /// The endpoint's URL.
    pub url: String,
    /// The headers, without `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// How to send.
pub struct SenderOptions {
    /// How names are resolved.
    pub resolver: Arc<dyn Resolve>,
    /// How addresses are connected to.
    pub dialer: Arc<dyn Dial>,
    /// Which addresses may be connected to.
    pub addresses: AddressPolicy,
    /// Certificate authorities that are trusted beside the system's and Mozilla's.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Connections to one host that are kept while idle.
    pub idle_per_host_max: usize,
    /// Connections to all hosts that are kept after a request. One opened beyond serves one request.
    pub kept_max: usize,
    /// How long a connection is kept while idle.
    pub idle_timeout: Duration,
    /// How often an HTTP/2 connection is asked for a sign of life, and how long that may take. It carries many requests, and
    /// one that is dead without saying so would take them all.
    pub ping_interval: Duration,
}

impl Default for SenderOptions {
    /// Through the operating system, to public addresses. Receivers' servers close idle connections after 5 seconds and
    /// more, and a request that meets the closing is lost without anybody's fault: so ours are closed first.
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
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    /// URLs as they were parsed: few endpoints change theirs from request to request.
    uris: Arc<RwLock<HashMap<String, Uri>>>,
}

/// URLs remembered.
const URIS_MAX: usize = 10_000;

impl Sender {
    /// A sender with a pool of its own.
    pub fn new(options: SenderOptions) -> Self {
        let connector = Connector {
            guard: Arc::new(Guard::new(options.resolver, options.addresses)),
            dialer: options.dialer,
            tls: TlsConnector::from(Arc::new(trust::tls_config(options.trusted))),
            places: Arc::new(Semaphore::new(options.kept_max)),
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.idle_per_host_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(options.ping_interval)
            .http2_keep_alive_timeout(options.ping_interval)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        Self { client, uris: Arc::default() }
    }

    /// Sends `request` and reads the answer, all within `timeout`. `now` is the instant of the attempt, by which a
    /// `Retry-After` date is read.
    ///
    /// A request is sent once. Should a kept connection turn out to be closed before any of the request is on it, another
    /// one is opened; once something may have arrived, the attempt has failed.
    pub async fn send(&self, request: OutboundRequest, timeout: Duration, now: Timestamp) -> AttemptOutcome {
        let request = match self.build(request) {
            Ok(request) => request,
            Err(reason) => return AttemptOutcome::Unbuildable { reason },
        };
        let deadline = Instant::now() + timeout;
        let attempt = Attempt::until(deadline);
        let exchange = ATTEMPT.scope(attempt.clone(), self.exchange(request, &attempt, now));
        match tokio::time::timeout_at(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => AttemptOutcome::Timeout { phase: attempt.phase() },
        }
    }

    fn build(&self, request: OutboundRequest) -> Result<Request<Full<Bytes>>, String> {
        let uri = self.uri(&request.url)?;
        let mut built = Request::new(Full::new(request.body));
        *built.method_mut() = request.method;
        *built.uri_mut() = uri;
        *built.headers_mut() = request.headers;
        Ok(built)
    }

    /// Normalised as a browser would, so that every spelling of a host reaches the guard in one form.
    fn uri(&self, url: &str) -> Result<Uri, String> {
        if let Some(known) = self.uris.read().get(url) {
            return Ok(known.clone());
        }
        let parsed = url::Url::parse(url).map_err(|error| format!("the URL is not valid: {error}"))?;
        let uri = Uri::try_from(parsed.as_str()).map_err(|error| format!("the URL is not valid: {error}"))?;
        let mut uris = self.uris.write();
        if uris.len() >= URIS_MAX {
            uris.clear();
        }
        uris.insert(url.to_owned(), uri.clone());
        Ok(uri)
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>, attempt: &Attempt, now: Timestamp) -> AttemptOutcome {
        let too_many = limit_interim_answers(&mut request);
        let answer = tokio::select! {
            answer = self.client.request(request) => answer,
            () = too_many.notified() => {
                return AttemptOutcome::Protocol { detail: "too many interim answers (1xx) and no final one".to_owned() };
            }
        };
        match answer {
            Ok(response) => {
                attempt.reach(TimeoutPhase::Body);
                read(response, now).await
            }
            Err(error) => failure::outcome(&error, attempt),
        }
    }
}

/// Told when more interim answers have come than anybody needs: they would be read as long as they come.
fn limit_interim_answers(request: &mut Request<Full<Bytes>>) -> Arc<Notify> {
    let too_many = Arc::new(Notify::new());
    let (told, seen) = (Arc::clone(&too_many), AtomicUsize::new(0));
    hyper::ext::on_informational(request, move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) >= INTERIM_ANSWERS_MAX {
            told.notify_one();
        }
    });
    too_many
}

async fn read(response: Response<Incoming>, now: Timestamp) -> AttemptOutcome {
    let status = response.status().as_u16();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = text(RETRY_AFTER).and_then(|value| parse_retry_after(value, now));
    let mut excerpt = Excerpt::new(text(CONTENT_ENCODING));
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return failure::broken(&error),
        };
        let wants_more = frame.data_ref().is_none_or(|piece| excerpt.push(piece));
        if !wants_more {
            break; // dropping the body closes the connection (HTTP/1.1) or resets the stream (HTTP/2): nothing is drained
        }
    }
    AttemptOutcome::Response { status, retry_after, body: excerpt.finish() }
}
