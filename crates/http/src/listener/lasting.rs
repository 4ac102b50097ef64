//! Answers that last: a stream of events has no end of its own. Each of its pieces that the client takes counts as something that
//! happens on the connection, so that it stays open for as long as somebody reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use hyper::body::{Frame, SizeHint};

use super::activity::Activity;

/// The answer, with its pieces counted if it is a stream.
pub(super) fn observed(answer: Response<Body>, activity: &Arc<Activity>) -> Response<Body> {
    if answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes) != Some(b"text/event-stream") {
        return answer;
    }
    answer.map(|body| Body::new(Lasting { body, activity: Arc::clone(activity) }))
}

struct Lasting {
    body: Body,
    activity: Arc<Activity>,
}

impl hyper::body::Body for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.activity.go_on();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
