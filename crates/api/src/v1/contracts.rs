//! Contracts on the wire.

mod get;
mod keys;
mod list;
mod paths;
mod reload;
mod webhooks;

use std::sync::Arc;

use bellwire_app::ContractAndVersions;
use bellwire_contract::{Contract, EventChoice, PublishedApi, PublishedRoute, Registrar, SecretSource, Verb};
use bellwire_domain::UrlPolicy;
use bellwire_http::Api;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use webhooks::webhooks_document;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(keys::list, keys::rotate))
        .routes(routes!(webhooks::webhooks))
        .routes(routes!(reload::reload))
}

/// A loaded contract.
#[derive(Serialize, ToSchema)]
#[schema(as = Contract)]
struct ContractAnswer {
    /// Its name.
    name: String,
    /// Which version of it this is; null: the one that has none.
    version: Option<String>,
    /// All of its versions that you may see: the default first, then from the highest to the lowest.
    versions: Vec<VersionAnswer>,
    /// Its title.
    title: String,
    /// What it is, for people.
    description: Option<String>,
    /// Its catalogue.
    events: Vec<EventKind>,
    /// Whether types that are not in the catalogue may be published, too.
    any_event: bool,
    /// The type of its test event.
    test_event: Option<String>,
    /// The resources whose changes cause events.
    resources: Vec<ResourceKind>,
    /// The platform's published API; null if the contract declares none.
    published: Option<PublishedApiAnswer>,
    /// Who may register what.
    subscription: SubscriptionAnswer,
}

/// A version of a contract.
#[derive(Serialize, ToSchema)]
#[schema(as = ContractVersion)]
struct VersionAnswer {
    /// The version; null: the one that has none.
    version: Option<String>,
    /// Its title.
    title: String,
}

impl VersionAnswer {
    fn show(contract: &Arc<Contract>) -> Self {
        Self { version: contract.version().map(ToOwned::to_owned), title: contract.title().to_owned() }
    }
}

/// An event of a contract's catalogue.
#[derive(Serialize, ToSchema)]
struct EventKind {
    /// The event type.
    r#type: String,
    /// The groups that it is in: an endpoint may choose one in place of the types in it.
    groups: Vec<String>,
    /// Its title.
    title: String,
    /// What it means.
    description: Option<String>,
    /// The entitlement that an account needs for it; null: none.
    entitlement: Option<String>,
    /// Whether an endpoint gets it if it does not choose events.
    enabled_by_default: bool,
    /// An example of its data.
    #[schema(value_type = serde_json::Value)]
    example: Box<RawValue>,
}

/// A kind of resource.
#[derive(Serialize, ToSchema)]
struct ResourceKind {
    /// Its name in paths.
    kind: String,
    /// Its title.
    title: String,
    /// What it is.
    description: Option<String>,
    /// The states it may be in.
    states: Vec<String>,
}

/// The API that a platform has published.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
struct PublishedApiAnswer {
    /// Its title.
    title: Option<String>,
    /// Where it is served here.
    path: String,
    /// Where consumers reach it, if the contract says so.
    url: Option<String>,
    /// The header that has the consumer's API key.
    header: String,
    /// The scheme before the key, such as `Bearer`.
    scheme: Option<String>,
    /// Its routes.
    routes: Vec<PublishedRouteAnswer>,
}

/// A route of a published API.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedRoute)]
struct PublishedRouteAnswer {
    /// The method.
    method: String,
    /// The path, relative to where the API is served.
    path: String,
    /// Its title.
    title: Option<String>,
    /// What it is, for people.
    description: Option<String>,
    /// What it does.
    does: &'static str,
    /// Whether it needs no key.
    public: bool,
}

/// Who may register what.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
struct SubscriptionAnswer {
    /// `all`: every endpoint gets every event; `choose`: an endpoint names the types it wants.
    events: &'static str,
    /// `https` or `any`.
    url: &'static str,
    /// Where the secret comes from: `consumer`, `generated` or `account`.
    secret: &'static str,
    /// Whether a new endpoint is enabled at once.
    enabled: bool,
    /// Whether sandbox accounts may have endpoints.
    sandbox: bool,
    /// Who registers endpoints: `consumer` or `operator`.
    register: &'static str,
    /// Whether an endpoint may have its own headers.
    headers: bool,
}

