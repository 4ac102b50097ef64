//! Holds on the wire.

mod delete;
mod get;
mod list;
mod put;

use bellwire_http::Api;
use bellwire_store::Hold;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(get::get, put::put, delete::delete))
}

/// A subject under a hold.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
struct HoldAnswer {
    /// The subject.
    subject: String,
    /// Why.
    reason: String,
    /// Who placed it, or gave the reason that stands: the id of a key, or a name.
    placed_by: String,
    /// Since when.
    created_at: String,
}

impl HoldAnswer {
    fn sample() -> Self {
        Self {
            subject: "patient:123".to_owned(),
            reason: "Doe v. Clinic, 25-cv-0147".to_owned(),
            placed_by: "key_01jhmw8z0000000000000000aa".to_owned(),
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
        }
    }

    fn show(found: Hold) -> Self {
        let Hold { subject, reason, placed_by, created_at, .. } = found;
        Self { subject, reason, placed_by, created_at: created_at.to_string() }
    }
}
