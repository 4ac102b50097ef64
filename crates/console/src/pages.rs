//! The pages: one file each, with its template's struct and its handlers.

mod account;
mod accounts;
mod audit;
mod bulk_retries;
mod contracts;
mod credentials;
mod deliveries;
mod delivery;
mod disclosures;
mod endpoint;
mod endpoint_actions;
mod endpoint_form;
mod events;
mod filter;
mod find;
mod incidents;
mod keys;
mod lease;
mod options;
mod overview;
mod portal;
mod privacy;
mod replays;
mod rows;
mod sign_in;
mod sso;
mod system;

use axum::Router;
use axum::routing::{get, post};

use crate::{Console, Refusal};

/// Every page's route, as it stands in the router: what a test of who may see what goes through.
pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/console/sign-in/sso", get(sso::begin))
        .route("/console/sign-in/callback", get(sso::finish))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/portal/{token}", get(portal::ask).post(portal::open))
        .route("/console", get(overview::show))
        .route("/console/find", get(find::find))
        .route("/console/accounts", get(accounts::list).post(accounts::add))
        .route("/console/accounts/new", get(accounts::new))
        .route("/console/accounts/{account}", get(account::show))
        .route("/console/accounts/{account}/webhooks", post(endpoint_form::add))
        .route("/console/accounts/{account}/webhooks/new", get(endpoint_form::new))
        .route("/console/accounts/{account}/webhooks/{endpoint}", get(endpoint::show).post(endpoint_form::save))
        .route("/console/accounts/{account}/webhooks/{endpoint}/edit", get(endpoint_form::edit))
        .route("/console/accounts/{account}/webhooks/{endpoint}/active", post(endpoint_actions::switch))
        .route("/console/accounts/{account}/webhooks/{endpoint}/test", post(endpoint_actions::test))
        .route("/console/accounts/{account}/webhooks/{endpoint}/rotate", post(endpoint_actions::rotate))
        .route("/console/accounts/{account}/webhooks/{endpoint}/resume", post(endpoint_actions::resume))
        .route("/console/accounts/{account}/webhooks/{endpoint}/replay", get(replays::preview).post(replays::start))
        .route("/console/accounts/{account}/webhooks/{endpoint}/delete", post(endpoint_actions::delete))
        .route("/console/accounts/{account}/events", get(events::list))
        .route("/console/accounts/{account}/events/{event}", get(events::show).post(events::show_payload))
        .route("/console/deliveries", get(deliveries::list))
        .route("/console/deliveries/{delivery}", get(delivery::show))
        .route("/console/deliveries/{delivery}/payload", post(delivery::show_payload))
        .route("/console/deliveries/{delivery}/retry", post(delivery::retry))
        .route("/console/incidents", get(incidents::list))
        .route("/console/incidents/{incident}/acknowledge", post(incidents::acknowledge))
        .route("/console/incidents/{incident}/resolve", post(incidents::resolve))
        .route("/console/replays", get(replays::list))
        .route("/console/bulk-retries", post(bulk_retries::start))
        .route("/console/bulk-retries/new", get(bulk_retries::preview))
        .route("/console/bulk-retries/{bulk_retry}", get(bulk_retries::show))
        .route("/console/bulk-retries/{bulk_retry}/cancel", post(bulk_retries::cancel))
        .route("/console/contracts", get(contracts::list))
        .route("/console/contracts/{contract}", get(contracts::show))
        .route("/console/keys", get(keys::list).post(keys::add))
        .route("/console/keys/{key}/revoke", post(keys::revoke))
        .route("/console/audit", get(audit::list))
        .route("/console/audit/checkpoint", get(audit::checkpoint))
        .route("/console/disclosures", get(disclosures::list))
        .route("/console/disclosures/hold", post(disclosures::hold))
        .route("/console/disclosures/release", post(disclosures::release))
        .route("/console/disclosures/erase", post(disclosures::erase))
        .route("/console/system", get(system::show))
        .route("/console/{*rest}", get(async || Refusal::NoPage))
}
