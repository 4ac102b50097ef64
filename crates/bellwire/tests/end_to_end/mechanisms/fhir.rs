//! The life of a subscription of FHIR, as its client sees it.

mod requirements;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::missed::Client;
use super::{ACCOUNT, World};
use crate::harness::{Home, KEY, Request, Sink, until};

const TOPIC: &str = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic";
const BASE: &str = "https://fhir.example.com/r4";
const CONTRACT: &str = "fhir-r4-backport";

pub(super) fn extension(name: &str) -> String {
    format!("http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-{name}")
}

/// A Subscription as clients write it.
fn subscription(url: &str, content: &str) -> Value {
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Results of authorizations",
        "criteria": TOPIC,
        "_criteria": { "extension": [{ "url": extension("filter-criteria"), "valueString": "ClaimResponse?orgIdentifier=1,2" }] },
        "channel": {
            "extension": [{ "url": extension("timeout"), "valueUnsignedInt": 20 }],
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": { "extension": [{ "url": extension("payload-content"), "valueCode": content }] },
            "header": ["Authorization: Bearer of-the-client"]
        }
    })
}

fn result(id: &str, organization: &str) -> String {
    json!({
        "focus": format!("ClaimResponse/{id}"),
        "resources": [{ "resourceType": "ClaimResponse", "id": id, "outcome": "complete" }],
        "matches": [format!("org-identifier={organization}")]
    })
    .to_string()
}

/// The parameters of a status, by their names; of several with one name the last.
pub(super) fn status(resource: &Value) -> Value {
    assert_eq!(resource["resourceType"], "Parameters");
    let mut all = json!({});
    for parameter in resource["parameter"].as_array().unwrap() {
        let value = parameter.as_object().unwrap().iter().find(|(name, _)| *name != "name").unwrap().1;
        all[parameter["name"].as_str().unwrap()] = value.clone();
    }
    all
}

/// The Bundle that a receiver got.
pub(super) fn bundle(request: &Request) -> Value {
    assert_eq!(request.header("content-type"), Some("application/fhir+json"));
    let bundle = request.json();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("history")));
    assert!(
        bundle["entry"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["request"]["method"] == "GET" && entry["response"]["status"] == "200")
    );
    bundle
}

#[track_caller]
pub(super) fn once(client: &Client, id: &str, wanted: &str) -> Value {
    until(&format!("the subscription is {wanted}"), || {
        Some(client.get(&format!("/Subscription/{id}")).expect(200)).filter(|read| read["status"] == wanted)
    })
}

