//! Which event a captured request carries, as far as the contract puts that into its requests.

use crate::captured::{Captured, CapturedRequest};
use crate::contract::Contract;
use crate::request::RequestPlan;
use crate::variables::{Builtin, Values as _, Variable};

/// The event that a captured request names. None of it is verified: [`Contract::verify`] does that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedEvent {
    /// Its type.
    pub event_type: Option<String>,
    /// Its id.
    pub id: Option<String>,
}

impl Contract {
    /// Reads the event's type and id out of a captured request, as far as the contract puts them into its requests.
    pub fn identify(&self, request: &CapturedRequest<'_>) -> NamedEvent {
        self.plans().map(|plan| self.identify_by(plan, request)).find(|named| *named != NamedEvent::default()).unwrap_or_default()
    }

    fn identify_by(&self, plan: &RequestPlan, request: &CapturedRequest<'_>) -> NamedEvent {
        let mut captured = Captured::new(self, plan, request);
        for header in &plan.headers {
            for (template, value) in header.values.iter().zip(request.headers.get_all(&header.name)) {
                captured.read_template(template, value.to_str().unwrap_or_default(), "");
            }
        }
        let text = |builtin| captured.get(&Variable::Builtin(builtin)).into_string().ok().filter(|text| !text.is_empty());
        NamedEvent { event_type: text(Builtin::EventType), id: text(Builtin::EventId) }
    }
}
