//! To whom something about somebody was disclosed, on the wire.

mod fhir;
mod list;

use bellwire_http::Api;
use bellwire_store::Disclosure;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list::list))
}

/// That a receiver was told something about a subject, or may have been.
#[derive(Serialize, ToSchema)]
#[schema(as = Disclosure)]
struct DisclosureAnswer {
    /// When the attempt started.
    at: String,
    /// The endpoint's id.
    endpoint: String,
    /// Its URL, as it was then.
    url: String,
    /// The event's id.
    event: String,
    /// The event's type.
    r#type: String,
    /// The contract's name.
    contract: String,
    /// The delivery's id.
    delivery: String,
    /// Which attempt of the delivery, from 1.
    attempt: u32,
    /// Which fields of `data` went out, as JSON pointers (RFC 6901); `null`: all of it.
    fields: Option<Vec<String>>,
    /// The SHA-256 of the body, after `sha256:`.
    digest: String,
    /// What came of the attempt. Where it is not `response`, the receiver may have got the request nevertheless.
    outcome: String,
    /// The HTTP status of the answer.
    status: Option<u16>,
}

impl DisclosureAnswer {
    fn sample() -> Self {
        Self {
            at: "2025-01-15T10:30:00.000000Z".to_owned(),
            endpoint: "01946a2e-7c40-7000-8000-00000000000a".to_owned(),
            url: "https://hooks.clinic.example/intake".to_owned(),
            event: "01946a2e-7c40-7000-8000-00000000000b".to_owned(),
            r#type: "difference.created".to_owned(),
            contract: "noyo".to_owned(),
            delivery: "dlv_0kcn9k3s00000".to_owned(),
            attempt: 1,
            fields: None,
            digest: format!("sha256:{}", "0f".repeat(32)),
            outcome: "response".to_owned(),
            status: Some(200),
        }
    }

    fn show(found: Disclosure) -> Self {
        Self {
            at: found.at.to_string(),
            endpoint: found.endpoint,
            url: found.url,
            event: found.event,
            r#type: found.event_type,
            contract: found.contract,
            delivery: found.delivery.to_string(),
            attempt: found.attempt,
            fields: found.fields,
            digest: format!("sha256:{}", hex::encode(found.digest)),
            outcome: found.outcome,
            status: found.status,
        }
    }
}