#[test]
fn a_subscription_from_its_creation_to_its_deletion() {
    let (world, sink) = (World::of(CONTRACT), Sink::start(|_| 200));
    let (api, client) = (&world.server.api, Client::of(&world, CONTRACT, ACCOUNT));
    let fhir = [("Content-Type", "application/fhir+json")];
    let wanted = subscription(&sink.url("/fhir"), "full-resource");
    let created = client.ask("POST", "/Subscription", &fhir, &wanted);
    let made = created.expect(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(created.header("location"), Some(&*format!("{BASE}/Subscription/{id}")));
    assert_eq!(created.header("content-type"), Some("application/fhir+json"));
    for name in ["resourceType", "status", "reason", "criteria", "_criteria", "channel"] {
        assert_eq!(made[name], wanted[name], "{name} of {made}");
    }

    let shaken = sink.wait_for(1).remove(0);
    assert_eq!(shaken.header("authorization"), Some("Bearer of-the-client"));
    let first = status(&bundle(&shaken)["entry"][0]["resource"]);
    assert_eq!((&first["status"], &first["type"]), (&json!("requested"), &json!("handshake")));
    assert_eq!(first["subscription"], json!({ "reference": format!("{BASE}/Subscription/{id}") }));
    assert_eq!(first["events-since-subscription-start"], "0");
    once(&client, id, "active");

    api.publish(ACCOUNT, "result-available", &result("other", "3"));
    api.publish(ACCOUNT, "result-available", &result("1", "2"));
    let told = bundle(&sink.wait_for(2).remove(1));
    let (head, entries) = (status(&told["entry"][0]["resource"]), told["entry"].as_array().unwrap());
    assert_eq!((&head["status"], &head["type"], &head["topic"]), (&json!("active"), &json!("event-notification"), &json!(TOPIC)));
    assert_eq!(head["events-since-subscription-start"], "1", "what the filter leaves out is not counted");
    let part = &head["notification-event"];
    assert_eq!(part[0], json!({ "name": "event-number", "valueString": "1" }));
    assert_eq!(part[2], json!({ "name": "focus", "valueReference": { "reference": format!("{BASE}/ClaimResponse/1") } }));
    assert_eq!((entries.len(), &entries[1]["fullUrl"]), (2, &json!(format!("{BASE}/ClaimResponse/1"))));
    assert_eq!(entries[1]["resource"], json!({ "resourceType": "ClaimResponse", "id": "1", "outcome": "complete" }));

    for (method, path) in [("GET", format!("/Subscription/{id}/$status")), ("POST", format!("/Subscription/{id}/$status"))] {
        let stands = client.ask(method, &path, &[], &json!({ "resourceType": "Parameters" })).expect(200);
        let stands = status(&stands["entry"][0]["resource"]);
        assert_eq!((&stands["type"], &stands["status"]), (&json!("query-status"), &json!("active")));
        assert_eq!(stands["events-since-subscription-start"], "1");
    }
    let stands = client.get(&format!("/Subscription/$status?id=none,{id}&status=active")).expect(200);
    assert_eq!((&stands["type"], stands["entry"].as_array().unwrap().len()), (&json!("searchset"), 1));
    assert_eq!(client.get("/Subscription/$status?status=off,error").expect(200).get("entry"), None);

    let missed = client.get(&format!("/Subscription/{id}/$events?eventsSinceNumber=1&eventsUntilNumber=1")).expect(200);
    assert_eq!(status(&missed["entry"][0]["resource"])["type"], "query-event");
    assert_eq!(missed["entry"][1]["resource"], entries[1]["resource"]);
    let thin = client.get(&format!("/Subscription/{id}/$events?content=id-only")).expect(200);
    assert_eq!((&thin["entry"][1]["fullUrl"], thin["entry"][1].get("resource")), (&entries[1]["fullUrl"], None));
    let empty = client.get(&format!("/Subscription/{id}/$events?content=empty")).expect(200);
    assert_eq!(empty["entry"].as_array().unwrap().len(), 1);

    let found = client.get("/Subscription?status=active").expect(200);
    assert_eq!(found["entry"][0]["resource"]["channel"]["header"], json!(["Authorization: ***"]), "{found}");
    assert_eq!(client.get("/Subscription?status=off").expect(200).get("entry"), None);

    let path = format!("/Subscription/{id}");
    let tag = client.get(&path).header("etag").unwrap().to_owned();
    let mut off = wanted.clone();
    off["status"] = "off".into();
    let put = |expected: &str, body: &Value| client.ask("PUT", &path, &[fhir[0], ("If-Match", expected)], body);
    assert_eq!(put(&tag, &off).expect(200)["status"], "off");
    let refused = put(&tag, &wanted).expect(412);
    assert_eq!((&refused["resourceType"], &refused["issue"][0]["code"]), (&json!("OperationOutcome"), &json!("conflict")));
    api.publish(ACCOUNT, "result-available", &result("2", "1"));
    assert_eq!(put("*", &wanted).expect(200)["status"], "requested", "it is asked anew");
    once(&client, id, "active");
    let again = status(&bundle(&sink.wait_for(3).remove(2))["entry"][0]["resource"]);
    assert_eq!((&again["type"], &again["events-since-subscription-start"]), (&json!("handshake"), &json!("1")));

    client.ask("DELETE", &path, &[], &Value::Null).expect(204);
    assert_eq!(client.get(&path).expect(404)["issue"][0]["code"], "not-found");
}

#[test]
fn what_is_not_offered_is_refused_with_an_outcome() {
    let world = World::of(CONTRACT);
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let good = subscription("http://127.0.0.1:9/fhir", "id-only");
    let cases: [(&str, Value, &str); 9] = [
        ("/criteria", json!("http://example.com/unknown"), "Subscription.criteria"),
        ("/status", json!("error"), "Subscription.status"),
        ("/channel/type", json!("websocket"), "Subscription.channel.type"),
        ("/channel/payload", json!("application/xml"), "Subscription.channel.payload"),
        ("/channel/_payload/extension/0/valueCode", json!("everything"), "Subscription.channel.payload.extension"),
        ("/channel/_payload/extension", json!([]), "Subscription.channel.payload.extension"),
        ("/_criteria/extension/0/valueString", json!("ClaimResponse?colour=red"), "Subscription.criteria.extension"),
        ("/_criteria/extension/0/valueString", json!("ClaimResponse"), "Subscription.criteria.extension"),
        ("/channel/endpoint", json!("ftp://example.com/"), "channel.endpoint"),
    ];
    for (pointer, value, expression) in cases {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let refused = client.ask("POST", "/Subscription", &[], &wrong).expect(400);
        assert_eq!((&refused["resourceType"], &refused["issue"][0]["severity"]), (&json!("OperationOutcome"), &json!("error")));
        assert_eq!(refused["issue"][0]["expression"], json!([expression]), "{refused}");
    }
    assert_eq!(client.get("/Subscription").expect(200).get("entry"), None);
    let offers = world.server.api.without_key().get(&format!("/published/{CONTRACT}/metadata")).expect(200);
    assert_eq!((&offers["resourceType"], &offers["fhirVersion"]), (&json!("CapabilityStatement"), &json!("4.0.1")));
    assert_eq!(world.server.api.without_key().get(&format!("/published/{CONTRACT}/Subscription")).status, 401);
}

#[test]
fn a_subscription_that_cannot_be_told_is_in_error_until_its_client_asks_anew() {
    let (world, sink) = (World::of(CONTRACT), Sink::start(|_| 500));
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let mut wanted = subscription(&sink.url("/fhir"), "empty");
    wanted.as_object_mut().unwrap().remove("_criteria");
    let made = client.ask("POST", "/Subscription", &[], &wanted).expect(201);
    let id = made["id"].as_str().unwrap();
    let failed = once(&client, id, "error");
    assert!(failed["error"].as_str().unwrap().contains("500"), "{failed}");
    sink.answer(|_| 200);
    client.ask("PUT", &format!("/Subscription/{id}"), &[], &wanted).expect(200);
    once(&client, id, "active");
    let before = sink.count();
    world.server.api.publish(ACCOUNT, "result-available", &result("1", "7"));
    let told = bundle(&sink.wait_for(before + 1)[before]);
    let head = status(&told["entry"][0]["resource"]);
    assert_eq!(
        (told["entry"].as_array().unwrap().len(), head.get("topic")),
        (1, None),
        "an empty notification has nothing but the number"
    );
    assert_eq!(head["notification-event"].as_array().unwrap().len(), 2);
}

/// The contracts of R4 and R4B differ in resources alone: what is registered, filtered, sent and refused is the same.
#[test]
fn the_contract_of_r4b_differs_from_that_of_r4_in_its_resources_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (r4, r4b) = (read("fhir-r4-backport.yaml"), read("fhir-r4b-backport.yaml"));
    for (from, to) in [
        ("\nids:", "\nrequest:"),
        ("\n      kind: \"{{ 'event-notification' }}\"", "\n    $then: &notification"),
        ("\nactivation:", "\npublished:"),
        ("\n  authentication:", "\n    - method: GET\n      path: /Subscription/{id}/$status"),
        ("\n      title: What a subscription has missed", "\n    - method: GET\n      path: /"),
        ("\n  errors:", "\n          diagnostics:"),
    ] {
        let part = |text: &str| {
            let rest = &text[text.find(from).unwrap_or_else(|| panic!("{from}"))..];
            rest[..rest.find(to).unwrap_or_else(|| panic!("{to}"))].to_owned()
        };
        assert_eq!(part(&r4), part(&r4b));
    }
}

