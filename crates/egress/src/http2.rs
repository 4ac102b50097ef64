//! HTTP/2 to a customer: a connection carries many requests at once, so it has a task of its own.
//!
//! A request first takes a place among the streams that the receiver allows, and only then becomes a stream: what waits for a
//! place has not been sent, and can go over another connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, OutboundRequest, TimeoutPhase, Timestamp};
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderName, Response};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::answer::{Answer, Said};
use crate::destination::Destination;
use crate::exchange::Unanswered;
use crate::failure;
use crate::progress::Progress;
use crate::stream::CustomerStream;

/// What a receiver may send before we read it: per answer, and per connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;
/// The longest head of an answer.
const HEAD_BYTES_MAX: u32 = 64 * 1_024;
/// Requests at once over one connection, where the receiver would allow more.
const STREAMS_MAX: usize = 1_024;

/// The sending end of a connection. Cheap to clone; the connection ends with the last of them.
#[derive(Clone)]
pub(crate) struct Http2(Arc<Ends>);

struct Ends {
    requests: SendRequest<Bytes>,
    /// The streams that the receiver allows now (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §5.1.2), less those in use. Closed
    /// once the connection takes no more.
    streams: Arc<Semaphore>,
}

/// A place among the streams of a connection.
pub(crate) type Place<'a> = SemaphorePermit<'a>;

impl Http2 {
    /// Speaks HTTP/2 over `stream`, on a task that ends with the connection. Returns once the receiver has sent its settings. It
    /// is pinged every `ping_interval`, and the connection dropped if it does not answer as fast.
    pub(crate) async fn open(stream: CustomerStream, ping_interval: Duration) -> Result<Self, AttemptOutcome> {
        let (requests, mut connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX)
            .initial_max_send_streams(0) // until the receiver has said how many
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(|error| failure::broken_http2(&error))?;
        let pings = connection.ping_pong();
        let streams = Arc::new(Semaphore::new(0));
        let ends = Arc::new(Ends { requests, streams: Arc::clone(&streams) });
        let (settled, settling) = oneshot::channel();
        let wire = Wire { connection, ends: Arc::downgrade(&ends), streams, granted: 0, settled: Some(settled) };
        TokioExecutor::new().execute(async move {
            tokio::select! {
                () = wire => {}
                () = until_silent(pings, ping_interval) => {}
            }
        });
        settling.await.unwrap_or_else(|_| Err(failure::closed("closed")))?;
        Ok(Self(ends))
    }

    /// Whether it takes no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.streams.is_closed()
    }

    /// Whether both are ends of one connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits for a place among its streams. `None` if it takes no more requests.
    pub(crate) async fn place(&self) -> Option<Place<'_>> {
        self.0.streams.acquire().await.ok()
    }

    /// Sends a request in its place and reads the answer.
    pub(crate) async fn exchange(
        &self,
        _place: Place<'_>,
        request: &OutboundRequest,
        destination: &Destination,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<AttemptOutcome, Unanswered> {
        let body = request.body.clone();
        let sent = self.0.requests.clone().send_request(destination.http2(request), body.is_empty());
        let (answer, mut upload) = sent.map_err(|error| unsent(&error))?;
        if !body.is_empty() {
            // It goes out as the receiver makes room for it. If the stream has ended already, the answer says why.
            let _ = upload.send_data(body, true);
        }
        match answer.await {
            Ok(answer) => {
                progress.reach(TimeoutPhase::Body);
                Ok(read(answer, &request.heeded, now).await)
            }
            Err(error) if is_refused(&error) => Err(Unanswered::Refused(failure::broken_http2(&error))),
            Err(error) => Err(Unanswered::Failed(failure::broken_http2(&error))),
        }
    }
}

/// The stream did not come to be.
fn unsent(error: &h2::Error) -> Unanswered {
    if error.is_io() || error.is_go_away() || error.is_reset() {
        Unanswered::Unsent(failure::broken_http2(error))
    } else {
        Unanswered::Failed(AttemptOutcome::Unbuildable { reason: error.to_string() })
    }
}

/// Whether the receiver says that it did not process the request (RFC 9113 §8.7). A stream is ended by a GOAWAY only if it lies
/// above the last that the receiver took.
fn is_refused(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

async fn read(response: Response<RecvStream>, heeded: &[HeaderName], now: Timestamp) -> AttemptOutcome {
    let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let values = |name: &HeaderName| {
        let all = response.headers().get_all(name).into_iter();
        all.map(|value| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect::<Vec<_>>()
    };
    let said = Said {
        status: response.status(),
        retry_after: text(RETRY_AFTER),
        content_encoding: text(CONTENT_ENCODING),
        headers: heeded.iter().flat_map(values).collect(),
    };
    let mut answer = Answer::new(said, now);
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        let piece = match piece {
            Ok(piece) => piece,
            // The receiver has said all, and wants no more of the request (RFC 9113 §8.1).
            Err(error) if error.is_reset() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => break,
            Err(error) => return failure::broken_http2(&error),
        };
        let _ = body.flow_control().release_capacity(piece.len()); // it has ended otherwise, as the next piece says
        if !answer.push(&piece) {
            break; // dropping the body resets the stream: nothing is drained
        }
    }
    answer.finish()
}

/// The other end: reads and writes for all requests, and keeps the number of places.
struct Wire {
    connection: Connection<CustomerStream, Bytes>,
    ends: Weak<Ends>,
    streams: Arc<Semaphore>,
    /// Places there are, free and taken.
    granted: usize,
    /// Told when the receiver has sent its settings, or why it has not.
    settled: Option<oneshot::Sender<Result<(), AttemptOutcome>>>,
}

impl Future for Wire {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ended = Pin::new(&mut self.connection).poll(context);
        self.grant();
        let takes_more = |ends: Arc<Ends>| !matches!(ends.requests.clone().poll_ready(context), Poll::Ready(Err(_)));
        if !self.ends.upgrade().is_some_and(takes_more) {
            self.streams.close();
        }
        ended.map(|result| {
            let outcome = result.map_or_else(|error| failure::broken_http2(&error), |()| failure::closed("closed"));
            let _ = self.settled.take().map(|settled| settled.send(Err(outcome)));
        })
    }
}

impl Wire {
    /// Brings the number of places to what the receiver allows now. Taken ones go as they become free.
    fn grant(&mut self) {
        let allowed = self.connection.max_concurrent_send_streams().min(STREAMS_MAX);
        if allowed > self.granted {
            self.streams.add_permits(allowed - self.granted);
            self.granted = allowed;
        } else if allowed < self.granted {
            self.granted -= self.streams.forget_permits(self.granted - allowed);
        }
        if self.granted > 0 {
            let _ = self.settled.take().map(|settled| settled.send(Ok(())));
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.streams.close();
    }
}

/// Pings until an answer stays away.
async fn until_silent(pings: Option<PingPong>, interval: Duration) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(interval).await;
        if !matches!(tokio::time::timeout(interval, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}
