//! An endpoint's deliveries by their numbers, with their events: what it has missed.

use bellwire_domain::{AuditAction, EventId};
use bellwire_store::{Delivery, Endpoint, Event, Page, PageRequest};
use bytes::Bytes;

use crate::audit::reading;
use crate::endpoints::lane;
use crate::resources::PAGE_BYTES_MAX;
use crate::{AccountAccess, App, AppError};

/// A delivery with its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event, whose data is what the endpoint is sent of it.
    pub event: Event,
}

impl App {
    /// An endpoint, and a page of its deliveries whose numbers are from `since` to `until`, in the order of numbers. The page ends early
    /// if the events are too large to hold at once. That payloads were read is recorded before they are shown; who may not see them gets
    /// none.
    pub async fn list_numbered_deliveries(
        &self,
        access: &AccountAccess,
        id: &str,
        (since, until): (i64, i64),
        page: PageRequest,
    ) -> Result<(Endpoint, Page<NumberedDelivery>), AppError> {
        let endpoint = self.get_endpoint(access, id).await?;
        let contract = access.contract()?;
        let found = self.records().list_numbered_deliveries(&lane(access, id)?, (since, until), page).await?;
        let (mut items, mut bytes) = (Vec::with_capacity(found.items.len()), 0);
        let mut left = found.items.into_iter();
        for delivery in left.by_ref() {
            let Some(event) = self.records().find_event(&access.account().id, &delivery.event_id).await? else { continue };
            bytes += event.data.len();
            let data = std::str::from_utf8(&event.data).ok().filter(|_| access.shows_contents);
            let data = data.map_or_else(|| "null".into(), |data| contract.minimise(data, endpoint.payload.as_ref()));
            let data = Bytes::from(data.into_owned());
            items.push(NumberedDelivery { delivery, event: Event { data, ..event } });
            if bytes >= PAGE_BYTES_MAX {
                break;
            }
        }
        if access.shows_contents && !items.is_empty() {
            let ids: Vec<&EventId> = items.iter().map(|item| &item.event.id).collect();
            self.records().note(reading(access.entry(AuditAction::PayloadsRead), &ids)).await?;
        }
        let cut = left.next().and(items.last()).map(|last: &NumberedDelivery| last.delivery.number.to_string());
        Ok((endpoint, Page { items, next: cut.or(found.next) }))
    }
}
