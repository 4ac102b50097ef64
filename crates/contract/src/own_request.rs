//! Reads a request that carries no event: a step of a handshake, or a heartbeat. It is the contract's own request with what is different
//! in it, and has a type and data that stand in the contract.

use bellwire_domain::EventType;
use serde_json::value::RawValue;

use crate::diagnostic::Report;
use crate::grammar::{KeySpec, Shape};
use crate::reader::Fields;
use crate::request::{EVENT_REQUEST, RequestPlan};
use crate::signature::Signatures;
use crate::yaml::Node;

/// What templates see as the event's type.
pub(crate) const TYPE: KeySpec =
    KeySpec::optional("type", Shape::TEXT, "The event type that templates see; named after the key unless given.");
/// What they see as its data.
pub(crate) const DATA: KeySpec = KeySpec::optional("data", Shape::Any, "The event data that templates see; `{}` unless given.");
/// How it differs from the contract's request.
pub(crate) const REQUEST: KeySpec = KeySpec::optional("request", EVENT_REQUEST, "What is different in this request.");

/// A request that carries no event.
#[derive(Debug)]
pub(crate) struct OwnRequest {
    pub(crate) event_type: EventType,
    pub(crate) data: Box<RawValue>,
    pub(crate) plan: RequestPlan,
}

impl OwnRequest {
    /// Reads it from the fields of its part. `base` is the contract's own request.
    pub(crate) fn read(
        fields: &Fields<'_>,
        type_default: &str,
        base: &Node,
        signatures: &Signatures,
        report: &mut Report,
    ) -> Option<Self> {
        let event_type = fields.text("type", report).unwrap_or_else(|| type_default.to_owned());
        let event_type = EventType::try_new(&event_type);
        if let Err(error) = &event_type {
            report.add(fields.at("type"), &fields.path_of("type"), error.to_string(), "");
        }
        let data = fields.get("data").map_or_else(|| "{}".to_owned(), Node::to_json);
        let place = fields.path_of("request");
        let change = fields.get("request").map(|node| (node, place.as_str()));
        let plan = RequestPlan::read(base, change, signatures, report);
        Some(Self { event_type: event_type.ok()?, data: RawValue::from_string(data).ok()?, plan: plan? })
    }
}
