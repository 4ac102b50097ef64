//! Noyo: subscriptions of the Command Center.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::customer::{Customer, Gateway, body, verified};
use crate::harness::{Home, starting, until};

const ID: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";
const OTHER: &str = "f50b03bb-c8ab-4dd9-92dc-5dcf77011e0c";

fn difference(id: &str, status: &str) -> Value {
    json!({ "id": id, "status": status, "source": "snapshot", "member": { "name": "Jane Doe" } })
}

#[test]
fn a_noyo_subscription_from_its_creation_to_its_end() {
    let home = Home::new();
    let server = home.start();
    let (old, new) = ("a string of high entropy", "another string of high entropy");
    let customer = Customer::set_up(&server, "broker-1", &json!({ "contract": "noyo", "sandbox": true }));
    let receiver = starting("noyo.js", old).ready();
    let gateway = Gateway::before(&receiver);

    // Subscribed with a destination, a secret and the name of a key; none in a sandbox, and no choice of events.
    let wanted = json!({ "url": gateway.url(), "secret": old, "name": "key of January" });
    let refused = customer.own.post(&customer.path("/endpoints"), &wanted);
    assert_eq!(refused.problem(409), "sandbox_account");
    customer.operator.put(&customer.path(""), &json!({ "contract": "noyo" })).expect(200);
    let choosy = json!({ "url": gateway.url(), "secret": old, "events": ["difference.created"] });
    assert_eq!(customer.own.post(&customer.path("/endpoints"), &choosy).pointers(), ["/events"]);
    let made = customer.register(&wanted);
    assert_eq!((&made["name"], &made["enabled"], &made["health"]), (&json!("key of January"), &json!(true), &json!("active")));
    assert_eq!(made["events"].as_array().unwrap().len(), 4, "all of them");
    let endpoint = made["id"].as_str().unwrap();
    assert_eq!(customer.endpoint(endpoint)["secret"], Value::Null, "never shown again");

    let hello = customer.try_out(&customer.own, endpoint, &receiver, "test.hello_world");
    assert_eq!(body(&hello)["data"], json!({ "message": "Hello world!" }));
    let created = customer.change("difference", ID, &difference(ID, "processing"));
    let seen = verified(&receiver, "difference.created");
    assert_eq!(
        (seen.event_id.as_deref(), &body(&seen)["data"]),
        (Some(created.as_str()), &json!({ "id": ID })),
        "no name leaves"
    );
    let api = customer.published("authorization", "Bearer ");
    let fetch = |id: &str| api.get(&format!("/differences/{id}"));
    assert_eq!(fetch(ID), difference(ID, "processing"), "the rest is fetched");
    customer.attempted(endpoint, &created, 1);

    // Its endpoint is down: unhealthy, and retried in its time.
    let cursor = customer.cursor();
    gateway.answer(500);
    let discrepancy = customer.change("difference", ID, &difference(ID, "discrepancy"));
    let delivery = customer.attempted(endpoint, &discrepancy, 1);
    assert_eq!((&delivery["state"], delivery["due_at"].is_string()), (&json!("pending"), true), "{delivery}");
    assert_eq!(customer.endpoint(endpoint)["health"], "unhealthy");
    customer.retry(&delivery);
    let delivery = customer.attempted(endpoint, &discrepancy, 2);
    assert_eq!(delivery["state"], "pending", "{delivery}");

    // It polls from where it was, and catches up.
    let unseen = customer.poll(cursor, "");
    assert_eq!((unseen.len(), &unseen[0]["id"]), (1, &json!(discrepancy)));
    assert_eq!(customer.missed(endpoint), BTreeSet::from([discrepancy.clone()]));
    assert_eq!(api.news("/differences", "differences", &[difference(ID, "processing")]), [difference(ID, "discrepancy")]);
    gateway.open(&receiver);
    customer.retry(&delivery);
    assert_eq!(verified(&receiver, "difference.discrepancy").event_id.as_deref(), Some(discrepancy.as_str()));
    customer.attempted(endpoint, &discrepancy, 3);
    assert_eq!(customer.endpoint(endpoint)["health"], "active");
    customer.has_everything(endpoint);

    // Both secrets sign until the overlap ends.
    let successor = starting("noyo.js", new).ready();
    let rotate = |overlap: &str| {
        let wanted = json!({ "secret": new, "overlap": overlap });
        customer.own.post(&customer.endpoint_path(endpoint, "/secrets"), &wanted).expect(201);
    };
    rotate("1h");
    customer.change("difference", ID, &difference(ID, "resolved"));
    let both = verified(&receiver, "difference.resolved");
    assert!(successor.replay(&both).verified, "{both:?}");
    rotate("0s");
    gateway.open(&successor);
    customer.change("difference", OTHER, &difference(OTHER, "processing"));
    let one = verified(&successor, "difference.created");
    assert!(!receiver.replay(&one).verified, "the old one is over");

    // A second subscription catches up by replay, under a secret of its own; nobody else hears of that.
    let late = starting("noyo.js", "a third string of high entropy").ready();
    let second = customer.register(&json!({ "url": late.url(), "secret": "a third string of high entropy" }));
    let second = second["id"].as_str().unwrap();
    let (missed, before) = (customer.missed(second), gateway.count());
    assert_eq!(missed.len(), 4, "what happened before, and no test");
    assert_eq!(customer.replay(second), 4);
    let again: BTreeSet<String> = (0..4).map(|_| late.next()).map(|seen| seen.event_id.unwrap()).collect();
    assert_eq!(again, missed);
    customer.has_everything(second);
    assert_eq!(gateway.count(), before);

    // Unsubscribed: only the other one hears.
    customer.own.delete(&customer.endpoint_path(endpoint, "")).expect(204);
    let replaced = customer.change("difference", OTHER, &difference(OTHER, "replaced"));
    assert_eq!(verified(&late, "difference.replaced").event_id.as_deref(), Some(replaced.as_str()));
    assert_eq!(fetch(OTHER)["status"], "replaced");
    customer.attempted(second, &replaced, 1);
    until("it is over", || customer.missed_everywhere().is_empty().then_some(()));
    assert_eq!(gateway.count(), before, "nothing arrives any more");
}
