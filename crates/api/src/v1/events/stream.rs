//! `GET /v1/accounts/{account}/events/stream`

mod pieces;
mod places;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bellwire_app::{AccountAccess, AppError, Operation};
use bellwire_domain::EventType;
use bellwire_store::{EventQuery, PageRequest};
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::EventAnswer;
use crate::Api;
use crate::extract::{LastingCaller, Params};
use crate::problem::{Code, Problem};
use crate::query::Query;
use places::Place;

pub(crate) use places::Streams;

/// How long a stream that has shown everything waits before it looks again.
const BEAT: Duration = Duration::from_millis(500);
/// After so many looks something is said, even if there is no event, and the key is tried again. The listener closes connections on
/// which nothing happens for longer than that takes.
const LOOKS_PER_SIGN: u32 = 10;
/// The most events that are read at once.
const PIECE_EVENTS_MAX: u32 = 20;
/// The header of a client that comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The word for the end of the log.
const NOW: &str = "now";

/// One event of the stream.
#[derive(Serialize, ToSchema)]
pub(super) struct StreamedEvent {
    /// Its `seq`: what to say in `Last-Event-ID`.
    id: String,
    /// The event as the list shows it, as JSON.
    data: String,
}

impl StreamedEvent {
    fn sample() -> Self {
        let data = serde_json::to_string(&EventAnswer::sample()).unwrap_or_default();
        Self { id: "41".to_owned(), data }
    }
}

/// Follow an account's log as it grows
///
/// Server-sent events in the order of `seq`, without gaps: the `id` of each is its `seq`, and its `data` is the event as the list shows
/// it. A client that comes back says in `Last-Event-ID` what it has seen last, as browsers do by themselves, and gets what followed.
/// Comments are sent while nothing happens. The stream ends when the server stops, and when the key or the account is gone. An account
/// may have so many open; above that the answer is 429, `stream_limit`.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/events/stream", operation_id = "events.stream", tag = "events",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("after_seq" = Option<String>, Query,
            description = "Only events after this `seq`; `now`: only those that come from now on. By default, all. `Last-Event-ID` wins."),
        ("type" = Option<String>, Query, description = "Only events of this type."),
        ("follow" = Option<bool>, Query, description = "`false`: the stream ends with the log, for who only catches up."),
    ),
    responses((status = 200, description = "The events.", body = StreamedEvent, content_type = "text/event-stream",
        example = json!(StreamedEvent::sample())))
)]
pub(super) async fn stream(
    State(api): State<Api>,
    caller: LastingCaller,
    Params(account): Params<String>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&caller.actor, Operation::EventRead, &account).await?;
    let asked = query.parsed("after_seq", "is neither the `seq` of an event nor `now`", start)?;
    let event_type = query.parsed("type", "is not an event type", |text| EventType::try_new(text).ok())?;
    let follows = query.parsed("follow", "is neither `true` nor `false`", |text| text.parse::<bool>().ok())?.unwrap_or(true);
    query.finish()?;
    let after = match last_seen(&headers)?.map(Start::After).or(asked).unwrap_or(Start::After(0)) {
        Start::After(seq) => seq,
        Start::Now => api.app.last_seq(&access).await?,
    };
    let place = api.streams.take(&access.account().id).ok_or_else(|| {
        let detail = "the account, or all accounts together, have as many streams of events open as they may; close one, or read the log page by page";
        Problem::new(Code::StreamLimit, detail)
    })?;
    let tail = Tail { api, caller, account, access, after, event_type, follows, sign_is_due: true, looks: 0, _place: place };
    let pieces = stream::unfold(Some(tail), |tail| async move {
        let mut tail = tail?;
        let piece = tail.next().await?;
        let rest = (!piece.is_last).then_some(tail);
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

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// After this `seq`.
    After(i64),
    /// At the end of the log.
    Now,
}

fn seq(text: &str) -> Option<i64> {
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

/// One stream, and how far it is.
struct Tail {
    api: Api,
    caller: LastingCaller,
    account: String,
    access: AccountAccess,
    /// The `seq` up to which everything was looked at.
    after: i64,
    event_type: Option<EventType>,
    /// Whether it goes on at the end of the log.
    follows: bool,
    /// Whether something is said even if there is no event.
    sign_is_due: bool,
    /// Since the key was tried.
    looks: u32,
    _place: Place,
}

/// What is sent at once.
struct Piece {
    bytes: bytes::Bytes,
    is_last: bool,
}

impl Tail {
    /// The next piece, once there is one; none if the stream ends. What went wrong is not said: the client comes back, and is told then.
    async fn next(&mut self) -> Option<Piece> {
        loop {
            if !self.api.ready.load(Ordering::Acquire) {
                return None; // the server stops
            }
            if self.looks == LOOKS_PER_SIGN {
                self.renew().await.ok()?;
                (self.looks, self.sign_is_due) = (0, true);
            }
            self.looks += 1;
            if let Some(piece) = self.look().await.ok()? {
                return Some(piece);
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Whether the caller may still see this.
    async fn renew(&mut self) -> Result<(), AppError> {
        self.caller.renew(&self.api).await?;
        self.access = self.api.app.open_account(&self.caller.actor, Operation::EventRead, &self.account).await?;
        Ok(())
    }

    /// What there is to send now.
    async fn look(&mut self) -> Result<Option<Piece>, Problem> {
        let app = &self.api.app;
        let end = app.last_seq(&self.access).await?;
        let (mut bytes, mut has_more) = (Vec::new(), false);
        if end > self.after {
            let query = EventQuery { after_seq: self.after, event_type: self.event_type.clone(), ..EventQuery::default() };
            let page = PageRequest { limit: PIECE_EVENTS_MAX, after: None };
            let page = app.list_events(&self.access, query, None, page).await?;
            for event in &page.items {
                pieces::write_event(event, &mut bytes)?;
            }
            let shown = page.items.last().map_or(self.after, |event| event.seq);
            // What the list has left out before its end is of another type.
            let looked_at = page.next.as_deref().map_or(Some(end), seq);
            has_more = page.next.is_some();
            self.after = shown.max(looked_at.unwrap_or(shown));
        }
        let is_last = !self.follows && !has_more;
        if std::mem::take(&mut self.sign_is_due) || is_last || (has_more && bytes.is_empty()) {
            pieces::write_sign(self.after, &mut bytes);
        }
        Ok((!bytes.is_empty()).then(|| Piece { bytes: bytes.into(), is_last }))
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
