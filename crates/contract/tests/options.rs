//! What endpoints may choose: what is refused in a contract and in a choice, and what follows from one.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::time::Duration;

use bellwire_contract::{Contract, EventValues, FilteredEvent};
use bellwire_domain::EventType;
use serde_json::{Value, json};

use crate::common::{NOW, compile};

fn source(options: &str, rest: &str) -> String {
    format!("contract: t\ntitle: T\nevents: any\nsubscription:\n{options}request:\n  body: \"{{{{ event.data }}}}\"\n{rest}")
}

/// Why a contract is refused.
fn refused(options: &str, rest: &str) -> String {
    Contract::compile(&source(options, rest), "t.yaml").unwrap_err().to_string()
}

const RETRIES: &str = "  options:\n    retries: { type: integer, minimum: 0, maximum: 3 }\n";

#[test]
fn a_contract_is_refused_that_would_fail_for_a_choice() {
    for (options, rest, expected) in [
        ("  options: { a b: { type: string } }\n", "", "is not the name of an option"),
        ("  options: { a: { type: word } }\n", "", "this is not a JSON Schema"),
        ("  options: { a: { type: integer, default: x } }\n", "", "the default does not fit"),
        (
            "  options: { a: { type: string, pattern: '^[A-Z]{3}$', required: true } }\n",
            "",
            "no value of this option could be guessed",
        ),
        (RETRIES, "  query: { r: \"{{ endpoint.options.retry }}\" }\n", "there is no option `retry`"),
        (RETRIES, "  query: { r: \"{{ endpoint.options.retries }}\" }\n", "has no value"),
        (
            RETRIES,
            "delivery: { retry: { every: 5m, retries: \"{{ endpoint.options.retries }}\" } }\n",
            "give the option a default",
        ),
        (
            "  options: { span: { enum: [1m, soon], default: 1m } }\n",
            "delivery: { timeout: \"{{ endpoint.options.span }}\" }\n",
            "delivery.timeout",
        ),
        ("  filter: \"{{ secret == 'x' }}\"\n", "", "this is decided before there is a request"),
        ("  filter: \"no {{ event.id }}\"\n", "", "a condition is one expression"),
        ("  filter: { a: 1 }\n", "", "this always holds"),
        ("  filter: { $let: { a: \"{{ secret }}\" }, $then: \"{{ a }}\" }\n", "", "this is decided before there is a request"),
        ("  filter: { $when: \"{{ endpoint.options.least }}\", $then: true }\n", "", "there is no option `least`"),
        ("  filter: \"{{ endpoint.options.least > 1 }}\"\n", "", "there is no option `least`"),
        ("  url: any\n", "  variants: [{ when: \"{{ event.is_test }}\" }]\n", "request.variants[0].request"),
        (
            "  url: any\n",
            "  variants: [{ when: \"{{ event.is_test }}\", request: { body: \"{{ event.data.missing }}\" } }]\n",
            "event.data.missing",
        ),
    ] {
        let error = refused(options, rest);
        assert!(error.contains(expected), "{options}{rest}: {error}");
    }
}

