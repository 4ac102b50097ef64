//! Which deliveries, as an object: the filters of `GET /v1/deliveries` by their names.

use bellwire_app::{BULK_RETRY_STATES, DeliveryFilter, Fault};
use bellwire_domain::{AccountId, DeliveryState};
use bellwire_http::body;
use bellwire_http::body::{Fields, Value, rules};
use bellwire_http::problem::Problem;
use bellwire_store::DeliveryQuery;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::query::describe;

/// Those that are numbers; the others are texts.
const NUMBERS: [&str; 2] = ["status", "attempts_min"];

/// The filters that a body names, as texts.
pub(super) struct FilterMembers(Vec<(&'static str, String)>);

impl FilterMembers {
    /// As the use-cases read them.
    pub(super) fn read<'f>(&'f self, own: Option<&'f AccountId>) -> Result<DeliveryFilter<'f>, Problem> {
        let text = |wanted: &str| self.0.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str());
        let filter = DeliveryFilter::read(text).and_then(|filter| filter.asked_by(own));
        filter.map_err(|wrong| Problem::invalid(vec![Fault::new(format!("/filter/{}", wrong.name), wrong.expected)]))
    }
}

impl<'a> Value<'a> for FilterMembers {
    fn schema() -> Schema {
        let mut object = body::object(&[]);
        for name in DeliveryFilter::NAMES {
            let kind = if NUMBERS.contains(&name) { Type::Integer } else { Type::String };
            let mut schema = Schema::from(ObjectBuilder::new().schema_type(kind));
            match name {
                "state" => rules::words(&mut schema, &BULK_RETRY_STATES.map(DeliveryState::as_str)),
                _ => describe("deliveries", name, &mut schema),
            }
            object = object.property(name, schema);
        }
        object.into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        let found = fields.inner(value, name, &DeliveryFilter::NAMES)?;
        let (mut texts, count) = (Vec::with_capacity(found.len()), found.len());
        for (filter, value) in found {
            let is_number = NUMBERS.contains(&filter);
            let text = match serde_json::from_str(value.get()) {
                Ok(Json::String(text)) if !is_number => Some(text),
                Ok(Json::Number(number)) if is_number => Some(number.to_string()),
                _ => None,
            };
            match text {
                Some(text) => texts.push((filter, text)),
                None => {
                    fields.fault(&format!("{name}/{filter}"), if is_number { "must be a number" } else { "must be a string" });
                }
            }
        }
        (texts.len() == count).then_some(Self(texts))
    }
}

/// An example.
pub(super) fn sample() -> Map<String, Json> {
    let members = json!({ "account": "clinic-7", "state": "failed", "outcome": "tls", "since": "2025-01-15T00:00:00Z" });
    members.as_object().cloned().unwrap_or_default()
}

/// The filters that are set.
pub(super) fn show(query: &DeliveryQuery) -> Map<String, Json> {
    let number = |text: &str| text.parse::<u32>().map_or_else(|_| Json::from(text), Json::from);
    let value = |name: &str, text: String| if NUMBERS.contains(&name) { number(&text) } else { Json::from(text) };
    DeliveryFilter::texts_of(query).into_iter().map(|(name, text)| (name.to_owned(), value(name, text))).collect()
}
