//! `bellwire trigger`: publishes an example of the contract.

use serde_json::value::RawValue;
use serde_json::{Value, json};

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
    let contract = session.read(&contract).await?;
    let mut data = example(&contract, name, &event_type)?;
    assign_all(&mut data, &set)?;
    let data = RawValue::from_string(data.to_string()).map_err(|error| Failure::Nothing(error.to_string()))?;
    publish(session, &account, &event_type, &data, &fields).await
}

/// The example of a type; nothing yet, where the contract takes any type.
fn example(contract: &Value, name: &str, event_type: &str) -> Result<Value, Failure> {
    let events = || contract.get("events").and_then(Value::as_array).into_iter().flatten();
    let type_of = |event: &Value| event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(event) = events().find(|event| type_of(event) == event_type) {
        return Ok(event.get("example").cloned().unwrap_or_default());
    }
    if contract.get("any_event").and_then(Value::as_bool) == Some(true) {
        return Ok(json!({}));
    }
    let known: Vec<String> = events().map(type_of).collect();
    Err(Failure::Nothing(format!("the contract `{name}` has no event type `{event_type}`; it has {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_the_contracts() {
        let mut contract = json!({ "any_event": false, "events": [{ "type": "a.b", "example": { "n": 1 } }] });
        assert_eq!(example(&contract, "c", "a.b").unwrap(), json!({ "n": 1 }));
        assert!(example(&contract, "c", "x").unwrap_err().text().ends_with("has no event type `x`; it has a.b"));
        contract["any_event"] = json!(true);
        assert_eq!(example(&contract, "c", "x").unwrap(), json!({}));
    }
}
