//! How long an account's own data is kept, as a field of a body.

use std::time::Duration;

use bellwire_domain::RetentionPeriods;
use serde_json::value::RawValue;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};

use super::fields::Fields;
use super::value::Value;

const NAMES: [&str; 4] = ["history", "payloads", "answers", "disclosures"];
const DOCS: [&str; 4] = [
    "Events with their deliveries and attempts.",
    "Payloads of events.",
    "Answers of receivers.",
    "What receivers were told about somebody.",
];
/// A hundred years.
const DAYS_MAX: u64 = 36_500;
const DAY: u64 = 86_400;

impl<'a> Value<'a> for RetentionPeriods {
    fn schema() -> Schema {
        let days = || {
            let nullable = SchemaType::from_iter([Type::Integer, Type::Null]);
            ObjectBuilder::new().schema_type(nullable).minimum(Some(1)).maximum(Some(DAYS_MAX))
        };
        let closed = AdditionalProperties::FreeForm(false);
        let object = ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(closed));
        let add = |object: ObjectBuilder, (name, doc)| object.property(name, days().description(Some(doc)));
        NAMES.into_iter().zip(DOCS).fold(object, add).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        let found = fields.inner(value, name, &NAMES)?;
        let mut periods = Self::default();
        let mut is_whole = true;
        for (class, value) in found {
            let days = value.get().parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
            if days.is_none() {
                is_whole = false;
                fields.fault(&format!("{name}/{class}"), format!("must be a whole number of days, from 1 to {DAYS_MAX}"));
            }
            let period = days.map(|days: u64| Duration::from_secs(days * DAY));
            match class {
                "history" => periods.history = period,
                "payloads" => periods.payloads = period,
                "answers" => periods.answers = period,
                _ => periods.disclosures = period,
            }
        }
        is_whole.then_some(periods)
    }
}
