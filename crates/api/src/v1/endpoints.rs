//! Endpoints on the wire.

mod create;
mod delete;
mod get;
mod list;
mod preview;
mod secrets;
mod switch;
mod test;
mod update;

use bellwire_app::{AccountAccess, App, AppError, ShownSecret};
use bellwire_domain::{HealthStatus, PayloadChoice, Pointer, Timestamp};
use bellwire_http::Api;
use bellwire_http::body::payload_schema;
use bellwire_store::{Activation, Endpoint};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(test::test))
        .routes(routes!(preview::preview))
        .routes(routes!(switch::enable))
        .routes(routes!(switch::disable))
        .routes(routes!(switch::resume))
        .routes(routes!(secrets::rotate))
}

/// An endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Endpoint)]
struct EndpointAnswer {
    /// Its id, in the contract's format.
    id: String,
    /// Its account.
    account: String,
    /// Its URL, as registered. Who may not change the endpoint sees the values of its query, which may be tokens, as `…`.
    url: String,
    /// A name for people.
    name: Option<String>,
    /// The event types it gets.
    events: Vec<String>,
    /// Whether new events create deliveries for it.
    enabled: bool,
    /// `active`, `unhealthy`, `failed` (its queue is paused until it is resumed), `pending`, or `expired` (its lease has ended).
    health: &'static str,
    /// Where it has failed and its contract only mutes it: when it is resumed by itself; otherwise null.
    resumes_at: Option<String>,
    /// Its own headers, sent with every delivery. An auditor is not shown their values.
    #[schema(value_type = BTreeMap<String, String>)]
    headers: Headers,
    /// How many requests may be in flight to it at once; null: the contract's limit.
    in_flight_max: Option<u32>,
    /// Its rate limit, such as `10/s`, `600/m` or `1000/h`; null: the contract's, if any.
    rate_limit: Option<String>,
    /// How much of an event's data it chose to be sent: `full`, `ids`, or a list of JSON pointers; null: what its contract gives.
    #[schema(schema_with = payload_schema)]
    payload: Option<Payload>,
    /// What it has chosen of its contract's options, and the defaults of the others; none if the contract has no options.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    options: Option<Box<RawValue>>,
    /// The names of the credentials that it has; none if its contract has no credentials. Their values are shown to nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Vec<String>>,
    /// Whether its answers are kept with its attempts, where its contract keeps answers.
    keep_answers: bool,
    /// When its lease ends: nothing is sent from then on; null: never.
    expires_at: Option<String>,
    /// When it was created.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// How its activation stands, if its contract wants a handshake before the first event. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<ActivationAnswer>,
    /// Its secret. Shown when it is created or rotated; later only if the contract allows reading it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Where private keys sign: the public half of the newest, as PEM. The private one is never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Which of all that there have been the one that is shown is: 1 is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_version: Option<i64>,
}

impl EndpointAnswer {
    fn sample() -> Self {
        Self {
            id: "01946a2e-7c40-7000-8000-000000000001".to_owned(),
            account: "clinic-7".to_owned(),
            url: "https://clinic.example/hooks".to_owned(),
            name: Some("Intake".to_owned()),
            events: vec!["difference.created".to_owned()],
            enabled: true,
            health: HealthStatus::Active.as_str(),
            resumes_at: None,
            headers: Headers(Vec::new()),
            in_flight_max: None,
            rate_limit: Some("10/s".to_owned()),
            payload: None,
            options: None,
            credentials: None,
            keep_answers: true,
            expires_at: None,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            updated_at: "2025-01-16T08:00:00.000000Z".to_owned(),
            activation: None,
            secret: None,
            public_key: None,
            secret_version: None,
        }
    }

    fn show(app: &App, access: &AccountAccess, endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id.to_string(),
            account: endpoint.account_id.to_string(),
            events: app.endpoint_events(access, &endpoint),
            credentials: app.endpoint_credentials(access, &endpoint),
            url: endpoint.url,
            name: endpoint.name,
            enabled: endpoint.enabled,
            health: endpoint.health.status.as_str(),
            resumes_at: endpoint.health.resumes_at.map(|at| at.to_string()),
            headers: Headers(endpoint.headers),
            in_flight_max: endpoint.in_flight_max,
            rate_limit: endpoint.rate_limit.map(|limit| limit.to_string()),
            payload: endpoint.payload.map(Payload),
            options: app.endpoint_options(access, endpoint.options.as_deref()).and_then(|all| RawValue::from_string(all).ok()),
            keep_answers: endpoint.keep_answers,
            expires_at: endpoint.expires_at.map(|end| end.to_string()),
            created_at: endpoint.created_at.to_string(),
            updated_at: endpoint.updated_at.to_string(),
            activation: None,
            secret: None,
            public_key: None,
            secret_version: None,
        }
    }

    /// The same with how its activation stands, for answers about one endpoint.
    async fn show_whole(app: &App, access: &AccountAccess, endpoint: Endpoint) -> Result<Self, AppError> {
        let activation = app.endpoint_activation(access, &endpoint).await?.map(ActivationAnswer::from);
        Ok(Self { activation, ..Self::show(app, access, endpoint) })
    }

    fn with_secret(self, secret: Option<&ShownSecret>) -> Self {
        let text = secret.and_then(ShownSecret::text).map(|secret| secret.expose().clone());
        let public_key = secret.and_then(ShownSecret::key).map(|key| key.pem.clone());
        Self { secret: text, public_key, secret_version: secret.and_then(ShownSecret::version), ..self }
    }
}

/// How the handshake stands that an endpoint's contract wants.
#[derive(Serialize, ToSchema)]
#[schema(as = Activation)]
struct ActivationAnswer {
    /// When the last one ended well.
    activated_at: Option<String>,
    /// When it was last tried.
    last_attempt_at: Option<String>,
    /// Why the last try failed; null: it did not.
    last_error: Option<String>,
    /// Tries in a row that failed.
    failures: u32,
    /// When it is tried next; null: not by itself. `POST …/resume` begins a new one.
    next_attempt_at: Option<String>,
}

impl From<Activation> for ActivationAnswer {
    fn from(stands: Activation) -> Self {
        let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
        Self {
            activated_at: text(stands.activated_at),
            last_attempt_at: text(stands.tried_at),
            last_error: stands.failure,
            failures: stands.failures,
            next_attempt_at: text(stands.due_at),
        }
    }
}

/// How much it is sent: a word, or a list.
struct Payload(PayloadChoice);

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            PayloadChoice::Full | PayloadChoice::Ids => serializer.serialize_str(self.0.level().as_str()),
            PayloadChoice::Fields(fields) => serializer.collect_seq(fields.iter().map(Pointer::as_str)),
        }
    }
}

/// Headers as an object, in their order.
struct Headers(Vec<(String, String)>);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
