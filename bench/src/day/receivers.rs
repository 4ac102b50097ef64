//! The receivers of a platform's day: many hosts that answer over TLS as real ones do. Half of them speak HTTP/2, and all take their time;
//! one request in a hundred is answered with 503, and another one never.
//!
//! What arrived is asked for where the sink is asked, without TLS. A request that comes again is an arrival only if the one before was
//! answered with 200: then somebody has sent twice what had been received.
//!
//! Started as prompt ones, they are three hosts that answer at once: without TLS, over it with HTTP/1.1, and with HTTP/2.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::platform::{HOSTS, normal};
use crate::sink::{Arrival, Arrivals, CONNECTIONS_WAITING_MAX, Sink, now_us};

/// What is in the folder that they are started with.
pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const KEY: &str = "key.pem";
pub(crate) const AUTHORITY: &str = "authority.pem";

/// What each host of prompt receivers speaks below HTTP; `None`: plain HTTP/1.1.
pub(crate) const PROMPT: [Option<&[u8]>; 3] = [None, Some(HTTP1), Some(HTTP2)];
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// How long an answer takes: the median, how far it spreads (of the logarithm), and the bounds, in milliseconds.
const ANSWER_MEDIAN_MS: f64 = 70.0;
const ANSWER_SPREAD: f64 = 0.6;
const ANSWER_MS: (f64, f64) = (20.0, 300.0);
/// One in so many is answered with 503, and one never.
const ILL: usize = 100;
/// Longer than anybody waits for an answer.
const NEVER: Duration = Duration::from_secs(3_600);

/// The address of a host.
pub(crate) fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(host + 1).unwrap_or(u8::MAX))
}

/// Listens on every host, says where the sink's questions and the requests go, and serves until its standard input ends.
pub(crate) fn run(folder: &Path, is_prompt: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sink = Sink::listen().context("the receivers cannot listen")?;
        let (arrivals, hasher) = (sink.arrivals(), RandomState::new());
        let receivers = Arc::new(Receivers { arrivals, seen: Mutex::default(), hasher, is_prompt });
        let of_day = (0..HOSTS).map(|host| Some(if host % 2 == 0 { HTTP2 } else { HTTP1 }));
        let protocols: Vec<Option<&[u8]>> = if is_prompt { PROMPT.to_vec() } else { of_day.collect() };
        let tasks = TaskTracker::new();
        let mut port = 0;
        for (host, protocol) in protocols.into_iter().enumerate() {
            let listener = listen(address(host), port).with_context(|| format!("host {host} cannot listen"))?;
            port = listener.local_addr()?.port();
            let acceptor =
                protocol.map(|protocol| anyhow::Ok(TlsAcceptor::from(Arc::new(tls(folder, protocol)?)))).transpose()?;
            let seed = u64::try_from(host)?;
            tasks.spawn(accept(listener, acceptor, Arc::clone(&receivers), seed, tasks.clone()));
        }
        writeln!(std::io::stdout(), "{} {port}", sink.port()?)?;
        sink.serve_until_input_ends().await
    })
}

fn listen(address: Ipv4Addr, port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, port).into())?;
    socket.listen(CONNECTIONS_WAITING_MAX)
}

fn tls(folder: &Path, protocol: &[u8]) -> anyhow::Result<rustls::ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(folder.join(CERTIFICATE))?];
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, receivers: Arc<Receivers>, seed: u64, tasks: TaskTracker) {
    let rng = Arc::new(Mutex::new(Rng::with_seed(seed)));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, receivers, rng) = (acceptor.clone(), Arc::clone(&receivers), Arc::clone(&rng));
        tasks.spawn(async move {
            let _ = serve(stream, acceptor, receivers, rng).await; // whoever closes a connection has its reasons
        });
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    receivers: Arc<Receivers>,
    rng: Arc<Mutex<Rng>>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let answer = service_fn(move |request| {
        let (receivers, rng) = (Arc::clone(&receivers), Arc::clone(&rng));
        async move { Ok::<_, Infallible>(receivers.answer(request, &rng).await) }
    });
    let serving = auto::Builder::new(TokioExecutor::new());
    match acceptor {
        Some(acceptor) => serving.serve_connection(TokioIo::new(acceptor.accept(stream).await?), answer).await,
        None => serving.serve_connection(TokioIo::new(stream), answer).await,
    }
}

/// What all hosts share.
struct Receivers {
    arrivals: Arrivals,
    /// Digests of the deliveries that have come, and whether they were answered with 200.
    seen: Mutex<HashMap<u64, bool>>,
    hasher: RandomState,
    is_prompt: bool,
}

impl Receivers {
    async fn answer(&self, request: Request<Incoming>, rng: &Mutex<Rng>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return status(400) };
        let at_us = now_us();
        let id = head.headers.get("webhook-id").map(|id| id.as_bytes().to_vec());
        let delivery = self.hasher.hash_one((head.uri.path(), id));
        let before = self.seen.lock().await.get(&delivery).copied();
        if before.is_none_or(|was_answered| was_answered) {
            let arrival = Arrival { at_us, raw: raw(&head, &body.to_bytes()) };
            self.arrivals.lock().await.push(arrival);
            self.seen.lock().await.entry(delivery).or_insert(false);
        }
        if self.is_prompt {
            return status(200);
        }
        let (fate, after) = {
            let mut rng = rng.lock().await;
            (rng.usize(..ILL), answer_after(&mut rng))
        };
        tokio::time::sleep(if fate == 0 { NEVER } else { after }).await;
        if fate == 1 {
            return status(503);
        }
        self.seen.lock().await.insert(delivery, true);
        status(200)
    }
}

fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response
}

fn answer_after(rng: &mut Rng) -> Duration {
    let millis = ANSWER_MEDIAN_MS * (ANSWER_SPREAD * normal(rng)).exp();
    Duration::from_secs_f64(millis.clamp(ANSWER_MS.0, ANSWER_MS.1) / 1_000.0)
}

/// A request as HTTP/1.1 has it, for who verifies it.
fn raw(head: &http::request::Parts, body: &[u8]) -> Vec<u8> {
    let mut raw = format!("POST {} HTTP/1.1\r\n", head.uri.path()).into_bytes();
    for (name, value) in &head.headers {
        raw.extend_from_slice(name.as_str().as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value.as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(body);
    raw
}
