//! The OpenAPI document: collected from the handlers, plus what all operations share.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::{FaultBody, ProblemBody};
use crate::{Api, health, v1};

/// Every route, with its description.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi()).merge(health::routes()).merge(v1::routes())
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bellwire",
        description = "Webhook delivery for healthcare platforms: accounts, their endpoints, events and deliveries.\n\n\
            Every error is an `application/problem+json`; `code` says what went wrong and `errors` where.\n\n\
            What a platform publishes itself (registration, reading what an event is about) is served under \
            `/published/{contract}/…`, in its own shapes and with its own errors, as the contract declares: \
            `GET /v1/contracts/{contract}` lists those routes.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "keys", description = "API keys and their roles"),
        (name = "contracts", description = "The loaded webhook contracts"),
        (name = "accounts", description = "Each is one consumer of one contract"),
        (name = "endpoints", description = "URLs that an account has registered"),
        (name = "events", description = "What happened, in order"),
        (name = "resources", description = "Domain objects whose changes cause events"),
        (name = "deliveries", description = "Each is one event for one endpoint"),
        (name = "replays", description = "Sending again what failed or was missed"),
        (name = "health", description = "For supervisors and metrics collectors"),
    )
)]
struct Document;

/// Adds what all operations share: authentication and errors.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    document.info.version.replace_range(.., env!("CARGO_PKG_VERSION"));
    document.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    let components = document.components.get_or_insert_with(Components::default);
    components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("Problem".to_owned(), ProblemBody::schema());
    components.schemas.insert(FaultBody::name().into_owned(), FaultBody::schema());
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().filter_map(Option::as_mut).for_each(add_problem);
    }
    document
}

fn add_problem(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("What went wrong: the codes are in docs/errors.md.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
}
