//! An endpoint's deliveries by their numbers.

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::deliveries::Delivery;
use crate::records::delivery_numbers;
use crate::rows::lane::LaneKey;

impl Records {
    /// A page of an endpoint's deliveries whose numbers are from `since` to `until`, in the order of numbers; the cursor is the last
    /// number looked at.
    pub async fn list_numbered_deliveries(
        &self,
        lane: &LaneKey,
        (since, until): (i64, i64),
        page: PageRequest,
    ) -> Result<Page<Delivery>, StoreError> {
        let lane = lane.clone();
        self.access.read(move |db| delivery_numbers::list(db, &lane, (since, until), &page)).await
    }
}
