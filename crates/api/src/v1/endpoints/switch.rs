//! `POST /v1/accounts/{account}/endpoints/{endpoint}/enable`, `/disable` and `/resume`.

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::EndpointAnswer;

type Answer = Result<Json<EndpointAnswer>, Problem>;

/// Let new events create deliveries for an endpoint
///
/// If it was disabled because it failed, it starts healthy again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/enable", operation_id = "endpoints.enable", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer, example = json!(EndpointAnswer::sample())),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn enable(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
) -> Answer {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let endpoint = api.app.enable_endpoint(&access, &endpoint).await?;
    Ok(Json(EndpointAnswer::show_whole(&api.app, &access, endpoint).await?))
}

/// Stop creating deliveries for an endpoint
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/disable", operation_id = "endpoints.disable", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer,
        example = json!(EndpointAnswer { enabled: false, ..EndpointAnswer::sample() })),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn disable(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
) -> Answer {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let endpoint = api.app.disable_endpoint(&access, &endpoint).await?;
    Ok(Json(EndpointAnswer::show_whole(&api.app, &access, endpoint).await?))
}

/// Make a failed endpoint healthy again
///
/// Its waiting deliveries are attempted now. One that is pending, because its contract wants a handshake first, gets a new one.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/resume", operation_id = "endpoints.resume", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer, example = json!(EndpointAnswer::sample())),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn resume(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
) -> Answer {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let endpoint = api.app.resume_endpoint(&access, &endpoint).await?;
    Ok(Json(EndpointAnswer::show_whole(&api.app, &access, endpoint).await?))
}
