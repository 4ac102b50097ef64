//! What a contract says about heartbeats of an endpoint, and their request.

use std::time::Duration;

use bellwire_domain::{EventType, OutboundRequest};

use crate::contract::Contract;
use crate::failure::RenderError;
use crate::render::{RenderInput, Rendering};

impl Contract {
    /// Whether endpoints may have a heartbeat.
    pub const fn has_heartbeat(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// After how long without a request an endpoint that has chosen these options gets a heartbeat; `None`: it gets none.
    pub fn heartbeat_period(&self, options: Option<&str>) -> Option<Duration> {
        let heartbeat = self.heartbeat.as_ref()?;
        heartbeat.period(self.options_of(options)).ok().flatten() // what cannot be worked out is refused where it is chosen
    }

    /// After how long without a request, as the contract has it.
    pub fn heartbeat_text(&self) -> Option<String> {
        self.heartbeat.as_ref().map(|heartbeat| heartbeat.every().source())
    }

    /// How long a heartbeat may take, where it is not as long as a delivery.
    pub fn heartbeat_timeout(&self) -> Option<Duration> {
        self.heartbeat.as_ref()?.timeout
    }

    /// The event type that it is rendered with.
    pub fn heartbeat_type(&self) -> Option<&EventType> {
        Some(&self.heartbeat.as_ref()?.request.event_type)
    }

    /// The request of a heartbeat. Of `input`, the event's type and data are the heartbeat's.
    ///
    /// # Errors
    /// There is none, or it cannot be rendered.
    pub fn render_heartbeat(&self, input: &RenderInput<'_>) -> Result<OutboundRequest, RenderError> {
        let own = self.heartbeat.as_ref().map(|heartbeat| &heartbeat.request);
        let own = own.ok_or_else(|| RenderError::plain("heartbeat", "there is none"))?;
        let mut input = *input;
        input.event.event_type = &own.event_type;
        input.event.data = own.data.get();
        Rendering::of(self, &own.plan, &input)?.finish()
    }
}
