//! One connection to a customer, as hyper speaks HTTP over it.
//!
//! HTTP/1.1 runs on the task of the attempt that it serves: nothing is handed to another task and nobody is woken but the one
//! who waits. Between two attempts nothing runs; the connection only tells its pool when something happens to it. HTTP/2
//! carries many requests at once, so it has a task of its own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;

use crate::stream::CustomerStream;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// What a receiver may send over HTTP/2 before we take it: of one answer, and of all on a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;

/// A request to a customer.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// Why there is no answer; the request itself is in it when none of it was sent.
pub(crate) type Unanswered = TrySendError<Outgoing>;

/// The sending end of an HTTP/2 connection.
pub(crate) type Http2 = http2::SendRequest<Full<Bytes>>;

/// An HTTP/1.1 connection: one request at a time.
pub(crate) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    wire: http1::Connection<CustomerStream, Full<Bytes>>,
    /// Told when something happens while nobody uses it.
    stirred: Arc<Stirred>,
    may_be_kept: bool,
    over: bool,
}

/// Remembers that an idle connection has to be looked at.
struct Stirred {
    /// While it is used, its attempt looks at it.
    is_idle: AtomicBool,
    is_set: AtomicBool,
    pool: Arc<Notify>,
}

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_idle.load(Ordering::Acquire) {
            self.is_set.store(true, Ordering::Release);
            self.pool.notify_one();
        }
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 over `stream`; while it is idle, `pool` is told when something happens to it.
    pub(crate) async fn open(stream: CustomerStream, pool: Arc<Notify>) -> hyper::Result<Self> {
        let may_be_kept = stream.may_be_kept();
        let (sender, wire) = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(stream).await?;
        let stirred = Arc::new(Stirred { is_idle: AtomicBool::new(false), is_set: AtomicBool::new(false), pool });
        Ok(Self { sender, wire, stirred, may_be_kept, over: false })
    }

    /// Sends a request and hands the answer to `read`.
    pub(crate) async fn exchange<R: Future>(
        &mut self,
        request: Outgoing,
        read: impl FnOnce(Response<Incoming>) -> R,
    ) -> Result<R::Output, Unanswered> {
        self.stirred.is_idle.store(false, Ordering::Release);
        let answer = self.sender.try_send_request(request);
        let mut work = pin!(async move { Ok(read(answer.await?).await) });
        poll_fn(|context| {
            self.over = self.over || Pin::new(&mut self.wire).poll(context).is_ready();
            work.as_mut().poll(context)
        })
        .await
    }

    /// Whether it can be kept for another request. If so, it tells its pool from now on when something happens to it.
    pub(crate) fn settle(&mut self) -> bool {
        self.stirred.is_idle.store(true, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self.stirred));
        self.over = self.over || Pin::new(&mut self.wire).poll(&mut Context::from_waker(&waker)).is_ready();
        self.may_be_kept && !self.over && self.sender.is_ready()
    }

    /// Whether it is still good, while idle.
    pub(crate) fn is_sound(&mut self) -> bool {
        !self.stirred.is_set.swap(false, Ordering::AcqRel) || self.settle()
    }
}

/// Speaks HTTP/2 over `stream`, on a task that ends with the connection. Every `ping_interval` the other side is asked for a
/// sign of life.
pub(crate) async fn open_http2(stream: CustomerStream, ping_interval: Duration) -> hyper::Result<Http2> {
    let (sender, wire) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(ping_interval)
        .keep_alive_timeout(ping_interval)
        .keep_alive_while_idle(true)
        .handshake(stream)
        .await?;
    TokioExecutor::new().execute(async move {
        let _ = wire.await; // its requests are told
    });
    Ok(sender)
}

/// Sends a request over HTTP/2 and hands the answer to `read`.
pub(crate) async fn exchange_http2<R: Future>(
    sender: &mut Http2,
    request: Outgoing,
    read: impl FnOnce(Response<Incoming>) -> R,
) -> Result<R::Output, Unanswered> {
    Ok(read(sender.try_send_request(request).await?).await)
}
