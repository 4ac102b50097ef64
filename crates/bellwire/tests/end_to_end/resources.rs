//! Resources: an operator puts what has become of an object, and a consumer hears exactly what its platform's document promises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Answer, Home, Platform, Receiver, Seen, Sink, bellwire, run, starting, until};

/// A resource, put again and again.
struct Object<'p> {
    platform: &'p Platform,
    path: String,
}

impl<'p> Object<'p> {
    fn new(platform: &'p Platform, kind: &str, id: &str) -> Self {
        Self { platform, path: platform.path(&format!("/resources/{kind}/{id}")) }
    }

    fn try_put(&self, document: &Value) -> Answer {
        self.platform.api.put(&self.path, document)
    }

    /// Puts a document; the types of the events.
    #[track_caller]
    fn put(&self, document: &Value) -> Vec<String> {
        let answer = self.try_put(document);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        let events = answer.json()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Puts a document that causes these events, and sees all of them arrive.
    #[track_caller]
    fn causes(&self, receiver: &Receiver, document: &Value, expected: &[&str]) -> Vec<Seen> {
        assert_eq!(self.put(document), expected, "{document}");
        let seen: Vec<Seen> = expected.iter().map(|_| receiver.next()).collect();
        let types: BTreeSet<_> = seen.iter().map(|seen| seen.event_type.as_deref().unwrap()).collect();
        assert_eq!(types, expected.iter().copied().collect(), "{document}");
        assert!(seen.iter().all(|seen| seen.verified), "{seen:?}");
        seen
    }
}

#[track_caller]
fn assert_sound(home: &Home) {
    let examined = run(bellwire().args(["doctor", "--database", &home.database()]));
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
}

#[test]
fn a_prior_authorization_from_its_creation_to_long_after_its_completion() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "develop-health");
    let receiver = starting("develop_health.py", &platform.secret).ready();
    platform.add_endpoint(&receiver.url());
    let object = Object::new(&platform, "prior_authorization", "pa_req_aBcDeFg");
    let mut document = json!({ "id": "pa_req_aBcDeFg", "object": "prior_authorization", "status": "created", "message_thread": [],
        "activity_log": [], "prescription": { "transferred": true }, "prescription_transfer": null, "cost": 1.10 });
    let mut change = |field: &str, value: Value| {
        document[field] = value;
        document.clone()
    };
    assert!(object.put(&change("status", json!("created"))).is_empty(), "nothing has changed yet");
    let check = change("real_time_benefits_check", json!({ "copay": 12.5 }));
    object.causes(&receiver, &check, &["prior_authorization.real_time_benefits_check_change"]);
    for status in ["processing", "awaiting_review", "awaiting_outcome", "validating_outcome"] {
        let now = change("status", json!(status));
        let seen = object.causes(&receiver, &now, &["prior_authorization.status_change"]);
        let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
        assert_eq!((&body["title"], &body["data"]), (&json!("Prior Authorization Updated"), &now));
        let read = platform.api.get(&object.path);
        assert_eq!(read.text(), now.to_string(), "what was sent is what GET answers");
    }
    object.causes(&receiver, &change("message_thread", json!([{ "text": "hello" }])), &["prior_authorization.message"]);
    assert!(object.put(&change("prescription_transfer", json!({ "attempts": 0 }))).is_empty(), "not before completion");
    let log = change("activity_log", json!(["sent"]));
    object.causes(&receiver, &log, &["prior_authorization.activity_log_updated"]);
    object.causes(&receiver, &change("status", json!("completed")), &["prior_authorization.status_change"]);

    let transfer = change("prescription_transfer", json!({ "attempts": 1 }));
    object.causes(&receiver, &transfer, &["prior_authorization.prescription_transfer_change"]);
    let messages = json!([{ "text": "hello" }, { "text": "thanks" }, { "text": "bye" }]);
    let message = "prior_authorization.message";
    object.causes(&receiver, &change("message_thread", messages), &[message, message]);
    let check = change("real_time_benefits_check", json!({ "copay": 10 }));
    object.causes(&receiver, &check, &["prior_authorization.real_time_benefits_check_change"]);
    assert!(object.put(&change("status", json!("processing"))).is_empty(), "completed once, it sends no more status changes");

    // Whoever is not entitled to the activity log does not hear of it; the rest is the same.
    let account = json!({ "contract": "develop-health", "entitlements": [] });
    platform.api.put(&format!("/v1/accounts/{}", platform.account), &account).expect(200);
    assert!(object.put(&change("activity_log", json!(["sent", "read"]))).is_empty());
    assert_sound(&home);
}

