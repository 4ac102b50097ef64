//! Erasures on the wire.

mod get;
mod list;
mod start;

use bellwire_domain::ErasureState;
use bellwire_http::Api;
use bellwire_store::{Erased, Erasure};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list::list, start::start)).routes(routes!(get::get))
}

/// An erasure of what is about a subject.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
struct ErasureAnswer {
    /// Its id.
    id: String,
    /// `running`, or `done`: nothing is left.
    state: &'static str,
    /// About whom, as the database knows them: a keyed hash.
    subject: String,
    /// Why.
    reason: String,
    /// Who asked: the id of a key, or a name.
    asked_by: String,
    /// What it has removed so far.
    erased: ErasedAnswer,
    /// When it was asked for.
    created_at: String,
    /// When nothing was left.
    ended_at: Option<String>,
}

/// What an erasure has removed.
#[derive(Serialize, ToSchema)]
#[schema(as = Erased)]
struct ErasedAnswer {
    /// Payloads of events.
    payloads: i64,
    /// Answers of receivers.
    answers: i64,
    /// Documents of resources.
    documents: i64,
    /// Live deliveries, which were cancelled.
    deliveries: i64,
}

impl ErasureAnswer {
    fn sample() -> Self {
        Self {
            id: "era_01jhmw8z0000000000000000aa".to_owned(),
            state: ErasureState::Running.as_str(),
            subject: format!("sub_{}", "0f".repeat(16)),
            reason: "asked for by the patient".to_owned(),
            asked_by: "key_01jhmw8z0000000000000000aa".to_owned(),
            erased: ErasedAnswer { payloads: 12, answers: 9, documents: 1, deliveries: 0 },
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            ended_at: None,
        }
    }

    fn show(found: &Erasure) -> Self {
        let Erased { payloads, answers, documents, deliveries } = found.erased;
        Self {
            id: found.id.to_string(),
            state: found.state.as_str(),
            subject: found.subject.to_string(),
            reason: found.reason.clone(),
            asked_by: found.asked_by.clone(),
            erased: ErasedAnswer { payloads, answers, documents, deliveries },
            created_at: found.created_at.to_string(),
            ended_at: found.ended_at.map(|ended| ended.to_string()),
        }
    }
}
