//! `GET /v1/deliveries/{delivery}/request`

use axum::Json;
use axum::extract::State;
use bellwire_app::{AttemptRequest, ShownRequest, SignedText};
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::query::Query;

/// The request of an attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryRequest)]
pub(super) struct RequestAnswer {
    /// Which attempt it is of; null: none was made yet, and this is what would be sent now.
    attempt: Option<u32>,
    /// Its method.
    method: String,
    /// Its URL.
    url: String,
    /// Its headers in their order, spelled as they are sent.
    headers: Vec<RequestHeader>,
    /// Its body.
    body: String,
    /// What was signed, for each signature.
    signed: Vec<SignedAnswer>,
    /// Whether it may have had other events beside this one.
    shared: bool,
}

/// A header of a request.
#[derive(Serialize, ToSchema)]
struct RequestHeader {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// What a signature was computed over.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedText)]
struct SignedAnswer {
    /// The name of the signature in the contract.
    signature: String,
    /// The text, byte for byte. Of a token it is what stands before its signature.
    text: String,
    /// The claims of a token, as JSON; null where it is none.
    claims: Option<String>,
}

impl RequestAnswer {
    fn sample() -> Self {
        let body = r#"{"id":"01946a2e-7c40-7000-8000-00000000000b","type":"difference.created"}"#;
        Self {
            attempt: Some(1),
            method: "POST".to_owned(),
            url: "https://clinic.example/hooks".to_owned(),
            headers: vec![RequestHeader { name: "content-type".to_owned(), value: "application/json".to_owned() }],
            body: body.to_owned(),
            signed: vec![SignedAnswer { signature: "main".to_owned(), text: body.to_owned(), claims: None }],
            shared: false,
        }
    }

    fn show(shown: AttemptRequest) -> Self {
        let AttemptRequest { attempt, request: ShownRequest { method, url, headers, body, signed, is_shared } } = shown;
        Self {
            attempt,
            method,
            url,
            headers: headers.into_iter().map(|(name, value)| RequestHeader { name, value }).collect(),
            body,
            signed: signed.into_iter().map(SignedAnswer::show).collect(),
            shared: is_shared,
        }
    }
}

impl SignedAnswer {
    fn show(SignedText { signature, text, claims }: SignedText) -> Self {
        Self { signature, text, claims }
    }
}

/// Read the request of an attempt, and what was signed
///
/// It is rendered again as it was sent then; secrets in it are hidden, and what the contract draws at random differs. Before the first attempt
/// it is what would be sent now. That the payload was read is recorded in the audit log.
#[utoipa::path(
    get, path = "/v1/deliveries/{delivery}/request", operation_id = "deliveries.request", tag = "deliveries",
    params(
        ("delivery" = String, Path, description = "The delivery's id."),
        ("attempt" = Option<u32>, Query, description = "The number of the attempt. Without it, the last."),
    ),
    responses((status = 200, description = "The request.", body = RequestAnswer, example = json!(RequestAnswer::sample())),
        (status = 409, description = "It cannot be built: the endpoint or the event's data is gone, or the contract needs what is."),
    )
)]
pub(super) async fn request(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
    mut query: Query,
) -> Result<Json<RequestAnswer>, Problem> {
    let attempt =
        query.parsed("attempt", "is not the number of an attempt", |text| text.parse().ok().filter(|number| *number > 0))?;
    query.finish()?;
    Ok(Json(RequestAnswer::show(api.app.get_request(&actor, &id, attempt).await?)))
}