#[test]
fn a_resolved_difference_is_never_reopened() {
    const ID: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "noyo");
    let receiver = starting("noyo.js", &platform.secret).ready();
    platform.add_endpoint(&receiver.url());
    let object = Object::new(&platform, "difference", ID);
    let document = |status: &str| json!({ "id": ID, "status": status, "member": { "name": "Jane Doe" } });
    for (status, event_type) in
        [("processing", "difference.created"), ("discrepancy", "difference.discrepancy"), ("resolved", "difference.resolved")]
    {
        let seen = object.causes(&receiver, &document(status), &[event_type]);
        let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
        assert_eq!(body["data"], json!({ "id": ID }), "no one's name leaves");
    }
    let reopened = object.try_put(&document("processing"));
    assert_eq!(reopened.problem(409), "illegal_transition");
    assert!(reopened.json()["detail"].as_str().unwrap().contains("resources.difference.final"), "{}", reopened.text());
    assert_eq!(object.try_put(&document("reopened")).pointers(), ["/status"]);
    assert_eq!(platform.api.get(&object.path).expect(200), document("resolved"), "nothing was stored");

    let consumer = platform.api.post("/v1/keys", &json!({ "role": "consumer", "account": platform.account })).expect(201);
    let consumer = platform.api.with_key(consumer["key"].as_str().unwrap());
    assert_eq!(consumer.get(&object.path).expect(200), document("resolved"), "the consumer polls");
    assert_eq!(consumer.put(&object.path, &document("resolved")).problem(403), "forbidden");
    let log = platform.api.get(&platform.path("/events")).expect(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 3);
}

#[test]
fn a_retried_task_sends_the_same_event_again() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "silver");
    let receiver = starting("silver.py", &platform.secret).ready();
    platform.add_endpoint(&receiver.url());
    let object = Object::new(&platform, "adjudication", "adj_7");
    let document = |status: &str, task: u32| json!({ "id": "adj_7", "status": status, "task": task, "amount_paid": 42.50 });
    assert!(object.put(&document("processing", 1)).is_empty());
    let first = object.causes(&receiver, &document("complete", 1), &["adjudication_complete"]).remove(0);
    assert!(object.put(&document("complete", 1)).is_empty(), "the same document is no retry");
    let again = object.causes(&receiver, &document("complete", 2), &["adjudication_complete"]).remove(0);
    assert_eq!((first.event_id.as_deref(), again.event_id.as_deref()), (Some("evt_adj_7"), Some("evt_adj_7")));
    assert_eq!((first.duplicate, again.duplicate), (false, true), "the receiver knows it");
    assert_eq!(first.body, again.body, "the same event, as it was");
    assert_eq!(platform.api.get(&object.path).expect(200), document("complete", 2));
    assert_sound(&home);
}

#[test]
fn after_a_kill_a_document_is_there_with_its_event_or_neither_is() {
    const OBJECTS: usize = 400;
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "novamed");
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let (port, answered) = (server.api.address.port(), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|worker| {
            let (api, path, answered) = (platform.api.clone(), platform.path("/resources/order"), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut stored = BTreeSet::new();
                for number in (worker..OBJECTS).step_by(4) {
                    let id = format!("ord_{number}");
                    let document = json!({ "order_id": id, "status": "shipped" }).to_string();
                    match api.try_call("PUT", &format!("{path}/{id}"), &document) {
                        Ok(answer) if answer.status == 201 => drop(stored.insert(id)),
                        _ => return stored,
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                stored
            })
        })
        .collect();
    until("some are stored", || (answered.load(Ordering::SeqCst) > 40).then_some(()));
    server.kill();
    let stored: BTreeSet<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_sound(&home);

    let server = home.start_at(port);
    let all = |path: &str, name: fn(&Value) -> &Value| -> BTreeSet<String> {
        let (mut found, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page = server.api.get(&format!("{path}?limit=200{after}")).expect(200);
            found.extend(page["items"].as_array().unwrap().iter().map(|item| name(item).as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return found };
            after = format!("&after={next}");
        }
    };
    let documents = all(&platform.path("/resources/order"), |item| &item["id"]);
    let events = all(&platform.path("/events"), |item| &item["data"]["order_id"]);
    assert_eq!(documents, events, "each document with its event");
    assert!(documents.is_superset(&stored), "what was answered is there");
    until("everything has arrived", || {
        let arrived: BTreeSet<String> =
            sink.requests().iter().map(|request| request.json()["data"]["order_id"].as_str().unwrap().to_owned()).collect();
        (arrived == documents).then_some(())
    });
}
