//! Loading what publishing has to know: one statement for all accounts with their endpoints, one for all ids offered again. The
//! accounts are locked already, so that nobody else gives out a `seq` or a `number`.

use std::collections::BTreeSet;

use bellwire_domain::AccountId;

use crate::StoreError;
use crate::queue::plan::{AccountCounters, Loaded};
use crate::queue::publication::Publication;
use crate::rows::endpoint::RecipientColumns;
use crate::rows::event::KnownEvent;
use crate::sql::{Bound, Kind, Param, Row, Session, columns, params, select};

columns! {
    /// Whose event it is.
    struct EventOwner of "accounts" {
        id: AccountId = "a.id",
    }
}

/// Each account with one of its endpoints; one without any has a row all the same.
type AccountAndEndpoint = (AccountCounters, Option<RecipientColumns>);

const ACCOUNTS: &str = "FROM accounts a LEFT JOIN endpoints p ON p.account_id = ANY(ARRAY[a.id]) WHERE a.id = ANY($1) \
     ORDER BY a.id, p.id";
const KNOWN: &str = "FROM UNNEST($1::text[], $2::text[]) t (account_id, id) \
     JOIN accounts a ON a.id = ANY(ARRAY[t.account_id]) \
     CROSS JOIN LATERAL (SELECT id, place, deliveries, fingerprint, occurred_at, payload_length FROM events \
     WHERE account = a.ref AND id = t.id LIMIT 1) e";

/// The statements whose rows [`keep`] keeps: the accounts, and, where publishers chose ids, the events that have them.
pub(super) fn reads<'j>(session: &Session, publications: &[&'j Publication]) -> Result<Vec<Bound<'j>>, StoreError> {
    if publications.is_empty() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<&AccountId> = publications.iter().map(|publication| &publication.account_id).collect();
    let ids: Vec<Param<'_>> = ids.into_iter().map(|id| id.as_str().into()).collect();
    let accounts = select::<AccountAndEndpoint>(ACCOUNTS);
    let mut reads = vec![session.bind("accounts", &accounts, &[(&[Kind::Text], &ids)], &[])?];
    let mut wanted: Vec<Param<'_>> = Vec::new();
    for publication in publications {
        for sealed in publication.events.iter().filter(|sealed| sealed.event.id_chosen) {
            wanted.extend_from_slice(params![publication.account_id.as_str(), sealed.event.id.as_str()]);
        }
    }
    if !wanted.is_empty() {
        let known = select::<(EventOwner, KnownEvent)>(KNOWN);
        reads.push(session.bind("events", &known, &[(&[Kind::Text; 2], &wanted)], &[])?);
    }
    Ok(reads)
}

/// Keeps what [`reads`] answered.
pub(super) fn keep(answers: &[Vec<Row>]) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let mut answers = answers.iter();
    for row in answers.next().into_iter().flatten() {
        let (account, endpoint): AccountAndEndpoint = row.read()?;
        loaded.add_endpoint(account, endpoint);
    }
    for row in answers.next().into_iter().flatten() {
        let (owner, event): (EventOwner, KnownEvent) = row.read()?;
        loaded.add_known(owner.id, event);
    }
    Ok(loaded)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![select::<AccountAndEndpoint>(ACCOUNTS), select::<(EventOwner, KnownEvent)>(KNOWN)]
}
