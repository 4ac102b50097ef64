//! `POST /v1/contracts/reload`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_contract::{ContractChanges, ContractLabel};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

/// What reading the contracts again has changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ContractChanges)]
pub(super) struct ChangesAnswer {
    /// Those that are new.
    added: Vec<LoadedContract>,
    /// Those whose text differs.
    changed: Vec<LoadedContract>,
    /// Those whose text is the same.
    unchanged: Vec<LoadedContract>,
    /// Those that are gone.
    removed: Vec<LoadedContract>,
}

/// Which contract.
#[derive(Serialize, ToSchema)]
struct LoadedContract {
    /// Its name.
    name: String,
    /// Its version; null: it has none.
    version: Option<String>,
}

impl ChangesAnswer {
    fn show(changes: ContractChanges) -> Self {
        let one = |ContractLabel { name, version }| LoadedContract { name, version };
        let show = |labels: Vec<ContractLabel>| labels.into_iter().map(one).collect();
        let ContractChanges { added, changed, unchanged, removed } = changes;
        Self { added: show(added), changed: show(changed), unchanged: show(unchanged), removed: show(removed) }
    }

    fn sample() -> Self {
        let label =
            |name: &str, version: Option<&str>| ContractLabel { name: name.to_owned(), version: version.map(str::to_owned) };
        Self::show(ContractChanges {
            added: vec![label("acme", Some("2025-01"))],
            changed: vec![label("acme", None)],
            unchanged: vec![label("noyo", None), label("silver", None)],
            removed: Vec::new(),
        })
    }
}

/// Read the contracts again, without a restart
///
/// All files are read and compiled first. Where one is wrong, or accounts could not go on with what the files say, nothing changes. What
/// is under way goes on with the contract that it had. Each node reads its own files: ask every one of them.
#[utoipa::path(
    post, path = "/v1/contracts/reload", operation_id = "contracts.reload", tag = "contracts",
    responses(
        (status = 200, description = "What has changed.", body = ChangesAnswer, example = json!(ChangesAnswer::sample())),
        (status = 409, description = "Accounts could not go on with what the files say; nothing was changed."),
        (status = 422, description = "A file is wrong; nothing was changed."),
    )
)]
pub(super) async fn reload(State(api): State<Api>, Caller(actor): Caller) -> Result<Json<ChangesAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractReload)?;
    Ok(Json(ChangesAnswer::show(api.app.reload_contracts(&scope).await?)))
}
