//! Results of prior authorizations, as Da Vinci PAS has payers send them: from the subscription to the Bundle that arrives.

use std::path::Path;

use serde_json::{Value, json};

use super::fhir::{bundle, extension, once, status, suite_of};
use super::missed::Client;
use super::{ACCOUNT, World};
use crate::harness::{Home, LOCAL, Request, Sink, until};

const CONTRACT: &str = "davinci-pas";
const TOPIC: &str = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic";
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// A Subscription as the guide has it.
fn subscription(url: &str, filter: &str) -> Value {
    json!({
        "resourceType": "Subscription",
        "meta": { "profile": ["http://hl7.org/fhir/us/davinci-pas/StructureDefinition/profile-subscription"] },
        "status": "active",
        "reason": "Results for our clinics",
        "criteria": TOPIC,
        "_criteria": { "extension": [{ "url": extension("filter-criteria"), "valueString": filter }] },
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": { "extension": [{ "url": extension("payload-content"), "valueCode": "full-resource" }] }
        }
    })
}

/// The response about an authorization, for the organization with this NPI.
fn response(id: &str, npi: &str, outcome: &str) -> Value {
    let url = |resource: &str| format!("https://payer.example.com/fhir/{resource}");
    json!({
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-11-30T12:00:00Z",
        "entry": [
            { "fullUrl": url(&format!("ClaimResponse/{id}")), "resource": {
                "resourceType": "ClaimResponse", "id": id, "status": "active", "use": "preauthorization", "outcome": outcome,
                "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional" }] },
                "patient": { "reference": "Patient/9" }, "created": "2026-11-30T12:00:00Z",
                "insurer": { "reference": "Organization/payer" }, "requestor": { "reference": "Organization/clinic" }
            } },
            { "fullUrl": url("Organization/clinic"), "resource": {
                "resourceType": "Organization", "id": "clinic", "name": "Clinic", "identifier": [{ "system": NPI, "value": npi }]
            } },
            { "fullUrl": url("Organization/payer"), "resource": { "resourceType": "Organization", "id": "payer", "name": "Payer" } },
            { "fullUrl": url("Patient/9"), "resource": { "resourceType": "Patient", "id": "9" } }
        ]
    })
}

/// Puts an authorization; how many events that causes.
fn put(world: &World, id: &str, state: &str, response: &Value) -> usize {
    let path = format!("/v1/accounts/{ACCOUNT}/resources/prior_authorization/{id}");
    let answer = world.server.api.put(&path, &json!({ "status": state, "response": response }));
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()["events"].as_array().unwrap().len()
}

/// What a notification says of its event, once its entries are known to be those of the response.
#[track_caller]
fn told(request: &Request, response: &Value) -> Value {
    carries(&bundle(request), response)
}

#[track_caller]
fn carries(notification: &Value, response: &Value) -> Value {
    let (entries, wanted) = (notification["entry"].as_array().unwrap(), response["entry"].as_array().unwrap());
    assert_eq!(entries.len(), 1 + wanted.len(), "{notification}");
    for (entry, wanted) in entries.iter().skip(1).zip(wanted) {
        assert_eq!((&entry["fullUrl"], &entry["resource"]), (&wanted["fullUrl"], &wanted["resource"]));
    }
    let said = status(&entries[0]["resource"]);
    assert_eq!(said["topic"], TOPIC);
    let event = said["notification-event"].as_array().unwrap();
    assert_eq!(event[2]["valueReference"]["reference"], entries[1]["fullUrl"], "the ClaimResponse is the focus");
    said
}

