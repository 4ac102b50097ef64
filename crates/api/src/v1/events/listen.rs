//! `GET /v1/accounts/{account}/listen`

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_app::{AccountAccess, AppError, HeardEvent, ListenInput, Listening, Operation, Withheld};
use bellwire_domain::{OutboundRequest, Secret};
use bellwire_http::Api;
use bellwire_http::extract::{LastingCaller, Params};
use bellwire_http::problem::{Code, Problem};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::following::{Course, Follower, Looked, Piece, follow, pieces};
use crate::query::Query;

/// The header of a client that brings the secret with it.
const SECRET: HeaderName = HeaderName::from_static("bellwire-secret");
/// The longest message: clients have a bound, too.
const MESSAGE_BYTES_MAX: usize = 24 << 20;

/// One message of the stream.
#[derive(Serialize, ToSchema)]
pub(super) struct HeardMessage {
    /// `listening`, `request` or `withheld`.
    event: &'static str,
    /// The `seq` of the event, or up to which the log was looked at: what to say in `Last-Event-ID`.
    id: String,
    /// What the message says, as JSON.
    data: String,
}

impl HeardMessage {
    fn sample() -> Self {
        let shown = ShownRequest {
            event: ShownEvent { id: "01946a2e-7c40-7000-8000-00000000000b", seq: 41, r#type: "difference.created", test: false },
            contract: "noyo",
            contract_version: None,
            method: "POST",
            url: "http://localhost/",
            headers: vec![("content-type", "application/json".into())],
            body: Some(r#"{"event":"difference.created"}"#),
            body_base64: None,
        };
        Self { event: "request", id: "41".to_owned(), data: serde_json::to_string(&shown).unwrap_or_default() }
    }
}

/// With what requests are made from here on.
#[derive(Serialize)]
struct Introduction<'a> {
    contract: &'a str,
    contract_version: Option<&'a str>,
    /// The contract's file.
    contract_source: &'a str,
    url: &'a str,
    /// `null` where a private key signs alone.
    secret: Option<&'a str>,
    /// PEM of the public halves of the private keys that sign.
    public_keys: Vec<String>,
}

impl<'a> Introduction<'a> {
    fn of(listening: &'a Listening) -> Self {
        let contract = listening.contract();
        Self {
            contract: contract.name(),
            contract_version: contract.version(),
            contract_source: contract.source(),
            url: listening.url(),
            secret: listening.secret().map(|secret| secret.expose().as_str()),
            public_keys: listening.public_keys().into_iter().map(|key| key.pem).collect(),
        }
    }
}

#[derive(Serialize)]
struct ShownEvent<'a> {
    id: &'a str,
    seq: i64,
    r#type: &'a str,
    test: bool,
}

/// The request for an event.
#[derive(Serialize)]
struct ShownRequest<'a> {
    #[serde(flatten)]
    event: ShownEvent<'a>,
    contract: &'a str,
    contract_version: Option<&'a str>,
    method: &'a str,
    url: &'a str,
    /// In their order, spelled as they are sent.
    headers: Vec<(&'a str, std::borrow::Cow<'a, str>)>,
    /// `null` where it is no text.
    body: Option<&'a str>,
    /// In place of `body` then.
    body_base64: Option<String>,
}

/// An event whose request is not shown.
#[derive(Serialize)]
struct ShownNothing<'a> {
    #[serde(flatten)]
    event: ShownEvent<'a>,
    /// `erased`, `expired`, `unbuildable` or `too_large`.
    reason: &'a str,
    detail: String,
}

impl<'a> ShownEvent<'a> {
    fn of(heard: &'a HeardEvent) -> Self {
        Self { id: heard.id.as_str(), seq: heard.seq, r#type: heard.event_type.as_str(), test: heard.is_test }
    }
}

/// Listen to an account's events as the requests that an endpoint would get
///
/// For who develops a receiver on a machine that this server cannot reach. Server-sent events: the first, `listening`, says what the
/// requests are signed with, never a secret or a key of the account's or the contract's, and brings the contract's file, with which to
/// verify them. Each `request` is what an endpoint with this URL would be sent for one event of the log, as `method`, `url`, `headers`,
/// and `body` or `body_base64`; its `id` is the event's `seq`. `withheld` stands for an event whose data was removed or whose request
/// cannot be made. There is no endpoint and no delivery, and nothing is tried again. `Last-Event-ID` and the comments are as in
/// `/v1/accounts/{account}/events/stream`, and both kinds of streams count together.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/listen", operation_id = "events.listen", tag = "events",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("after_seq" = Option<String>, Query,
            description = "Only events after this `seq`; `now`: only those that come from now on. By default, all. `Last-Event-ID` wins."),
        ("types" = Option<String>, Query, description = "Only events of these types, aliases and groups, separated by commas."),
        ("url" = Option<String>, Query, description = "The endpoint's URL, where a request says it; by default http://localhost/. Nothing is sent there."),
        ("options" = Option<String>, Query, description = "What the endpoint chooses of its contract's options, as a JSON object; by default, nothing."),
        ("follow" = Option<bool>, Query, description = "`false`: the stream ends with the log."),
        ("Bellwire-Secret" = Option<String>, Header,
            description = "The secret to sign with, in the contract's form. By default one is drawn, which is another one for each stream."),
    ),
    responses((status = 200, description = "The requests.", body = HeardMessage, content_type = "text/event-stream",
        example = json!(HeardMessage::sample())),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn listen(
    State(api): State<Api>,
    caller: LastingCaller,
    Params(account): Params<String>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&caller.actor, Operation::PayloadRead, &account).await?;
    let course = Course::read(&headers, &mut query)?;
    let asked = ListenInput {
        url: query.text("url")?,
        types: query.text("types")?.map(|types| types.split(',').map(ToOwned::to_owned).collect()),
        secret: secret(&headers)?,
        options: query.parsed("options", "is not a JSON object", |text| serde_json::from_str::<Map<String, Value>>(text).ok())?,
    };
    query.finish()?;
    let listening = api.app.start_listening(&access, &asked).await.map_err(refused)?;
    let after = course.begin(&api.app, &access).await?;
    let ear = Ear {
        api: api.clone(),
        caller,
        account,
        access: access.clone(),
        asked,
        listening,
        is_introduced: false,
        after,
        follows: course.follows,
    };
    follow(&api, &access, ear)
}

