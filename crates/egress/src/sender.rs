//! One attempt: a request out, an outcome back.

use std::error::Error;
use std::sync::Arc;
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
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::Resolve;
use crate::connect::{ConnectFailure, Connector, PROGRESS, Progress};
use crate::excerpt::Excerpt;

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
    /// Which addresses may be connected to.
    pub addresses: AddressPolicy,
    /// Idle connections kept per host.
    pub idle_per_host_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

/// Sends requests over one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
}

impl Sender {
    /// A sender that trusts the system's certificate authorities and Mozilla's.
    pub fn new(options: SenderOptions) -> Self {
        let connector = Connector {
            resolver: options.resolver,
            addresses: Arc::new(options.addresses),
            tls: TlsConnector::from(Arc::new(tls_config())),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.idle_per_host_max)
            .build(connector);
        Self { client }
    }

    /// Sends `request` and reads the answer, all within `timeout`. `now` is the instant of the attempt, by which a
    /// `Retry-After` date is read.
    pub async fn send(&self, request: OutboundRequest, timeout: Duration, now: Timestamp) -> AttemptOutcome {
        let request = match build(request) {
            Ok(request) => request,
            Err(reason) => return AttemptOutcome::Unbuildable { reason },
        };
        let progress = Progress::default();
        let exchange = PROGRESS.scope(progress.clone(), self.exchange(request, &progress, now));
        match tokio::time::timeout(timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => AttemptOutcome::Timeout { phase: progress.phase() },
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, progress: &Progress, now: Timestamp) -> AttemptOutcome {
        match self.client.request(request).await {
            Ok(response) => {
                progress.reach(TimeoutPhase::Body);
                read(response, now).await
            }
            Err(error) => failure(&error),
        }
    }
}

fn build(request: OutboundRequest) -> Result<Request<Full<Bytes>>, String> {
    // Normalised as a browser would, so that every spelling of a host reaches the guard in one form.
    let url = url::Url::parse(&request.url).map_err(|error| format!("the URL is not valid: {error}"))?;
    let uri = Uri::try_from(url.as_str()).map_err(|error| format!("the URL is not valid: {error}"))?;
    let mut built = Request::new(Full::new(request.body));
    *built.method_mut() = request.method;
    *built.uri_mut() = uri;
    *built.headers_mut() = request.headers;
    Ok(built)
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
            Err(error) => return AttemptOutcome::Protocol { detail: innermost(&error) },
        };
        let wants_more = frame.data_ref().is_none_or(|piece| excerpt.push(piece));
        if !wants_more {
            break;
        }
    }
    AttemptOutcome::Response { status, retry_after, body: excerpt.finish() }
}

/// Sorts a failed request by where it failed.
fn failure(error: &(dyn Error + 'static)) -> AttemptOutcome {
    let mut source = Some(error);
    while let Some(cause) = source {
        if let Some(failure) = cause.downcast_ref::<ConnectFailure>() {
            let detail = failure.to_string();
            return match failure {
                ConnectFailure::Dns(_) => AttemptOutcome::Dns { detail },
                ConnectFailure::Blocked(_) => AttemptOutcome::Blocked { reason: detail },
                ConnectFailure::Connect(_) => AttemptOutcome::Connect { detail },
                ConnectFailure::Tls(_) => AttemptOutcome::Tls { detail },
            };
        }
        source = cause.source();
    }
    AttemptOutcome::Protocol { detail: innermost(error) }
}

/// The text of the cause at the bottom.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(error = %error, "a system certificate store could not be read");
    }
    roots.add_parsable_certificates(native.certs);
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
