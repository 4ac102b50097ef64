//! What a contract makes of what an endpoint has chosen: which events go to it, and which plan its requests have.

use std::sync::Arc;

use bellwire_domain::EventType;

use crate::contract::Contract;
use crate::facts::{EventValues, Facts, FilteredEvent};
use crate::failure::RenderError;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::policy::order::OrderKey;
use crate::published::PublishedApi;
use crate::render::EventInput;
use crate::request::RequestPlan;
use crate::variables::Scope;

/// The steps that a filter may take: an account's publisher waits for those of its endpoints.
const FILTER_STEPS: usize = 1 << 24;

impl Contract {
    /// Whether endpoints may have chosen no event at all: where a published API gives them events one by one.
    pub fn may_choose_nothing(&self) -> bool {
        self.published().is_some_and(PublishedApi::adds_events)
    }

    /// Whether endpoints are told events by what is in them.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether an event goes to an endpoint that has chosen these options. A filter that fails, by its bounds or by what the data is,
    /// lets the event through: it is better told twice than never.
    ///
    /// `values` is what has been worked out of this event, for the endpoints before this one; empty for the first.
    pub fn wants(&self, event: FilteredEvent<'_>, options: Option<&str>, values: &EventValues) -> bool {
        let Some(filter) = &self.filter else { return true };
        let meter = || Arc::new(Meter::with_steps(FILTER_STEPS));
        let known = values.of(filter, || self.facts(event, None, meter()));
        self.facts(event, options, meter()).pass(filter, known).unwrap_or(true)
    }

    /// Whether deliveries to an endpoint wait for the one before.
    pub fn has_order(&self) -> bool {
        self.order_key.is_some()
    }

    /// What events have in common that wait for each other, as the contract writes it; `None`: all of an endpoint's do, or none.
    pub fn ordered_by(&self) -> Option<&str> {
        match self.order_key.as_ref()? {
            OrderKey::Endpoint => None,
            OrderKey::By(by) => Some(&by.text),
        }
    }

    /// What an event has in common with those that wait for each other; `None`: it waits for none. An event that does not have the
    /// value, or for which it cannot be worked out, is in no order.
    pub fn order_key(&self, event: FilteredEvent<'_>) -> Option<String> {
        match self.order_key.as_ref()? {
            OrderKey::Endpoint => Some(String::new()),
            OrderKey::By(by) => {
                let facts = self.facts(event, None, Arc::new(Meter::with_steps(FILTER_STEPS)));
                by.evaluate(Scope::of(&facts)).and_then(Piece::into_string).ok()
            }
        }
    }

    /// The plan of a request: the event's own, or the first variant whose condition holds.
    pub(crate) fn plan_for(&self, event: &EventInput<'_>, options: Option<&str>) -> Result<&RequestPlan, RenderError> {
        if let Some(own) = self.event(event.event_type.as_str()).and_then(|event| event.plan.as_ref()) {
            return Ok(own);
        }
        if self.variants.is_empty() {
            return Ok(&self.plan);
        }
        let EventInput { id, event_type, occurred_at, data, is_test, .. } = *event;
        let event = FilteredEvent { id, event_type, occurred_at, data, is_test };
        let facts = self.facts(event, options, Arc::default());
        for variant in &self.variants {
            let holds = facts.hold(&variant.when);
            if holds.map_err(|message| RenderError::plain("request.variants", &message))? {
                return Ok(&variant.plan);
            }
        }
        Ok(&self.plan)
    }

    /// Whether requests for events of a type may have several of them.
    pub fn carries_events(&self, event_type: &EventType) -> bool {
        match self.event(event_type.as_str()).and_then(|event| event.plan.as_ref()) {
            Some(own) => own.carries_events,
            None => self.plan.carries_events || self.variants.iter().any(|variant| variant.plan.carries_events),
        }
    }

    /// Whether two events can share a request to an endpoint with these options: their requests have the same plan, and it has a place
    /// for both.
    pub fn may_share(&self, one: &EventInput<'_>, other: &EventInput<'_>, options: Option<&str>) -> bool {
        let plans = self.plan_for(one, options).ok().zip(self.plan_for(other, options).ok());
        plans.is_some_and(|(one, other)| one.carries_events && std::ptr::eq(one, other))
    }

    /// What conditions know of an event and of an endpoint with these options.
    fn facts<'a>(&'a self, event: FilteredEvent<'a>, options: Option<&str>, meter: Arc<Meter>) -> Facts<'a> {
        let fields = self.event(event.event_type.as_str()).and_then(|definition| definition.fields.as_deref());
        Facts { event, fields, options: self.options.merged(options), meter }
    }
}
