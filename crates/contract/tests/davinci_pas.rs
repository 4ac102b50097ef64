//! Whose prior authorizations a subscription of `davinci-pas` is told of, and which changes are news.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use crate::common::{NOW, compile};
use bellwire_contract::{Contract, EventValues, FilteredEvent, StoredResource};
use bellwire_domain::EventType;
use bytes::Bytes;
use serde_json::{Value, json};

fn contract() -> Contract {
    compile(include_str!("../../../contracts/davinci-pas.yaml"))
}

/// A response Bundle: what a ClaimResponse has beside its type, and the other entries.
fn bundle(answer: &Value, others: &Value) -> Value {
    let mut resource = json!({ "resourceType": "ClaimResponse", "id": "1" });
    resource.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    let mut entry = vec![json!({ "fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111", "resource": resource })];
    entry.extend(others.as_array().unwrap().iter().cloned());
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entry })
}

fn organization(id: &str, identifiers: &Value) -> Value {
    json!({ "resourceType": "Organization", "id": id, "identifier": identifiers })
}

#[test]
fn an_organization_is_found_wherever_the_requestor_leads() {
    const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
    let contract = contract();
    let event_type = EventType::try_new("result-available").unwrap();
    let wants = |organizations: &Value, data: &Value| {
        let (data, options) = (data.to_string(), json!({ "organizations": organizations }).to_string());
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data: &data, is_test: false };
        contract.wants(event, Some(&options), &EventValues::default())
    };
    let ours =
        json!([{ "system": "urn:tax", "value": "99" }, { "type": { "text": "NPI" }, "system": NPI, "value": "1234567893" }]);
    let (clinic, payer) = (organization("clinic", &ours), organization("payer", &json!([{ "system": NPI, "value": "1" }])));
    let entry = |url: &str, resource: &Value| json!({ "fullUrl": url, "resource": resource });
    let (urn, absolute) = ("urn:uuid:22222222-2222-4222-8222-222222222222", "https://ehr.example.com/Organization/7");
    let inline = bundle(&json!({ "requestor": { "identifier": ours[1] } }), &json!([entry("urn:uuid:0", &payer)]));
    let found = [
        inline.clone(),
        bundle(&json!({ "requestor": { "reference": "#org" }, "contained": [organization("org", &ours)] }), &json!([])),
        bundle(&json!({ "requestor": { "reference": urn } }), &json!([entry("urn:uuid:0", &payer), entry(urn, &clinic)])),
        bundle(&json!({ "requestor": { "reference": absolute } }), &json!([entry(absolute, &clinic)])),
        bundle(
            &json!({ "requestor": { "reference": "Organization/clinic" } }),
            &json!([entry(absolute, &clinic), entry(urn, &payer)]),
        ),
    ];
    for data in &found {
        for wanted in [json!(["1234567893"]), json!(["7", "1234567893"]), json!([format!("{NPI}|1234567893")])] {
            assert!(wants(&wanted, data), "{wanted} {data}");
        }
        for other in [json!(["1"]), json!(["urn:tax|1234567893"]), json!([format!("{NPI}|1")]), json!(["|1234567893"]), json!([])]
        {
            assert!(!wants(&other, data), "{other} {data}");
        }
    }
    let own = json!({ "identifier": [{ "system": NPI, "value": "1234567893" }] });
    for lost in [
        bundle(&own, &json!([])),
        bundle(&json!({ "requestor": { "reference": "#org" } }), &json!([entry("#org", &payer)])),
        bundle(&json!({ "requestor": { "reference": "Organization/7" } }), &json!([entry(absolute, &clinic)])),
        bundle(&json!({ "requestor": { "display": "Clinic" } }), &json!([entry(absolute, &clinic)])),
        bundle(&json!({ "requestor": { "reference": urn } }), &json!([entry(absolute, &clinic)])),
    ] {
        assert!(!wants(&json!(["1234567893"]), &lost), "{lost}");
    }
    let without = bundle(&json!({ "requestor": { "identifier": { "value": "5" } } }), &json!([]));
    assert!(wants(&json!(["|5"]), &without) && wants(&json!(["5"]), &without), "an identifier without a system");
}

