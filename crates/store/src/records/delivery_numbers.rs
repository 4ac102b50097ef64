//! The deliveries of one endpoint by their numbers, in the queue and in the history.
//!
//! Both tables are in the order of ids, which begin with a time. Within an endpoint numbers ascend with ids, except for what several
//! nodes drew in the same moments by clocks that differ a little. So the ids between which some numbers lie are found by halving, and
//! what lies a little before and after them is looked at as well. It costs no index of its own, which every delivery would have to keep.

use std::collections::BTreeMap;

use super::deliveries::{Delivery, Ended, FROM_HISTORY, FROM_QUEUE, Live, read_ended, read_live};
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::lane::{self, LaneKey};
use crate::sql::{Db, Select, columns, params, select};

/// Ids of a second: milliseconds, and 22 bits below them.
const SECOND: i64 = 1_000 << 22;
/// How far ids are searched for.
const PRECISION: i64 = SECOND;
/// How much further than the ids found rows are looked for: clocks of nodes differ by less.
const SLACK: i64 = 600 * SECOND;

columns! {
    /// A delivery's place in both orders.
    struct Placed of "queue" {
        id: i64 = "id",
        number: i64 = "number",
    }
}

static FIRST_FROM: Select<Placed> = Select::new(
    "FROM (SELECT id, number FROM (SELECT d.id, d.number FROM queue d WHERE d.lane > 0 AND d.lane = $1 AND d.id >= $2 ORDER BY d.id \
     LIMIT 1) q UNION ALL SELECT id, number FROM (SELECT d.id, d.number FROM deliveries d WHERE d.lane = $1 AND d.id >= $2 \
     ORDER BY d.id LIMIT 1) h) x ORDER BY id LIMIT 1",
);
static LAST: Select<Placed> = Select::new(
    "FROM (SELECT id, number FROM (SELECT d.id, d.number FROM queue d WHERE d.lane > 0 AND d.lane = $1 ORDER BY d.id DESC LIMIT 1) q \
     UNION ALL SELECT id, number FROM (SELECT d.id, d.number FROM deliveries d WHERE d.lane = $1 ORDER BY d.id DESC LIMIT 1) h) x \
     ORDER BY id DESC LIMIT 1",
);
const IN_QUEUE: &str = "WHERE d.lane > 0 AND d.lane = $1 AND d.id >= $2 AND d.id <= $3 AND d.number >= $4 AND d.number <= $5 \
     ORDER BY d.id LIMIT $6";
const IN_HISTORY: &str =
    "WHERE d.lane = $1 AND d.id >= $2 AND d.id <= $3 AND d.number >= $4 AND d.number <= $5 ORDER BY d.id LIMIT $6";

/// Two ids close to each other: what is before the first has lower numbers than one that is looked for, and what is from the second on
/// has none that is lower.
fn seek(db: Db<'_>, lane: i64, number: i64, (mut low, mut high): (i64, i64)) -> Result<(i64, i64), StoreError> {
    while high.saturating_sub(low) > PRECISION {
        let middle = low + (high - low) / 2;
        match FIRST_FROM.find(db, params![lane, middle])? {
            Some(found) if found.number < number => low = found.id.min(high),
            Some(_) | None => high = middle,
        }
    }
    Ok((low, high))
}

/// Those of an endpoint whose numbers are from `since` to `until`, in the order of numbers; the cursor is the last number looked at. What
/// retention has removed is left out.
pub(super) fn list(
    db: Db<'_>,
    lane: &LaneKey,
    (since, until): (i64, i64),
    page: &PageRequest,
) -> Result<Page<Delivery>, StoreError> {
    let after = match page.after.as_deref().map(str::parse::<i64>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => return Ok(Page::default()), // no page has ended with such a number
    };
    let Some(refs) = lane::find(db, lane)? else { return Ok(Page::default()) };
    let lane = refs.lane;
    let (first, last) = (FIRST_FROM.find(db, params![lane, 0_i64])?, LAST.find(db, params![lane])?);
    let (Some(first), Some(last)) = (first, last) else { return Ok(Page::default()) };
    let from = since.max(after.saturating_add(1)).max(first.number);
    let end = until.min(last.number);
    let to = end.min(from.saturating_add(i64::from(page.limit)).saturating_sub(1));
    if from > to {
        return Ok(Page::default());
    }
    let bounds = (first.id, last.id);
    let low = seek(db, lane, from, bounds)?.0.saturating_sub(SLACK);
    let high = seek(db, lane, to.saturating_add(1), bounds)?.1.saturating_add(SLACK);
    let asked = params![lane, low, high, from, to, i64::from(page.limit)];
    let mut found = BTreeMap::new();
    for row in db.query("queue", &select::<Live>(&format!("{FROM_QUEUE}{IN_QUEUE}")), asked)? {
        let delivery = read_live(&row)?;
        found.insert(delivery.number, delivery);
    }
    // One that has ended in between is in both.
    for row in db.query("deliveries", &select::<Ended>(&format!("{FROM_HISTORY}{IN_HISTORY}")), asked)? {
        let delivery = read_ended(&row)?;
        found.insert(delivery.number, delivery);
    }
    Ok(Page { items: found.into_values().collect(), next: (to < end).then(|| to.to_string()) })
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![
        FIRST_FROM.sql(),
        LAST.sql(),
        select::<Live>(&format!("{FROM_QUEUE}{IN_QUEUE}")),
        select::<Ended>(&format!("{FROM_HISTORY}{IN_HISTORY}")),
    ]
}
