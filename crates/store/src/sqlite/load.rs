//! Loading what publishing has to know, account by account.

use std::collections::HashSet;

use bellwire_domain::AccountId;

use crate::StoreError;
use crate::queue::order;
use crate::queue::plan::endpoints::PlannedEndpoints;
use crate::queue::plan::{AccountCounters, Loaded};
use crate::queue::publication::Publication;
use crate::rows::event::KnownEvent;
use crate::sql::{Db, Select, params};

static ACCOUNT: Select<AccountCounters> = Select::new("FROM accounts a WHERE a.id = $1");
static KNOWN: Select<KnownEvent> = Select::new("FROM events e WHERE e.account = $1 AND e.id = $2");

/// Loads what these publications need; an account's endpoints come from `endpoints_of`.
pub(super) fn load(
    db: Db<'_>,
    publications: &[&Publication],
    endpoints_of: impl Fn(&AccountId) -> Result<PlannedEndpoints, StoreError>,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let mut looked_for = HashSet::with_capacity(publications.len());
    for publication in publications {
        let id = &publication.account_id;
        if looked_for.insert(id)
            && let Some(account) = ACCOUNT.find(db, params![id.as_str()])?
        {
            loaded.add_account(account, endpoints_of(id)?);
        }
        let Some(reference) = loaded.reference(id) else { continue };
        for event in publication.events.iter().map(|sealed| &sealed.event).filter(|event| event.id_chosen) {
            if !loaded.knows(id, &event.id)
                && let Some(known) = KNOWN.find(db, params![reference, event.id.as_str()])?
            {
                loaded.add_known(id.clone(), known);
            }
        }
    }
    order::load(db, &mut loaded, publications)?;
    Ok(loaded)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![ACCOUNT.sql(), KNOWN.sql()]
}
