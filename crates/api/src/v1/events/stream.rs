//! `GET /v1/accounts/{account}/events/stream`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwire_app::{AccountAccess, AppError, Operation};
use bellwire_domain::EventType;
use bellwire_http::Api;
use bellwire_http::extract::{LastingCaller, Params};
use bellwire_http::problem::Problem;
use bellwire_store::{EventQuery, PageRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::following::{Course, Follower, Looked, Piece, follow, pieces, seq};
use super::list::EventAnswer;
use crate::query::Query;

/// The most events that are read at once.
const PIECE_EVENTS_MAX: u32 = 20;

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
    let course = Course::read(&headers, &mut query)?;
    let event_type = query.parsed("type", "is not an event type", |text| EventType::try_new(text).ok())?;
    query.finish()?;
    let after = course.begin(&api.app, &access).await?;
    let tail = Tail { api: api.clone(), caller, account, access: access.clone(), after, event_type, follows: course.follows };
    follow(&api, &access, tail)
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
}

impl Follower for Tail {
    async fn renew(&mut self) -> Result<(), AppError> {
        self.caller.renew(&self.api).await?;
        self.access = self.api.app.open_account(&self.caller.actor, Operation::EventRead, &self.account).await?;
        Ok(())
    }

    async fn look(&mut self, sign_is_due: bool) -> Result<Option<Piece>, Problem> {
        let app = &self.api.app;
        let end = app.last_seq(&self.access).await?;
        let (mut bytes, mut has_more) = (Vec::new(), false);
        if end > self.after {
            let query = EventQuery { after_seq: self.after, event_type: self.event_type.clone(), ..EventQuery::default() };
            let page = PageRequest { limit: PIECE_EVENTS_MAX, after: None };
            let page = app.list_events(&self.access, query, None, page).await?;
            for event in &page.items {
                pieces::write_event(event.seq, None, &EventAnswer::show(event)?, &mut bytes)?;
            }
            let shown = page.items.last().map_or(self.after, |event| event.seq);
            // What the list has left out before its end is of another type.
            let looked_at = page.next.as_deref().map_or(Some(end), seq);
            has_more = page.next.is_some();
            self.after = shown.max(looked_at.unwrap_or(shown));
        }
        Ok(Piece::of(bytes, Looked { after: self.after, has_more, follows: self.follows, sign_is_due }))
    }
}