#[test]
fn nothing_is_sent_over_plain_http() {
    let home = Home::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../contracts/{CONTRACT}.yaml"));
    let server = home.start_with(&["--allow-network", "127.0.0.0/8", "--contracts", file.to_str().unwrap()]);
    server.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": CONTRACT })).expect(201);
    let world = World { server, home, contracts: file };
    let client = Client::of(&world, CONTRACT, ACCOUNT);
    let refused = client.ask("POST", "/Subscription", &[], &subscription("http://127.0.0.1:9/fhir", "empty")).expect(400);
    assert_eq!(refused["issue"][0]["expression"], json!(["channel.endpoint"]), "{refused}");
    client.ask("POST", "/Subscription", &[], &subscription("https://127.0.0.1:9/fhir", "empty")).expect(201);
}

#[test]
fn a_client_s_own_suite_finds_what_the_guide_promises_in_r4() {
    suite("R4", CONTRACT);
}

#[test]
fn a_client_s_own_suite_finds_what_the_guide_promises_in_r4b() {
    suite("R4B", "fhir-r4b-backport");
}

#[test]
fn a_client_s_own_suite_finds_what_r5_promises() {
    suite("R5", "fhir-r5");
}

/// A client and a receiver in another language, which read all that they get with a library for FHIR.
fn suite(version: &str, contract: &str) {
    suite_of(version, contract, ".");
}

/// The same, of one file.
pub(super) fn suite_of(version: &str, contract: &str, tests: &str) {
    let world = World::of(contract);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let asked = Command::new(root.join(".tools/venv/bin/python"))
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", tests])
        .current_dir(root.join("tests/fhir"))
        .env("BELLWIRE_URL", format!("http://{}", world.server.api.address))
        .env("BELLWIRE_KEY", KEY)
        .env("BELLWIRE_FHIR", version)
        .env("BELLWIRE_CONTRACT", contract)
        .output()
        .unwrap_or_else(|error| panic!("run scripts/setup first: {error}"));
    assert!(asked.status.success(), "{}{}", String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
}