#[test]
fn an_authorization_from_pended_to_cancelled() {
    let (world, sink) = (World::of(CONTRACT), Sink::start(|_| 200));
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let filter = format!("orgIdentifier={NPI}|1234567893, 7");
    let wanted = subscription(&sink.url("/fhir"), &filter);
    let made = client.ask("POST", "/Subscription", &[], &wanted).expect(201);
    assert_eq!((&made["_criteria"], &made["channel"]), (&wanted["_criteria"], &wanted["channel"]), "as it was sent");
    let id = made["id"].as_str().unwrap();
    once(&client, id, "active");
    assert_eq!(status(&bundle(&sink.wait_for(1)[0])["entry"][0]["resource"])["type"], "handshake");

    let pended = response("1", "1234567893", "queued");
    assert_eq!(put(&world, "1", "pended", &pended), 0, "the submitter has been answered that");
    assert_eq!(put(&world, "2", "complete", &response("2", "8", "complete")), 1, "somebody else's");
    let mut partial = pended.clone();
    partial["entry"][0]["resource"]["disposition"] = "one of two items is decided".into();
    let complete = response("1", "1234567893", "complete");
    for (state, response) in [("pended", &partial), ("complete", &complete)] {
        assert_eq!(put(&world, "1", state, response), 1);
    }
    let requests = sink.wait_for(3);
    for (number, (request, response)) in requests[1..].iter().zip([&partial, &complete]).enumerate() {
        let said = told(request, response);
        assert_eq!(said["notification-event"][0]["valueString"], (number + 1).to_string(), "others are not counted");
    }
    let missed = client.get(&format!("/Subscription/{id}/$events?eventsSinceNumber=2")).expect(200);
    assert_eq!(carries(&missed, &complete)["type"], "query-event");

    // A payer may also post the Bundle itself.
    world.server.api.publish(ACCOUNT, "result-available", &response("3", "7", "complete").to_string());
    told(&sink.wait_for(4)[3], &response("3", "7", "complete"));
    assert_eq!(put(&world, "1", "cancelled", &complete), 1);
    told(&sink.wait_for(5)[4], &complete);
    let path = format!("/v1/accounts/{ACCOUNT}/resources/prior_authorization/1");
    let reopened = world.server.api.put(&path, &json!({ "status": "pended", "response": pended }));
    assert_eq!(reopened.problem(409), "illegal_transition");

    // Who may see and change it is the submitting system alone.
    world.server.api.put("/v1/accounts/other", &json!({ "contract": CONTRACT })).expect(201);
    let other = Client::of(&world, CONTRACT, "other");
    for (method, path) in [("GET", ""), ("GET", "/$status"), ("GET", "/$events"), ("PUT", ""), ("DELETE", "")] {
        let body = if method == "PUT" { wanted.clone() } else { Value::Null };
        assert_eq!(
            other.ask(method, &format!("/Subscription/{id}{path}"), &[], &body).expect(404)["issue"][0]["code"],
            "not-found"
        );
    }
    assert_eq!(sink.count(), 5);
}

#[test]
fn only_what_the_guide_has_is_taken() {
    let world = World::of(CONTRACT);
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let good = subscription("http://127.0.0.1:9/fhir", "org-identifier=1");
    let filter = "/_criteria/extension/0/valueString";
    for (pointer, value, expression) in [
        ("/criteria", json!("http://example.org/topics/resource-changed"), "Subscription.criteria"),
        ("/channel/type", json!("websocket"), "Subscription.channel.type"),
        ("/channel/_payload/extension/0/valueCode", json!("id-only"), "Subscription.channel.payload.extension"),
        ("/channel/_payload/extension", json!([]), "Subscription.channel.payload.extension"),
        ("/_criteria/extension", json!([]), "Subscription.criteria.extension"),
        (filter, json!("patient=1"), "Subscription.criteria.extension"),
        (filter, json!("Patient?org-identifier=1"), "Subscription.criteria.extension"),
        (filter, json!("org-identifier="), "Subscription.criteria.extension"),
        (filter, json!("org-identifier=1,,2"), "Subscription.criteria.extension"),
        (filter, json!("org-identifier=1, "), "Subscription.criteria.extension"),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let refused = client.ask("POST", "/Subscription", &[], &wrong).expect(400);
        assert_eq!(refused["issue"][0]["expression"], json!([expression]), "{wrong} {refused}");
    }
    for taken in ["org-identifier=1", "orgIdentifier=1,urn:x|2", "ClaimResponse?org-identifier=a b", "Bundle?orgIdentifier=1, 2"]
    {
        client.ask("POST", "/Subscription", &[], &subscription("http://127.0.0.1:9/fhir", taken)).expect(201);
    }
    let path = format!("/v1/accounts/{ACCOUNT}/resources/prior_authorization/1");
    let mut empty = response("1", "1", "complete");
    empty["entry"].as_array_mut().unwrap().remove(0);
    world.server.api.put(&path, &json!({ "status": "complete", "response": empty })).expect(422);
}

