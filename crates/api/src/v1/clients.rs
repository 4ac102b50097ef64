//! Clients of published APIs on the wire.

mod create;
mod delete;
mod get;
mod list;

use bellwire_http::Api;
use bellwire_store::{Client, ClientKeySource};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create::create, list::list)).routes(routes!(get::get, delete::delete))
}

/// A client of a published API.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
struct ClientAnswer {
    /// Its id, which its assertions name as `iss` and `sub`.
    id: String,
    /// A name for people.
    name: Option<String>,
    /// Where it publishes its keys; null: they are in `jwks`.
    jwks_url: Option<String>,
    /// Its public keys, as they were given; null: they are at `jwks_url`.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Box<RawValue>>,
    /// When it was registered.
    created_at: String,
}

impl ClientAnswer {
    fn sample() -> Self {
        Self {
            id: "cli_01jhmqzxw8e2s0v9d1c3b5a7n9".to_owned(),
            name: Some("Ward system".to_owned()),
            jwks_url: Some("https://ehr.example/jwks.json".to_owned()),
            jwks: None,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
        }
    }

    fn show(client: &Client) -> Self {
        let (jwks_url, jwks) = match &client.keys {
            ClientKeySource::Url(url) => (Some(url.clone()), None),
            ClientKeySource::Set(set) => (None, RawValue::from_string(set.clone()).ok()),
        };
        let created_at = client.created_at.to_string();
        Self { id: client.id.to_string(), name: client.name.clone(), jwks_url, jwks, created_at }
    }
}
