//! Filters: to which endpoints an event goes, by what it says and by what they have chosen.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_contract::{Contract, FilteredEvent};
use bellwire_store::{Account, NewEvent, NewOrder, Wanted};
use parking_lot::Mutex;

use crate::{App, AppError};

impl App {
    /// Gives events their filter and their order, where the contract has them. What the account's endpoints have chosen is asked here, so that the
    /// transaction finds the answers; an endpoint that chooses something else meanwhile is asked there.
    pub(crate) async fn filter_events(
        &self,
        account: &Account,
        contract: &Arc<Contract>,
        events: &mut [NewEvent],
    ) -> Result<(), AppError> {
        if contract.has_order() {
            for event in events.iter_mut() {
                event.order = order(contract, event);
            }
        }
        if !contract.has_filter() {
            return Ok(());
        }
        let choices = self.records().endpoint_choices(&account.id).await?;
        for event in events.iter_mut().filter(|event| event.only_endpoint.is_none()) {
            let wanted = wanted(contract, event);
            for chosen in &choices {
                wanted.by_options(chosen.as_deref());
            }
            event.wanted = Some(wanted);
        }
        Ok(())
    }
}

/// The order that an event's deliveries are in, if the contract has one.
pub(crate) fn order(contract: &Contract, event: &NewEvent) -> Option<NewOrder> {
    let rule = contract.delivery().order?;
    let data = std::str::from_utf8(&event.data).unwrap_or("null"); // JSON, which is UTF-8
    let NewEvent { id, event_type, occurred_at, is_test, .. } = event;
    let event = FilteredEvent { id: id.as_str(), event_type, occurred_at: *occurred_at, data, is_test: *is_test };
    Some(NewOrder { key: contract.order_key(event)?, drops_stale: rule.drops_stale })
}

/// Asks the contract once for each choice.
pub(crate) fn wanted(contract: &Arc<Contract>, event: &NewEvent) -> Wanted {
    let contract = Arc::clone(contract);
    let (id, event_type, occurred_at) = (event.id.clone(), event.event_type.clone(), event.occurred_at);
    let (data, is_test) = (event.data.clone(), event.is_test);
    let known: Mutex<HashMap<Option<String>, bool>> = Mutex::default();
    Wanted::by(move |options| {
        let key = options.map(ToOwned::to_owned);
        if let Some(known) = known.lock().get(&key) {
            return *known;
        }
        let data = std::str::from_utf8(&data).unwrap_or("null"); // JSON, which is UTF-8
        let event = FilteredEvent { id: id.as_str(), event_type: &event_type, occurred_at, data, is_test };
        let wants = contract.wants(event, options);
        known.lock().insert(key, wants);
        wants
    })
}