/// The secret that a client brings.
fn secret(headers: &HeaderMap) -> Result<Option<Secret<String>>, Problem> {
    let Some(value) = headers.get(SECRET) else { return Ok(None) };
    let text =
        std::str::from_utf8(value.as_bytes()).map_err(|_| Problem::new(Code::InvalidHeader, "`Bellwire-Secret` is no text"))?;
    Ok(Some(Secret::new(text.to_owned())))
}

/// What is wrong with what is asked for: in a header, or in the query.
fn refused(error: AppError) -> Problem {
    match error {
        AppError::Invalid(faults) if faults.iter().any(|fault| fault.pointer == "/secret") => {
            let wrong = faults.iter().find(|fault| fault.pointer == "/secret").map_or("", |fault| fault.detail.as_str());
            Problem::new(Code::InvalidHeader, format!("`Bellwire-Secret` is wrong: {wrong}"))
        }
        AppError::Invalid(faults) if !faults.is_empty() => {
            let tell = |fault: &bellwire_app::Fault| {
                let place = fault.pointer.trim_start_matches('/');
                let (name, inside) = place.split_once('/').unwrap_or((place, ""));
                let place = if name == "options" && !inside.is_empty() { format!(" at `/{inside}`") } else { String::new() };
                format!("the query parameter `{name}` is wrong{place}: {}", fault.detail)
            };
            Problem::new(Code::InvalidQuery, faults.iter().map(tell).collect::<Vec<_>>().join("; "))
        }
        other => other.into(),
    }
}

/// One stream, and how far it is.
struct Ear {
    api: Api,
    caller: LastingCaller,
    account: String,
    access: AccountAccess,
    asked: ListenInput,
    listening: Listening,
    /// Whether it was said with what requests are made.
    is_introduced: bool,
    /// The `seq` up to which everything was looked at.
    after: i64,
    /// Whether it goes on at the end of the log.
    follows: bool,
}

impl Follower for Ear {
    /// Where the account's contract is another one by now, the requests are made with that from here on.
    async fn renew(&mut self) -> Result<(), AppError> {
        let app = &self.api.app;
        self.caller.renew(&self.api).await?;
        self.access = app.open_account(&self.caller.actor, Operation::PayloadRead, &self.account).await?;
        if !Arc::ptr_eq(self.access.contract()?, self.listening.contract()) {
            self.listening = app.start_listening(&self.access, &self.asked).await?;
            self.is_introduced = false;
        }
        Ok(())
    }

    async fn look(&mut self, sign_is_due: bool) -> Result<Option<Piece>, Problem> {
        let mut bytes = Vec::new();
        if !std::mem::replace(&mut self.is_introduced, true) {
            pieces::write_event(self.after, Some("listening"), &Introduction::of(&self.listening), &mut bytes)?;
        }
        let heard = self.api.app.listen(&self.access, &mut self.listening, self.after).await?;
        for event in &heard.items {
            self.write(event, &mut bytes)?;
        }
        self.after = heard.after;
        let looked = Looked { after: self.after, has_more: heard.has_more, follows: self.follows, sign_is_due };
        Ok(Piece::of(bytes, looked))
    }
}

impl Ear {
    fn write(&self, heard: &HeardEvent, out: &mut Vec<u8>) -> Result<(), Problem> {
        let nothing = |reason, detail, out: &mut Vec<u8>| {
            let shown = ShownNothing { event: ShownEvent::of(heard), reason, detail };
            pieces::write_event(heard.seq, Some("withheld"), &shown, out)
        };
        match &heard.request {
            Ok(request) => {
                let before = out.len();
                pieces::write_event(heard.seq, Some("request"), &self.shown(heard, request), out)?;
                if out.len() - before <= MESSAGE_BYTES_MAX {
                    return Ok(());
                }
                out.truncate(before);
                nothing("too_large", format!("shown as JSON, the request has more than {MESSAGE_BYTES_MAX} bytes"), out)
            }
            Err(Withheld::Removed(removal)) => nothing(removal.as_str(), "the data of this event was removed".to_owned(), out),
            Err(Withheld::Unbuildable(reason)) => nothing("unbuildable", reason.clone(), out),
        }
    }

    fn shown<'a>(&'a self, heard: &'a HeardEvent, request: &'a OutboundRequest) -> ShownRequest<'a> {
        let contract = self.listening.contract();
        let body = std::str::from_utf8(&request.body).ok();
        let headers = request.headers.iter();
        ShownRequest {
            event: ShownEvent::of(heard),
            contract: contract.name(),
            contract_version: contract.version(),
            method: request.method.as_str(),
            url: &request.url,
            headers: headers.map(|(name, value)| (request.spelled(name), String::from_utf8_lossy(value.as_bytes()))).collect(),
            body,
            body_base64: body.is_none().then(|| STANDARD.encode(&request.body)),
        }
    }
}
