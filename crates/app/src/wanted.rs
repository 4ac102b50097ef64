//! Filters: to which endpoints an event goes, by what it says and by what they have chosen.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_contract::{Contract, EventValues, FilteredEvent};
use bellwire_domain::AccountId;
use bellwire_store::{Account, NewEvent, NewOrder, Wanted};
use parking_lot::Mutex;

use crate::{App, AppError};

/// Endpoints that are asked about before others get a turn on the thread.
const ASKED_AT_ONCE: usize = 4;

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
        if contract.has_filter() {
            for event in events.iter_mut().filter(|event| event.only_endpoint.is_none()) {
                event.wanted = Some(wanted(contract, event));
            }
            self.ask_filters(&account.id, events).await?;
        }
        Ok(())
    }

    /// Asks the filters of events about all endpoints of an account. An account may have a thousand, with a filter each: one of its requests
    /// at a time does this, and lets others have the thread in between.
    pub(crate) async fn ask_filters(&self, account: &AccountId, events: &[NewEvent]) -> Result<(), AppError> {
        let choices = self.records().endpoint_choices(account).await?;
        let is_long = choices.len().saturating_mul(events.len()) > ASKED_AT_ONCE;
        let _turn = if is_long { Some(self.0.filter_turns.lock(account).await) } else { None };
        let mut asked = 0usize;
        for event in events {
            let Some(wanted) = &event.wanted else { continue };
            for chosen in &choices {
                wanted.by_options(chosen.as_deref());
                asked += 1;
                if asked.is_multiple_of(ASKED_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
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
    let values = EventValues::default();
    Wanted::by(move |options| {
        let key = options.map(ToOwned::to_owned);
        if let Some(known) = known.lock().get(&key) {
            return *known;
        }
        let data = std::str::from_utf8(&data).unwrap_or("null"); // JSON, which is UTF-8
        let event = FilteredEvent { id: id.as_str(), event_type: &event_type, occurred_at, data, is_test };
        let wants = contract.wants(event, options, &values);
        known.lock().insert(key, wants);
        wants
    })
}