impl ContractAnswer {
    fn sample() -> Self {
        Self {
            name: "noyo".to_owned(),
            version: None,
            versions: vec![VersionAnswer { version: None, title: "Noyo".to_owned() }],
            title: "Noyo".to_owned(),
            description: None,
            events: vec![EventKind {
                r#type: "difference.created".to_owned(),
                groups: Vec::new(),
                title: "Difference created".to_owned(),
                description: None,
                entitlement: None,
                enabled_by_default: true,
                example: RawValue::from_string(r#"{ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" }"#.to_owned())
                    .unwrap_or_else(|_| RawValue::NULL.to_owned()),
            }],
            any_event: false,
            test_event: Some("test.hello_world".to_owned()),
            resources: vec![ResourceKind {
                kind: "difference".to_owned(),
                title: "Difference".to_owned(),
                description: None,
                states: ["processing", "discrepancy", "resolved", "replaced"].map(ToOwned::to_owned).to_vec(),
            }],
            published: Some(PublishedApiAnswer {
                title: Some("Noyo Tracking API".to_owned()),
                path: "/published/noyo".to_owned(),
                url: None,
                header: "authorization".to_owned(),
                scheme: Some("Bearer".to_owned()),
                routes: vec![PublishedRouteAnswer {
                    method: "GET".to_owned(),
                    path: "/differences/{id}".to_owned(),
                    title: Some("Read a difference".to_owned()),
                    description: None,
                    does: Verb::ReadResource.as_str(),
                    public: false,
                }],
            }),
            subscription: SubscriptionAnswer {
                events: "all",
                url: "https",
                secret: "consumer",
                enabled: true,
                sandbox: false,
                register: "consumer",
                headers: false,
            },
        }
    }

    fn show(found: &ContractAndVersions) -> Self {
        let contract = &*found.contract;
        let subscription = contract.subscription();
        Self {
            name: contract.name().to_owned(),
            version: contract.version().map(ToOwned::to_owned),
            versions: found.versions.iter().map(VersionAnswer::show).collect(),
            title: contract.title().to_owned(),
            description: contract.description().map(ToOwned::to_owned),
            events: contract.events().iter().map(EventKind::show).collect(),
            any_event: contract.any_event().is_some(),
            test_event: contract.test_event().map(|test| test.event_type.to_string()),
            resources: contract.resources().iter().map(ResourceKind::show).collect(),
            published: contract.published().map(|published| PublishedApiAnswer::show(contract, published)),
            subscription: SubscriptionAnswer {
                events: match subscription.events {
                    EventChoice::All => "all",
                    EventChoice::Choose => "choose",
                },
                url: match subscription.url {
                    UrlPolicy::Any => "any",
                    UrlPolicy::Https => "https",
                },
                secret: match subscription.secret.from {
                    SecretSource::Consumer => "consumer",
                    SecretSource::Generated => "generated",
                    SecretSource::Account => "account",
                    SecretSource::Contract => "contract",
                },
                enabled: subscription.enabled,
                sandbox: subscription.sandbox,
                register: match subscription.register {
                    Registrar::Consumer => "consumer",
                    Registrar::Operator => "operator",
                },
                headers: subscription.custom_headers,
            },
        }
    }
}

impl PublishedApiAnswer {
    fn show(contract: &Contract, published: &PublishedApi) -> Self {
        let route = |route: &PublishedRoute| PublishedRouteAnswer {
            method: route.method().to_string(),
            path: route.path().to_owned(),
            title: route.title().map(ToOwned::to_owned),
            description: route.description().map(ToOwned::to_owned),
            does: route.verb().as_str(),
            public: route.is_public(),
        };
        Self {
            title: published.title().map(ToOwned::to_owned),
            path: format!("/published/{}", contract.name()),
            url: published.url().map(ToOwned::to_owned),
            header: published.authentication().header.to_string(),
            scheme: published.authentication().scheme.clone(),
            routes: published.routes().iter().map(route).collect(),
        }
    }
}

impl EventKind {
    fn show(event: &bellwire_contract::EventDefinition) -> Self {
        Self {
            r#type: event.event_type.to_string(),
            groups: event.groups.iter().map(ToString::to_string).collect(),
            title: event.title.clone(),
            description: event.description.clone(),
            entitlement: event.entitlement.clone(),
            enabled_by_default: event.enabled_by_default,
            example: event.example.clone(),
        }
    }
}

impl ResourceKind {
    fn show(resource: &bellwire_contract::ResourceDefinition) -> Self {
        Self {
            kind: resource.kind().to_owned(),
            title: resource.title().to_owned(),
            description: resource.description().map(ToOwned::to_owned),
            states: resource.states().to_vec(),
        }
    }
}
