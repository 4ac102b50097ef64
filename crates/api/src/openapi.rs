//! The OpenAPI document: collected from the handlers, plus what all operations share.

use std::collections::BTreeMap;

use bellwire_http::Api;
use bellwire_http::problem::{Code, FaultBody, ProblemBody};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Content, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema, SecurityRequirement};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::{health, query, v1};

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
        (name = "clients", description = "Systems that get access tokens for a published API"),
        (name = "endpoints", description = "URLs that an account has registered"),
        (name = "events", description = "What happened, in order"),
        (name = "resources", description = "Domain objects whose changes cause events"),
        (name = "deliveries", description = "Each is one event for one endpoint"),
        (name = "replays", description = "Sending again what failed or was missed"),
        (name = "bulk retries", description = "Sending many deliveries again"),
        (name = "incidents", description = "What fails, told once for each cause"),
        (name = "stats", description = "What attempts came to, by spans of time"),
        (name = "system", description = "What runs, and how it is"),
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
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            describe_parameters(operation);
            describe_body(operation);
            add_problems(operation);
        }
    }
    document
}

/// Adds the statuses of errors that follow from what an operation reads. Those of its own stand in its `#[utoipa::path]`; all of
/// them are problems.
fn add_problems(operation: &mut Operation) {
    let is_public = operation.security.is_some();
    let reads = |place: &ParameterIn| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place))
    };
    let groups = [
        (!is_public, ANY_CALLER),
        (reads(&ParameterIn::Path), &[Code::NotFound]),
        (reads(&ParameterIn::Query), &[Code::InvalidQuery]),
        (reads(&ParameterIn::Header), &[Code::InvalidHeader]),
        (operation.request_body.is_some(), ANY_BODY),
    ];
    let mut titles = BTreeMap::<String, Vec<&str>>::new();
    for code in groups.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, codes)| codes) {
        titles.entry(code.status().as_str().to_owned()).or_default().push(code.title());
    }
    let responses = &mut operation.responses.responses;
    for (status, titles) in titles {
        let response = || RefOr::T(ResponseBuilder::new().description(titles.join("; ") + ".").build());
        responses.entry(status).or_insert_with(response);
    }
    for (status, response) in responses {
        if let (RefOr::T(response), true) = (response, status.starts_with(['4', '5'])) {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
        }
    }
}

/// What an operation that needs a key may answer.
const ANY_CALLER: &[Code] = &[
    Code::Unauthenticated,
    Code::Forbidden,
    Code::BacklogFull,
    Code::RateExceeded,
    Code::Internal,
    Code::Busy,
    Code::Unavailable,
];
/// What an operation that reads a body may answer.
const ANY_BODY: &[Code] = &[
    Code::MalformedJson,
    Code::UnreadableBody,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::UnsupportedEncoding,
    Code::Invalid,
];

/// A body that may be left out, which its operation declares as an `Option`, is never null.
fn describe_body(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(Content { schema: Some(schema), .. }) = content else { continue };
        if let RefOr::T(Schema::OneOf(one_of)) = schema
            && let Some(declared) = one_of.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
        {
            *schema = declared.clone();
        }
    }
}

/// A parameter may be left out, and is what its reader takes; it is never null.
fn describe_parameters(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(Parameter { name, schema: Some(RefOr::T(schema)), .. }) = parameter else { continue };
        if let Schema::Object(object) = schema
            && let SchemaType::Array(types) = &object.schema_type
            && let [one] = types.iter().filter(|one| **one != Type::Null).collect::<Vec<_>>()[..]
        {
            object.schema_type = SchemaType::Type(one.clone());
        }
        query::describe(&tag, name, schema);
    }
}