#[test]
fn what_the_filter_looks_at_is_as_it_has_to_be() {
    let contract = contract();
    let is_taken =
        |data: &Value| contract.check_data(contract.event("result-available").unwrap(), data.to_string().as_bytes()).is_ok();
    let entry = |resource: &Value| json!([{ "fullUrl": "urn:uuid:0", "resource": resource }]);
    assert!(is_taken(&bundle(
        &json!({ "requestor": { "identifier": { "value": "1" } } }),
        &entry(&organization("a", &json!([])))
    )));
    assert!(is_taken(&bundle(
        &json!({}),
        &entry(&json!({ "resourceType": "QuestionnaireResponse", "identifier": { "value": "1" } }))
    )));
    for (answer, others) in [
        (json!({ "requestor": "1" }), json!([])),
        (json!({ "requestor": { "reference": 1 } }), json!([])),
        (json!({ "requestor": { "identifier": ["1"] } }), json!([])),
        (json!({ "contained": {} }), json!([])),
        (json!({ "contained": [organization("a", &json!("1"))] }), json!([])),
        (json!({}), entry(&organization("a", &json!({ "value": "1" })))),
        (json!({}), entry(&organization("a", &json!([{ "value": 1 }])))),
        (json!({}), entry(&json!({ "resourceType": "ClaimResponse" }))),
        (json!({}), json!([{ "resource": { "resourceType": "Patient" } }])),
    ] {
        assert!(!is_taken(&bundle(&answer, &others)), "{answer} {others}");
    }
}

#[test]
fn a_large_bundle_is_told_to_nobody_else() {
    let contract = contract();
    let event_type = EventType::try_new("result-available").unwrap();
    let note = "x".repeat(1_000);
    let patient = |number: usize| json!({ "fullUrl": format!("urn:uuid:{number}"), "resource": { "resourceType": "Patient", "note": note } });
    let mut others: Vec<Value> = (0..1_000).map(patient).collect();
    others.push(json!({ "fullUrl": "urn:uuid:o", "resource": organization("o", &json!([{ "value": "5" }])) }));
    let data = bundle(&json!({ "requestor": { "reference": "urn:uuid:o" } }), &json!(others)).to_string();
    for (organization, wanted) in [("5", true), ("6", false)] {
        let event = FilteredEvent { id: "1", event_type: &event_type, occurred_at: NOW, data: &data, is_test: false };
        assert_eq!(
            contract.wants(event, Some(&json!({ "organizations": [organization] }).to_string()), &EventValues::default()),
            wanted
        );
    }
}

#[test]
fn a_pended_answer_is_no_news_and_every_change_of_it_is() {
    let contract = contract();
    let definition = contract.resource("prior_authorization").unwrap();
    let document = |status: &str, outcome: &str| {
        let answer = json!({ "outcome": outcome, "patient": { "reference": "Patient/9" }, "requestor": { "identifier": { "value": "5" } } });
        json!({ "status": status, "response": bundle(&answer, &json!([])) }).to_string()
    };
    let put = |old: Option<(&str, &str)>, new: &str| {
        let ever = old.map(|(state, _)| vec![state.to_owned()]).unwrap_or_default();
        let old = old.map(|(state, document)| StoredResource { state, states_ever: &ever, document });
        definition.decide("1", old, &Bytes::copy_from_slice(new.as_bytes()))
    };
    let (pended, complete) = (document("pended", "queued"), document("complete", "complete"));
    let first = put(None, &pended).unwrap();
    assert_eq!((first.events.len(), &first.subjects), (0, &vec!["Patient/9".to_owned()]));
    assert_eq!(put(None, &complete).unwrap().events.len(), 1, "who puts only what is decided");
    assert!(put(Some(("pended", &pended)), &pended).unwrap().is_same);
    for (state, old, new) in [
        ("pended", &pended, document("pended", "partial")),
        ("pended", &pended, complete.clone()),
        ("pended", &pended, document("cancelled", "error")),
        ("complete", &complete, document("complete", "partial")),
        ("complete", &complete, pended.clone()),
    ] {
        let change = put(Some((state, old)), &new).unwrap();
        let [event] = &change.events[..] else { panic!("{change:?}") };
        let response: Value = serde_json::from_str::<Value>(&new).unwrap()["response"].clone();
        assert_eq!(event.data, response.to_string(), "the whole Bundle");
        contract.check_data(contract.event("result-available").unwrap(), &event.data).unwrap();
    }
    let cancelled = document("cancelled", "error");
    assert!(put(Some(("cancelled", &cancelled)), &pended).is_err(), "what is cancelled stays so");
    assert!(put(Some(("complete", &complete)), &document("partial", "partial")).is_err());
}
