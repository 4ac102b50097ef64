//! Loading what publishing has to know, account by account.

use std::collections::HashSet;

use crate::StoreError;
use crate::queue::plan::{AccountCounters, Loaded};
use crate::queue::publication::Publication;
use crate::rows::endpoint::RecipientColumns;
use crate::rows::event::KnownEvent;
use crate::sql::{Db, Select, params};

static ACCOUNT: Select<AccountCounters> = Select::new("FROM accounts a WHERE a.id = $1");
static ENDPOINTS: Select<RecipientColumns> = Select::new("FROM endpoints p WHERE p.account_id = $1 ORDER BY p.id");
static KNOWN: Select<KnownEvent> = Select::new("FROM events e WHERE e.account = $1 AND e.id = $2");

pub(super) fn load(db: Db<'_>, publications: &[&Publication]) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let mut looked_for = HashSet::with_capacity(publications.len());
    for publication in publications {
        let id = &publication.account_id;
        if looked_for.insert(id)
            && let Some(account) = ACCOUNT.find(db, params![id.as_str()])?
        {
            loaded.add_account(account, ENDPOINTS.list(db, params![id.as_str()])?);
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
    Ok(loaded)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![ACCOUNT.sql(), ENDPOINTS.sql(), KNOWN.sql()]
}
