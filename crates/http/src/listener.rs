//! The API's listener. It bounds what a stranger can hold: connections, the size of a head, and the time that a head or
//! a body may take.
//!
//! Each address has [its share](visitors) of the connections, and whoever tries [many wrong keys](wrong_keys) is answered slowly. One
//! rule covers silent connections, half-sent heads, idle keep-alive and answers that nobody reads: a connection is closed if no request
//! is being answered on it, and none has begun or ended for a while. A handshake of [TLS](tls) has to end within that while.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bellwire_app::ClientAddress;
use bellwire_domain::Clock;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod activity;
mod lasting;
mod tls;
mod visitors;
mod wrong_keys;

pub use tls::{Tls, TlsFiles, keep_tls_fresh};

use activity::Activity;
use visitors::{Visitor, Visitors};
use wrong_keys::WrongKeys;

/// How long to pause when the system cannot accept another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The quiet time of a connection while the server is stopping.
const STOPPING_QUIET: Duration = Duration::from_secs(1);

/// Limits for clients.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: u32,
    /// How long a connection may be without a request. It is closed after one to two times this.
    pub quiet_max: Duration,
    /// How long a request's body may take.
    pub body_time_max: Duration,
    /// Concurrent requests on one HTTP/2 connection.
    pub streams_max: u32,
    /// Wrong keys per minute from one address that are answered at once; 0: all.
    pub wrong_keys_max: u32,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_bytes_max: 64 * 1_024,
            quiet_max: Duration::from_secs(15),
            body_time_max: Duration::from_secs(30),
            streams_max: 256,
            wrong_keys_max: 30,
        }
    }
}

/// What a listener does with its connections.
pub struct Service {
    /// What answers the requests.
    pub router: Router,
    /// What a client can hold.
    pub limits: ListenerLimits,
    /// What to speak TLS with; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Accepts and serves until `stop`, then until the last request is answered. Boxed, so that it is compiled here, to be fast, and not
/// where it is spawned.
pub fn serve(listener: TcpListener, service: Service, stop: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(accept_all(listener, service, stop))
}

async fn accept_all(listener: TcpListener, service: Service, stop: CancellationToken) {
    let Service { router, limits, tls, clock } = service;
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let visitors = Visitors::new(limits.connections_max);
    let wrong_keys = WrongKeys::new(limits.wrong_keys_max);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let Some(visitor) = visitors.admit(address) else {
                    metrics::counter!("bellwire_connections_refused_total").increment(1);
                    continue;
                };
                let served = Served { router: router.clone(), limits, stop: stop.clone() };
                let (tls, guard) = (tls.clone(), KeyGuard { wrong_keys: wrong_keys.clone(), address, clock: Arc::clone(&clock) });
                connections.spawn(async move {
                    tokio::select! {
                        () = visitor.close.cancelled() => {}
                        () = visit(stream, tls, served, &visitor, guard) => {}
                    }
                    drop((visitor, place));
                });
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::error!(error = %error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer.ip(), place))
}

/// Closed by the client before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// What a connection gets, and until when.
struct Served {
    router: Router,
    limits: ListenerLimits,
    stop: CancellationToken,
}

/// One connection, from its first byte on.
async fn visit(stream: TcpStream, tls: Option<Tls>, served: Served, visitor: &Visitor, guard: KeyGuard) {
    let _ = stream.set_nodelay(true);
    let stream = match tls {
        None => Either::Left(stream),
        Some(tls) => {
            let accepted = tokio::select! {
                () = served.stop.cancelled() => return, // nothing can have been asked yet
                accepted = Box::pin(tls.accept(stream, served.limits.quiet_max)) => accepted,
            };
            let Some(stream) = accepted else { return };
            Either::Right(Box::new(stream))
        }
    };
    connection(stream, served, visitor, guard).await;
}

/// With or without TLS. What TLS needs is on the heap: it must not make every connection's task as large.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

async fn connection(stream: Stream, served: Served, visitor: &Visitor, guard: KeyGuard) {
    let Served { router, limits, stop } = served;
    let activity = &visitor.activity;
    let observed = Arc::clone(activity);
    let router = TowerToHyperService::new(router);
    let address = guard.address;
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(address));
        let begun = Begun::new(&observed);
        let answering = router.call(request.map(|body| Body::new(Timed::new(body, limits.body_time_max))));
        let (guard, lasting) = (guard.clone(), Arc::clone(&observed));
        async move {
            let answer: Result<Response<Body>, Infallible> = answering.await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                guard.hold().await;
            }
            drop(begun);
            answer.map(|answer| lasting::observed(answer, &lasting))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(usize::try_from(limits.head_bytes_max).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.head_bytes_max)
        .max_concurrent_streams(limits.streams_max);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut quiet_max = limits.quiet_max;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return, // the client sees what went wrong
            () = activity.ends(quiet_max) => return,
            () = stop.cancelled(), if quiet_max != STOPPING_QUIET => {
                serving.as_mut().graceful_shutdown();
                quiet_max = STOPPING_QUIET;
            }
        }
    }
}

/// What holds up answers that refuse the keys of one address.
#[derive(Clone)]
struct KeyGuard {
    wrong_keys: WrongKeys,
    address: IpAddr,
    clock: Arc<dyn Clock>,
}

impl KeyGuard {
    /// Waits as long as one more wrong key of this address has to.
    async fn hold(&self) {
        metrics::counter!("bellwire_wrong_keys_total").increment(1);
        let held = self.wrong_keys.add(self.address, self.clock.now());
        if let Some(count) = held.told {
            tracing::warn!(address = %self.address, count, "requests without a key that works");
        }
        if !held.for_long.is_zero() {
            tokio::time::sleep(held.for_long).await;
        }
    }
}

/// A request that is being answered.
struct Begun(Arc<Activity>);

impl Begun {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.begin();
        Self(Arc::clone(activity))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A body that must arrive in time. Most arrive at once, and cost no timer.
struct Timed {
    body: Incoming,
    time_max: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    const fn new(body: Incoming, time_max: Duration) -> Self {
        Self { body, time_max, deadline: None }
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let time_max = self.time_max;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(time_max)));
        deadline.as_mut().poll(context).map(|()| Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
