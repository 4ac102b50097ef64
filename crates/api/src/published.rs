//! Published APIs: what a platform's contract declares beside its webhooks.
//!
//! They are served under `/published/{contract}/…`, and at the root of their own listeners ([`published_router`]). The contract
//! says what each part of a request means, and what answers and errors look like; `act` carries out a verb, and `refusal`
//! reports errors in the words of the published request. Nothing here knows a platform.

mod act;
mod if_match;
mod refusal;
mod serve;
mod show;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bellwire_contract::Contract;
use bellwire_http::problem::{Code, Problem};
use bellwire_http::{Api, ApiOptions, observed};

const PREFIX: &str = "/published/";

/// The published APIs of all contracts, each below its name.
pub(crate) fn routes() -> Router<Api> {
    let paths = ["/published/{contract}", "/published/{contract}/", "/published/{contract}/{*path}"];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(below_its_name)))
}

/// The published API of one contract at the root, and nothing else.
pub fn published_router(options: ApiOptions, contract: &str) -> Router {
    let api = Api::new(options, String::new());
    let name = contract.to_owned();
    let router = Router::new().fallback(async move |State(api): State<Api>, request: Request| {
        let path = request.uri().path().to_owned();
        answer(&api, &name, &path, request).await
    });
    observed(router, &api)
}

async fn below_its_name(State(api): State<Api>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let below = path.strip_prefix(PREFIX).unwrap_or_default();
    let (name, rest) = below.find('/').map_or((below, "/"), |at| below.split_at(at));
    answer(&api, name, rest, request).await
}

/// Which of several versions answers: that of the account whose key the request has, where its own version looks for one, else the
/// default. What is wrong with a key is said later, by the version that answers.
async fn version_for(api: &Api, versions: &[Arc<Contract>], path: &str, headers: &HeaderMap) -> Option<Arc<Contract>> {
    let default = versions.first()?;
    let mut tried: Vec<&str> = Vec::new();
    for key in versions.iter().filter_map(|version| serve::key_in(version.published()?.authentication(), headers)) {
        if tried.contains(&key) {
            continue;
        }
        tried.push(key);
        if let Ok(Some(own)) = api.app.contract_of_key(key, default.name()).await {
            return Some(own);
        }
    }
    // Who asks for a token is known only from what it has signed: the first version that gives some.
    let gives_tokens = |version: &&Arc<Contract>| version.published().is_some_and(|published| token::is_about(published, path));
    Some(Arc::clone(versions.iter().find(gives_tokens).unwrap_or(default)))
}

async fn answer(api: &Api, name: &str, path: &str, request: Request) -> Response {
    let contracts = api.app.contracts();
    let contract = match contracts.versions(name) {
        [several @ .., _] if !several.is_empty() => version_for(api, contracts.versions(name), path, request.headers()).await,
        versions => versions.first().cloned(),
    };
    match contract.as_ref().and_then(|contract| Some((contract, contract.published()?))) {
        Some((contract, published)) if token::is_about(published, path) => {
            Box::pin(token::answer(api, contract, published, path, request)).await
        }
        Some((contract, published)) => serve::serve(api, contract, published, path, request).await,
        None => Problem::new(Code::RouteNotFound, "no contract of this name has a published API").into_response(),
    }
}