/// A server that knows the contract with its days as parts of a second.
fn hurried(changes: &[(&str, &str)], contract: &str) -> World {
    let (home, root) = (Home::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let mut source = std::fs::read_to_string(root.join(format!("contracts/{contract}.yaml"))).unwrap();
    for (days, moments) in changes {
        assert!(source.contains(days), "{days}");
        source = source.replacen(days, moments, 1);
    }
    let folder = home.path("contracts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(format!("{contract}.yaml")), source).unwrap();
    let server = home.start_with(&[&LOCAL[..], &["--contracts", folder.to_str().unwrap()]].concat());
    server.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": contract })).expect(201);
    World { server, contracts: folder, home }
}

const RETRY: (&str, &str) =
    ("retry: { retries: 24, within: 5d, backoff: exponential, first: 10s }", "retry: { every: 50ms, retries: 1000 }");

#[test]
fn a_receiver_that_was_down_gets_everything_in_its_order() {
    let (world, sink) = (hurried(&[RETRY], CONTRACT), Sink::start(|_| 200));
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let made = client.ask("POST", "/Subscription", &[], &subscription(&sink.url("/fhir"), "org-identifier=5")).expect(201);
    let id = made["id"].as_str().unwrap();
    once(&client, id, "active");
    sink.answer(|_| 503);
    assert_eq!(put(&world, "1", "pended", &response("1", "5", "queued")), 0);
    let (partial, complete) = (response("1", "5", "partial"), response("1", "5", "complete"));
    assert_eq!((put(&world, "1", "partial", &partial), put(&world, "1", "complete", &complete)), (1, 1));
    sink.wait_for(8);
    let world = world;
    assert_eq!(client.get(&format!("/Subscription/{id}")).expect(200)["status"], "active", "it is tried on");
    sink.answer(|_| 200);
    let last = until("the last has arrived", || {
        sink.requests().into_iter().find(|request| bundle(request)["entry"][1]["resource"]["outcome"] == "complete")
    });
    told(&last, &complete);
    let outcomes: Vec<String> = sink.requests()[1..]
        .iter()
        .map(|request| bundle(request)["entry"][1]["resource"]["outcome"].as_str().unwrap().to_owned())
        .collect();
    let (first, then) = outcomes.split_at(outcomes.iter().position(|outcome| outcome == "complete").unwrap());
    assert!(first.iter().all(|outcome| outcome == "partial") && then == ["complete"], "{outcomes:?}");
    let missed = client.get(&format!("/Subscription/{id}/$events?eventsUntilNumber=1")).expect(200);
    carries(&missed, &partial);
    drop(world);
}

#[test]
fn a_receiver_that_was_down_for_three_days_is_in_error_and_gets_what_waited() {
    let world = hurried(&[RETRY, ("after_unhealthy_for: 3d", "after_unhealthy_for: 100ms")], CONTRACT);
    let waits = in_error(&world, CONTRACT, &response("1", "5", "partial"), &response("1", "5", "complete"));
    let outcomes: Vec<&Value> = waits.iter().map(|notification| &notification["entry"][1]["resource"]["outcome"]).collect();
    assert_eq!(outcomes, ["partial", "complete"], "also the one that it failed with");
}

#[test]
fn four_failures_are_an_error_until_the_client_asks_anew() {
    let world = hurried(&[("schedule: [10s, 1m, 5m]", "schedule: [10ms, 60ms, 300ms]")], "fhir-r4-backport");
    let result = |id: &str| json!({ "focus": format!("ClaimResponse/{id}"), "resources": [{ "resourceType": "ClaimResponse", "id": id }], "matches": ["org-identifier=5"] });
    let waits = in_error(&world, "fhir-r4-backport", &result("1"), &result("2"));
    let ids: Vec<&Value> = waits.iter().map(|notification| &notification["entry"][1]["resource"]["id"]).collect();
    assert_eq!(ids, ["2"], "what has failed four times is asked for with $events");
}

/// Lets a subscription fail with the first event until it is in error, and publishes the second; what is sent once the client has asked anew.
#[track_caller]
fn in_error(world: &World, contract: &str, first: &Value, second: &Value) -> Vec<Value> {
    let (sink, client) = (Sink::start(|_| 200), Client::of(world, contract, ACCOUNT));
    let filter = if contract == CONTRACT { "org-identifier=5" } else { "ClaimResponse?org-identifier=5" };
    let mut wanted = subscription(&sink.url("/fhir"), filter);
    let made = client.ask("POST", "/Subscription", &[], &wanted).expect(201);
    let id = made["id"].as_str().unwrap();
    once(&client, id, "active");
    sink.answer(|_| 503);
    world.server.api.publish(ACCOUNT, "result-available", &first.to_string());
    let failed = once(&client, id, "error");
    assert!(failed["error"].as_str().unwrap().contains("503"), "{failed}");
    assert!(sink.count() > 4, "four failures at least");
    world.server.api.publish(ACCOUNT, "result-available", &second.to_string());
    let stands = client.get(&format!("/Subscription/{id}/$status")).expect(200);
    let stands = status(&stands["entry"][0]["resource"]);
    assert_eq!((&stands["status"], &stands["events-since-subscription-start"]), (&json!("error"), &json!("2")), "it is counted");
    assert!(stands["error"]["text"].as_str().unwrap().contains("503"), "{stands}");
    sink.answer(|_| 200);
    let before = sink.count();
    wanted["status"] = "requested".into();
    client.ask("PUT", &format!("/Subscription/{id}"), &[], &wanted).expect(200);
    once(&client, id, "active");
    let arrived = |last: &Value| last["entry"][0]["resource"].to_string().contains("\"event-number\",\"valueString\":\"2\"");
    until("what waited has arrived", || sink.requests()[before..].iter().any(|one| arrived(&one.json())).then_some(()));
    let missed = client.get(&format!("/Subscription/{id}/$events")).expect(200);
    let told = missed["entry"][0]["resource"]["parameter"].as_array().unwrap();
    assert_eq!(told.iter().filter(|one| one["name"] == "notification-event").count(), 2, "$events has both in any case");
    let all: Vec<Value> = sink.requests()[before..].iter().map(Request::json).collect();
    assert_eq!(status(&all[0]["entry"][0]["resource"])["type"], "handshake");
    all[1..].to_vec()
}

#[test]
fn a_client_in_another_language_reads_what_arrives() {
    suite_of("R4", CONTRACT, "test_davinci_pas.py");
}
