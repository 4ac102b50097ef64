//! What has to be put right when the clock turns out to have been ahead: at a start, and when a process sees it set back.
//!
//! A retry that was scheduled by a clock that was ahead is due at an instant that may be years away. Its last attempt lies in the
//! future as well, which gives it away; how long it was to wait after that attempt is still known.

use std::time::Duration;

use bellwire_domain::Timestamp;

use super::ids::any_ahead;
use crate::StoreError;
use crate::rows::meta;
use crate::sql::{Db, params};

/// Clocks of two nodes may differ by so much.
const SKEW_MAX: Duration = Duration::from_secs(60);
/// In `meta`: of two deliveries in a lane the later one may have the lower id.
const IDS_WENT_BACK: &str = "ids_went_back";

/// `$1` is now, `$2` the end of what another node's clock may say. A retry is looked for when it is due; the microsecond more that it
/// gets here says that this has been done to it, so that it never is again.
const RESCHEDULE: &str = "UPDATE queue SET wake_at = wake_at - (t.started_at - $1) + 1, due_at = due_at - (t.started_at - $1) \
     FROM (SELECT delivery_id, number, started_at FROM earlier_attempts WHERE started_at > $2) t \
     WHERE t.delivery_id = queue.id AND t.number = queue.attempts AND queue.wake_at = queue.due_at";

/// Lets retries that were scheduled by a clock ahead wait from now on, as long as they were to wait. Returns how many.
pub(crate) fn set_right(db: Db<'_>, now: Timestamp) -> Result<usize, StoreError> {
    if any_ahead(db, now)? {
        meta::put(db, IDS_WENT_BACK, b"1")?;
    }
    let rescheduled = db.execute(RESCHEDULE, params![now, now.plus(SKEW_MAX)])?;
    if rescheduled > 0 {
        tracing::warn!(deliveries = rescheduled, "retries were scheduled by a clock that was ahead; they wait from now on");
    }
    Ok(rescheduled)
}

/// Whether the ids of a lane's deliveries ascend in the order of their numbers.
pub(crate) fn ids_ascend(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(meta::find(db, IDS_WENT_BACK)?.is_none())
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![RESCHEDULE.to_owned()]
}
