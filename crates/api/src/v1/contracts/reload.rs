//! `POST /v1/contracts/reload`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_contract::ContractChanges;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::extract::Caller;
use crate::problem::Problem;

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
}

impl ChangesAnswer {
    fn show(changes: ContractChanges) -> Self {
        let show = |names: Vec<String>| names.into_iter().map(|name| LoadedContract { name }).collect();
        let ContractChanges { added, changed, unchanged, removed } = changes;
        Self { added: show(added), changed: show(changed), unchanged: show(unchanged), removed: show(removed) }
    }

    fn sample() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let unchanged = names(&["b.well", "silver"]);
        Self::show(ContractChanges { added: names(&["acme"]), changed: names(&["noyo"]), unchanged, removed: Vec::new() })
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
