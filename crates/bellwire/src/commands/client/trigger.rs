//! `bellwire trigger`: publishes an example of the contract.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::publication::publish;
use crate::cli::TriggerArguments;
use crate::client::assign::assign_all;
use crate::client::failure::Failure;
use crate::client::session::{Session, path, with_query};

pub(super) async fn run(session: &Session, arguments: TriggerArguments) -> Result<(), Failure> {
    let TriggerArguments { account, event_type, set, fields, .. } = arguments;
    let found = session.read(&path(&["accounts", &account])).await?;
    let text = |field: &str| found.get(field).and_then(Value::as_str);
    let name = text("contract").unwrap_or_default();
    let contract = with_query(&path(&["contracts", name]), &[("version", text("contract_version"))]);
    let contract = session.get(&contract).await?;
    let example = example(&contract, name, &event_type)?;
    let data = if set.is_empty() { example } else { changed(&example, &set)? };
    publish(session, &account, &event_type, &data, &fields).await
}

/// The example with what `--set` says. Where nothing is set, it is sent as it stands in the contract.
fn changed(example: &RawValue, set: &[String]) -> Result<Box<RawValue>, Failure> {
    let none = |error: serde_json::Error| Failure::Nothing(format!("the example cannot be changed: {error}"));
    let mut data: Value = serde_json::from_str(example.get()).map_err(none)?;
    assign_all(&mut data, set)?;
    RawValue::from_string(data.to_string()).map_err(none)
}

type Fields = HashMap<String, Box<RawValue>>;

/// The example of a type; nothing yet, where the contract takes any type.
fn example(contract: &[u8], name: &str, event_type: &str) -> Result<Box<RawValue>, Failure> {
    let contract: Fields = serde_json::from_slice(contract).unwrap_or_default();
    let events = contract.get("events").and_then(|events| serde_json::from_str::<Vec<Fields>>(events.get()).ok());
    let events = events.unwrap_or_default();
    let type_of = |event: &Fields| event.get("type").and_then(|text| serde_json::from_str::<String>(text.get()).ok());
    if let Some(event) = events.iter().find(|event| type_of(event).as_deref() == Some(event_type)) {
        return Ok(event.get("example").cloned().unwrap_or_else(|| RawValue::NULL.to_owned()));
    }
    if contract.get("any_event").is_some_and(|takes_any| takes_any.get() == "true") {
        return Ok(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()));
    }
    let known: Vec<String> = events.iter().filter_map(type_of).collect();
    Err(Failure::Nothing(format!("the contract `{name}` has no event type `{event_type}`; it has {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_the_contracts_as_they_are_written() {
        let contract = br#"{"any_event":false,"events":[{"type":"a.b","example":{ "n": 1.10, "a": 2 }}]}"#;
        let found = example(contract, "c", "a.b").unwrap();
        assert_eq!(found.get(), r#"{ "n": 1.10, "a": 2 }"#);
        assert_eq!(changed(&found, &["a=x".to_owned()]).unwrap().get(), r#"{"a":"x","n":1.1}"#);
        assert!(example(contract, "c", "x").unwrap_err().text().ends_with("has no event type `x`; it has a.b"));
        assert_eq!(example(br#"{"any_event":true}"#, "c", "x").unwrap().get(), "{}");
    }
}
