//! HTTP/2 to a customer, as hyper speaks it: a connection carries many requests at once, so it has a task of its own.

use std::time::Duration;

use bellwire_domain::{AttemptOutcome, TimeoutPhase, Timestamp};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use crate::answer::Answer;
use crate::connect::Progress;
use crate::exchange::{Outgoing, Unanswered};
use crate::failure;
use crate::stream::CustomerStream;

/// What a receiver may send before we read it: per answer, and per connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;

/// The sending end of a connection. Cheap to clone.
pub(crate) type Http2 = http2::SendRequest<Full<Bytes>>;

/// Speaks HTTP/2 over `stream`, on a task that ends with the connection. The receiver is pinged every `ping_interval`.
pub(crate) async fn open(stream: CustomerStream, ping_interval: Duration) -> hyper::Result<Http2> {
    let (sender, wire) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(ping_interval)
        .keep_alive_timeout(ping_interval)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    TokioExecutor::new().execute(async move {
        let _ = wire.await; // its requests are told
    });
    Ok(sender)
}

/// Sends a request and reads the answer.
pub(crate) async fn exchange(
    http2: &mut Http2,
    request: Outgoing,
    progress: &Progress,
    now: Timestamp,
) -> Result<AttemptOutcome, Unanswered> {
    let body = request.body().clone();
    match http2.try_send_request(request.map(Full::new)).await {
        Ok(response) => {
            progress.reach(TimeoutPhase::Body);
            Ok(read(response, now).await)
        }
        Err(mut unanswered) => {
            let outcome = failure::broken(unanswered.error());
            Err(match unanswered.take_message() {
                Some(unsent) => Unanswered::Unsent(Box::new(unsent.map(|_| body)), outcome),
                None => Unanswered::Failed(outcome),
            })
        }
    }
}

async fn read(response: Response<Incoming>, now: Timestamp) -> AttemptOutcome {
    let mut answer = Answer::new(response.status(), response.headers(), now);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return failure::broken(&error),
        };
        let wants_more = frame.data_ref().is_none_or(|piece| answer.push(piece));
        if !wants_more {
            break; // dropping the body resets the stream: nothing is drained
        }
    }
    answer.finish()
}
