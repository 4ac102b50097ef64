//! What requests say of their events: what the catalogue has on each, and the list of all.

use std::borrow::Cow;
use std::fmt::Write as _;

use bellwire_domain::{DeliveryId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{BatchedEvent, EventInput, RenderInput};
use crate::catalogue::{EventDefinition, TestEvent};
use crate::contract::Contract;
use crate::published::quoted;

impl Contract {
    /// The contract's test event, if this event is one.
    fn test_event_of(&self, event: &EventInput<'_>) -> Option<&TestEvent> {
        // A test event may have a type of the catalogue. Then only events sent as tests get the test event's title and fields.
        let unlisted = self.listed(event).is_none();
        self.test_event().filter(|test| event.is_test || unlisted && test.event_type == *event.event_type)
    }

    /// The event's own definition in the catalogue; `*` does not count.
    fn listed(&self, event: &EventInput<'_>) -> Option<&EventDefinition> {
        self.event(event.event_type.as_str()).filter(|definition| definition.event_type.as_str() != "*")
    }

    pub(super) fn title_of<'e>(&'e self, event: &EventInput<'e>) -> &'e str {
        match (self.test_event_of(event), self.listed(event)) {
            (Some(test), _) => &test.title,
            (None, Some(listed)) => &listed.title,
            (None, None) => event.event_type.as_str(),
        }
    }

    pub(super) fn description_of(&self, event: &EventInput<'_>) -> Option<&str> {
        match self.test_event_of(event) {
            Some(test) => test.description.as_deref(),
            None => self.event(event.event_type.as_str()).and_then(|definition| definition.description.as_deref()),
        }
    }

    pub(super) fn fields_of(&self, event: &EventInput<'_>) -> Option<&str> {
        match self.test_event_of(event) {
            Some(test) => test.fields.as_deref(),
            None => self.event(event.event_type.as_str()).and_then(|definition| definition.fields.as_deref()),
        }
    }

    /// A delivery's id as the contract writes it. It follows from the delivery, so that it is the same on every attempt.
    pub fn delivery_id<'d>(&self, id: &'d str) -> Cow<'d, str> {
        let Some(format) = &self.ids.delivery else { return id.into() };
        let made_at = DeliveryId::try_new(id).map_or_else(|_| Timestamp::default(), DeliveryId::made_at);
        let digest: [u8; 32] = Sha256::digest(id).into();
        let mut entropy = [0; 10];
        entropy.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
        format.draw(made_at, entropy).into()
    }
}

/// All events of a request, as a JSON list. Their data is spliced in as it was posted.
pub(super) fn list(contract: &Contract, input: &RenderInput<'_>) -> String {
    let first = BatchedEvent {
        event: input.event,
        delivery_id: input.delivery.id,
        number: input.delivery.number,
        attempt: input.attempt.number,
    };
    let size = input.event.data.len() + input.others.iter().map(|other| other.event.data.len() + 512).sum::<usize>() + 512;
    let mut list = String::with_capacity(size);
    list.push('[');
    for (index, one) in std::iter::once(&first).chain(input.others).enumerate() {
        if index > 0 {
            list.push(',');
        }
        let BatchedEvent { event, delivery_id, number, attempt } = one;
        let EventInput { id, event_type, occurred_at, seq, data, is_test } = event;
        let (id, title, event_type) = (quoted(id), quoted(contract.title_of(event)), quoted(event_type.as_str()));
        let (delivery_id, fields) = (quoted(&contract.delivery_id(delivery_id)), contract.fields_of(event).unwrap_or("null"));
        let occurred_at = quoted(&occurred_at.to_string());
        // Writing into a text does not fail.
        let _ = write!(
            list,
            "{{\"id\":{id},\"seq\":{seq},\"type\":{event_type},\"title\":{title},\"occurred_at\":{occurred_at},\
             \"is_test\":{is_test},\"fields\":{fields},\"delivery_id\":{delivery_id},\"number\":{number},\"attempt\":{attempt},\"data\":{data}}}"
        );
    }
    list.push(']');
    list
}
