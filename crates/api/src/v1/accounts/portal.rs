//! `POST /v1/accounts/{account}/portal`, `DELETE /v1/accounts/{account}/portal`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{Operation, PortalInput};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

body! {
    pub(super) struct PortalOpen<'a> {
        /// Whether whoever opens the link may change nothing; by default, `false`.
        read_only: Option<bool>,
        /// How long the link works, such as `10m`; at most `7d`; by default, `1h`.
        expires_in: Option<Cow<'a, str>> as duration,
        /// The page that it opens, below the account's, such as `/events`; by default, the account's own.
        path: Option<String>,
    }
}

/// A link to an account's portal.
#[derive(Serialize, ToSchema)]
#[schema(as = PortalLink)]
pub(super) struct PortalLinkAnswer {
    /// The link. It works once.
    url: String,
    /// When it stops working.
    expires_at: String,
}

/// Make a link to an account's portal
///
/// The portal is the console cut down to one account, for the customer's own people. The link signs its reader in for 12 hours and
/// works once; hand it over in your own pages, where the customer is signed in already.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/portal", operation_id = "accounts.open_portal", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = Option<PortalOpen>, example = json!({ "read_only": false, "expires_in": "10m", "path": "/events" })),
    responses((status = 201, description = "The link.", body = PortalLinkAnswer,
        example = json!(PortalLinkAnswer {
            url: "https://hooks.example/console/portal/bwp_5f0c".to_owned(), expires_at: "2026-11-22T06:14:55.039587Z".to_owned() })),
        (status = 404, description = "There is no such account."),
    )
)]
pub(super) async fn open(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<PortalLinkAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::AccountManage, &account).await?;
    let body = body.read_or_empty(actor.identity.as_str()).await?;
    let PortalOpen { read_only, expires_in, path } = body::read(&body)?;
    let input = PortalInput { read_only: read_only.unwrap_or(false), expires_in: expires_in.as_deref(), path };
    let (token, expires_at) = api.app.create_portal_link(&access, input).await?;
    let url = format!("{}/console/portal/{}", api.public_url, token.expose());
    Ok((StatusCode::CREATED, Json(PortalLinkAnswer { url, expires_at: expires_at.to_string() })))
}

/// Close an account's portal
///
/// Ends all sessions of the account, and makes links that were not used yet useless.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/portal", operation_id = "accounts.close_portal", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    responses((status = 204, description = "Nobody is in the portal now."),
        (status = 404, description = "There is no such account."),
    )
)]
pub(super) async fn close(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::AccountManage, &account).await?;
    api.app.end_portal(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}
