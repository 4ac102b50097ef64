//! Streams of server-sent events that follow an account's log: where they begin, how they go on, and when they end.

pub(super) mod pieces;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bellwire_app::{AccountAccess, App, AppError};
use bellwire_http::problem::{Code, Problem};
use bellwire_http::{Api, Place};
use futures_util::stream;

use crate::query::Query;

/// How long a stream that has shown everything waits before it looks again.
const BEAT: Duration = Duration::from_millis(500);
/// After so many looks something is said, even if there is no event, and the key is tried again. The listener closes connections on
/// which nothing happens for longer than that takes.
const LOOKS_PER_SIGN: u32 = 10;
/// The header of a client that comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The word for the end of the log.
const NOW: &str = "now";

/// Where a stream begins, and whether it has an end.
pub(super) struct Course {
    start: Start,
    /// Whether it goes on at the end of the log.
    pub(super) follows: bool,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// After this `seq`.
    After(i64),
    /// At the end of the log.
    Now,
}

impl Course {
    /// `after_seq` and `follow` of a query, and `Last-Event-ID`, which wins.
    pub(super) fn read(headers: &HeaderMap, query: &mut Query) -> Result<Self, Problem> {
        let asked = query.parsed("after_seq", "is neither the `seq` of an event nor `now`", start)?;
        let follows = query.parsed("follow", "is neither `true` nor `false`", |text| text.parse::<bool>().ok())?.unwrap_or(true);
        let start = last_seen(headers)?.map(Start::After).or(asked).unwrap_or(Start::After(0));
        Ok(Self { start, follows })
    }

    /// The `seq` after which it begins.
    pub(super) async fn begin(&self, app: &App, access: &AccountAccess) -> Result<i64, AppError> {
        match self.start {
            Start::After(seq) => Ok(seq),
            Start::Now => app.last_seq(access).await,
        }
    }
}

pub(super) fn seq(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|seq| *seq >= 0)
}

fn start(text: &str) -> Option<Start> {
    if text == NOW { Some(Start::Now) } else { seq(text).map(Start::After) }
}

/// What the client has seen, if it comes back.
fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let seen = value.to_str().ok().and_then(seq);
    seen.map(Some).ok_or_else(|| Problem::new(Code::InvalidHeader, "`Last-Event-ID` is not the `seq` of an event"))
}

/// What is sent at once.
pub(super) struct Piece {
    pub(super) bytes: bytes::Bytes,
    /// Whether the stream ends with it.
    pub(super) is_last: bool,
}

/// How one look at the log has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    /// The `seq` up to which everything was looked at.
    pub(super) after: i64,
    /// Whether the log has more already.
    pub(super) has_more: bool,
    /// Whether the stream goes on at the end of the log.
    pub(super) follows: bool,
    /// Whether something is said even if there was no event.
    pub(super) sign_is_due: bool,
}

impl Piece {
    /// What a look has written, with a sign where there is need of one; `None`: there is nothing to send.
    pub(super) fn of(mut bytes: Vec<u8>, looked: Looked) -> Option<Self> {
        let Looked { after, has_more, follows, sign_is_due } = looked;
        let is_last = !follows && !has_more;
        if sign_is_due || is_last || (has_more && bytes.is_empty()) {
            pieces::write_sign(after, &mut bytes);
        }
        (!bytes.is_empty()).then(|| Self { bytes: bytes.into(), is_last })
    }
}

/// Somebody who follows a log. What goes wrong is not said: the client comes back, and is told then.
pub(super) trait Follower: Send + 'static {
    /// Tries whether they may still see it.
    fn renew(&mut self) -> impl Future<Output = Result<(), AppError>> + Send;

    /// What there is to send now. If a sign is due, something is said even if there is no event.
    fn look(&mut self, sign_is_due: bool) -> impl Future<Output = Result<Option<Piece>, Problem>> + Send;
}

/// The stream, if there is room for one more of the account's.
pub(super) fn follow(api: &Api, access: &AccountAccess, follower: impl Follower) -> Result<Response, Problem> {
    let place = api.streams.take(&access.account().id).ok_or_else(|| {
        let detail = "the account, or all accounts together, have as many streams of events open as they may; close one, or read the log page by page";
        Problem::new(Code::StreamLimit, detail)
    })?;
    let beats = Beats { api: api.clone(), follower, sign_is_due: true, looks: 0, _place: place };
    let pieces = stream::unfold(Some(beats), |beats| async move {
        let mut beats = beats?;
        let piece = beats.next().await?;
        let rest = (!piece.is_last).then_some(beats);
        Some((Ok::<_, std::convert::Infallible>(piece.bytes), rest))
    });
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (unbuffered, HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// One stream, which is asked on a beat.
struct Beats<F> {
    api: Api,
    follower: F,
    sign_is_due: bool,
    /// Since the key was tried.
    looks: u32,
    _place: Place,
}

impl<F: Follower> Beats<F> {
    /// The next piece, once there is one; none if the stream ends.
    async fn next(&mut self) -> Option<Piece> {
        loop {
            if !self.api.ready.load(Ordering::Acquire) {
                return None; // the server stops
            }
            if self.looks == LOOKS_PER_SIGN {
                self.follower.renew().await.ok()?;
                (self.looks, self.sign_is_due) = (0, true);
            }
            self.looks += 1;
            let piece = self.follower.look(std::mem::take(&mut self.sign_is_due)).await.ok()?;
            if piece.is_some() {
                return piece;
            }
            tokio::time::sleep(BEAT).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_the_client_says() {
        assert_eq!(start("now"), Some(Start::Now));
        assert_eq!(start("41"), Some(Start::After(41)));
        for text in ["", "-1", "1.5", "later", "9223372036854775808"] {
            assert_eq!(start(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_seen_last_is_a_seq_or_nothing() {
        let with = |text: &'static str| {
            let headers = HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(text))]);
            last_seen(&headers).ok()
        };
        assert_eq!((with("41"), with(""), with("x"), with("-1")), (Some(Some(41)), Some(None), None, None));
        assert_eq!(last_seen(&HeaderMap::new()).ok(), Some(None));
    }
}