#[test]
fn delivery_is_what_was_chosen_and_what_was_not_chosen_is_the_default() {
    let contract = compile(&source(
        "  options:\n    timeout: { type: integer, minimum: 1, maximum: 60, default: 10 }\n    delays: { type: array, items: { enum: [1m, 5m] }, default: [1m] }\n",
        "delivery: { timeout: \"{{ endpoint.options.timeout }}s\", retry: { schedule: \"{{ endpoint.options.delays }}\" } }\n",
    ));
    let of = |options: Option<&str>| {
        let policy = contract.delivery_of(options);
        (policy.timeout, policy.schedule.delays().to_vec())
    };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(of(None), (Duration::from_secs(10), vec![minutes(1)]));
    assert_eq!(
        (contract.delivery().timeout, contract.delivery().schedule.delays()),
        (Duration::from_secs(10), &[minutes(1)][..])
    );
    assert_eq!(of(Some(r#"{"timeout":60}"#)), (Duration::from_secs(60), vec![minutes(1)]));
    assert_eq!(of(Some(r#"{"delays":["5m","1m"],"timeout":1}"#)), (Duration::from_secs(1), vec![minutes(5), minutes(1)]));
    // What was chosen under an earlier contract and does not fit any more.
    assert_eq!(of(Some(r#"{"timeout":"soon"}"#)), of(None));
    assert_eq!(of(Some(r#"{"gone":1}"#)), of(None));
    assert_eq!(contract.options_of(Some(r#"{"gone":1,"timeout":5}"#)), r#"{"delays":["1m"],"timeout":5}"#);
}

#[test]
fn a_filter_that_cannot_be_answered_lets_an_event_through_and_one_that_misses_something_does_not() {
    let wants = |filter: &str, data: &str| {
        let contract = compile(&source(&format!("  filter: \"{{{{ {filter} }}}}\"\n"), ""));
        let event_type = EventType::try_new("thing.happened").unwrap();
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data, is_test: false };
        contract.wants(event, None, &EventValues::default())
    };
    assert!(wants("event.data.n > 1", r#"{"n":2}"#) && !wants("event.data.n > 1", r#"{"n":1}"#));
    assert!(!wants("event.data.n > 1", "{}"), "it is not there");
    assert!(wants("event.data.n > 1", r#"{"n":"text"}"#) || !wants("event.data.n > 1", r#"{"n":"text"}"#), "and never a panic");
    assert!(wants("event.data.n + 1 > 1", r#"{"n":"text"}"#), "this cannot be calculated");
    assert!(wants("event.type == 'thing.happened' and not event.is_test", "{}"));
}

#[test]
fn events_are_in_order_by_a_value_that_they_have() {
    let key = |order: &str, data: &str| {
        let contract = compile(&source("  events: all\n", &format!("delivery:\n  order: {order}\n")));
        let event_type = EventType::try_new("thing.happened").unwrap();
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data, is_test: false };
        contract.order_key(event)
    };
    let by = |expression: &str, data: &str| key(&format!("{{ by: \"{{{{ {expression} }}}}\" }}"), data);
    assert_eq!((key("endpoint", "{}"), key("{ wait: 1h }", "{}")), (Some(String::new()), Some(String::new())));
    assert_eq!(by("event.data.order", r#"{"order":"o\u0031"}"#).as_deref(), Some("o1"), "however it is written");
    assert_eq!(by("event.data.order", r#"{"order":17}"#).as_deref(), Some("17"));
    assert_eq!(by("event.type ~ '/' ~ event.data.id", r#"{"id":5}"#).as_deref(), Some("thing.happened/5"));
    for without in ["{}", r#"{"order":null}"#, "[]", "7"] {
        assert_eq!(by("event.data.order", without), None, "{without}");
    }
}

/// One event, asked about endpoints that have chosen different things, one after the other and each by itself: the answers are the same.
#[test]
fn what_a_filter_names_of_an_event_is_the_same_for_every_endpoint_and_the_rest_is_not() {
    let filter = "  options:\n    wanted: { type: string, required: true, examples: [a] }\n  filter:\n    $let:\n      kind: \"{{ event.data.kind | default('none') }}\"\n      mine: \"{{ endpoint.options.wanted }}\"\n      both: \"{{ kind ~ mine }}\"\n      lost: \"{{ event.data.lost }}\"\n    $then:\n      $let:\n        long: \"{{ kind ~ kind ~ '!' }}\"\n        kind: \"{{ endpoint.options.wanted }}\"\n        hidden: \"{{ kind }}\"\n      $then: \"{{ (both == 'xa' or long == 'yy!' and hidden == 'b') and lost is undefined }}\"\n";
    let contract = compile(&source(filter, ""));
    let event_type = EventType::try_new("thing.happened").unwrap();
    let options = ["a", "b", "c"].map(|wanted| json!({ "wanted": wanted }).to_string());
    for (data, expected) in [
        (r#"{"kind":"x"}"#, [true, false, false]),
        (r#"{"kind":"y"}"#, [false, true, false]),
        (r#"{"kind":"y","lost":1}"#, [false, false, false]),
        ("{}", [false, false, false]),
    ] {
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data, is_test: false };
        let values = EventValues::default();
        let together = options.each_ref().map(|options| contract.wants(event, Some(options), &values));
        let backwards: Vec<bool> = options.iter().rev().map(|options| contract.wants(event, Some(options), &values)).collect();
        let alone = options.each_ref().map(|options| contract.wants(event, Some(options), &EventValues::default()));
        assert_eq!((together, alone), (expected, expected), "{data}");
        assert!(backwards.iter().rev().eq(&expected), "{data}");
    }
}

#[test]
fn a_filter_can_name_what_it_looks_at_and_go_through_lists() {
    let filter = "  options:\n    wanted: { type: array, items: { type: string }, default: [] }\n  filter:\n    $let: { owner: \"{{ event.data.parts | selectattr('kind', 'eq', 'owner') | first }}\" }\n    $then:\n      $each: \"{{ owner.ids }}\"\n      $when: \"{{ (item.system ~ '|' ~ item.value) in endpoint.options.wanted }}\"\n      $then: true\n";
    let contract = compile(&source(filter, ""));
    let event_type = EventType::try_new("thing.happened").unwrap();
    let wants = |data: &Value| {
        let data = data.to_string();
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data: &data, is_test: false };
        contract.wants(event, Some(r#"{"wanted":["a|1","b|2"]}"#), &EventValues::default())
    };
    let owned = |ids: Value| json!({ "parts": [{ "kind": "payer", "ids": [{ "system": "a", "value": "1" }] }, { "kind": "owner", "ids": ids }] });
    assert!(wants(&owned(json!([{ "system": "c", "value": "1" }, { "system": "b", "value": "2" }]))));
    assert!(!wants(&owned(json!([{ "system": "a", "value": "2" }, { "system": "b", "value": "1" }]))), "each with its own");
    assert!(!wants(&owned(json!([]))) && !wants(&json!({ "parts": [] })) && !wants(&json!({})), "nothing is there");
}

#[test]
fn choices_are_checked_by_their_schemas() {
    let contract = compile(&source(
        "  options:\n    retries: { type: integer, minimum: 0, maximum: 3, required: true }\n    tags: { type: array, items: { type: string } }\n",
        "",
    ));
    let wrong = |chosen: Value| {
        let Value::Object(chosen) = chosen else { return vec!["no object".to_owned()] };
        contract.check_options(&chosen).into_iter().map(|error| error.pointer).collect::<Vec<_>>()
    };
    assert_eq!(wrong(json!({ "retries": 3, "tags": ["a"] })), Vec::<String>::new());
    assert_eq!(wrong(json!({})), ["/retries"]);
    assert_eq!(wrong(json!({ "retries": 4, "tags": ["a", 1], "more": true })), ["/more", "/retries", "/tags/1"]);
    assert_eq!(wrong(json!({ "retries": 1, "tags": ["x".repeat(20_000)] })), [""]);
}
