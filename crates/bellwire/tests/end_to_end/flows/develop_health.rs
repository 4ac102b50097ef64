//! Develop Health: webhooks of the Admin panel.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::customer::{Customer, Gateway, body, verified};
use crate::harness::{Home, starting};

const BENEFIT: &str = "benefit_verification.status_change";
const STATUS: &str = "prior_authorization.status_change";
const MESSAGE: &str = "prior_authorization.message";
const ACTIVITY: &str = "prior_authorization.activity_log_updated";

fn authorization(status: &str, messages: &[&str], log: &[&str]) -> Value {
    let thread: Vec<_> = messages.iter().map(|text| json!({ "text": text })).collect();
    json!({ "id": "pa_1", "object": "prior_authorization", "status": status, "message_thread": thread, "activity_log": log })
}

fn verification(id: &str) -> Value {
    json!({ "id": id, "object": "benefit_verification", "status": "completed", "copay": 12.50 })
}

#[test]
fn a_develop_health_webhook_from_its_creation_to_its_end() {
    let home = Home::new();
    let server = home.start();
    let (old, new) = ("the value in the dashboard", "the next value in the dashboard");
    let contract = json!({ "contract": "develop-health" });
    let customer = Customer::set_up(&server, "clinic-1", &contract);
    let receiver = starting("develop_health.py", old).ready();
    let gateway = Gateway::before(&receiver);

    // Added with a name, a URL, a secret and events: off until it is toggled on.
    let unentitled = json!({ "url": gateway.url(), "secret": old, "events": [ACTIVITY] });
    assert_eq!(customer.own.post(&customer.path("/endpoints"), &unentitled).pointers(), ["/events/0"]);
    let made = customer.register(&json!({ "name": "Intake", "url": gateway.url(), "secret": old, "events": [BENEFIT, STATUS] }));
    let endpoint = made["id"].as_str().unwrap();
    assert_eq!((&made["name"], &made["enabled"], &made["events"]), (&json!("Intake"), &json!(false), &json!([BENEFIT, STATUS])));
    let early = customer.change("benefit_verification", "bv_1", &verification("bv_1"));
    assert!(customer.own.get(&format!("/v1/deliveries?endpoint={endpoint}")).expect(200)["items"].as_array().unwrap().is_empty());
    customer.own.post(&customer.endpoint_path(endpoint, "/enable"), &Value::Null).expect(200);
    customer.try_out(&customer.own, endpoint, &receiver, BENEFIT);

    // What happened before it was on is missed, and arrives when it is asked for.
    assert_eq!(customer.missed(endpoint), BTreeSet::from([early]));
    assert_eq!(customer.replay(endpoint), 1);
    let api = customer.published("authorization", "Bearer ");
    assert_eq!(body(&verified(&receiver, BENEFIT))["data"], api.get("/benefit-verification/bv_1"), "what GET answers");
    customer.has_everything(endpoint);

    // It gets what it chose: no messages, until it chooses them; no activity, until the platform lets it.
    customer.change("prior_authorization", "pa_1", &authorization("processing", &[], &[]));
    verified(&receiver, STATUS);
    customer.change("prior_authorization", "pa_1", &authorization("processing", &["hello"], &[]));
    let patch = |events: &[&str]| customer.own.patch(&customer.endpoint_path(endpoint, ""), &json!({ "events": events }));
    assert_eq!(patch(&[STATUS, MESSAGE, ACTIVITY]).pointers(), ["/events/2"]);
    let entitled = json!({ "contract": "develop-health", "entitlements": [ACTIVITY] });
    customer.operator.put(&customer.path(""), &entitled).expect(200);
    patch(&[STATUS, MESSAGE, ACTIVITY]).expect(200);
    customer.change("prior_authorization", "pa_1", &authorization("processing", &["hello", "thanks"], &[]));
    let thread = body(&verified(&receiver, MESSAGE))["data"]["message_thread"].clone();
    assert_eq!(thread, json!([{ "text": "hello" }, { "text": "thanks" }]), "the whole thread");
    let logged = customer.change("prior_authorization", "pa_1", &authorization("processing", &["hello", "thanks"], &["sent"]));
    verified(&receiver, ACTIVITY);
    customer.attempted(endpoint, &logged, 1);

    // It is down: tried again later; meanwhile it polls.
    let cursor = customer.cursor();
    gateway.answer(500);
    let completed = customer.change("prior_authorization", "pa_1", &authorization("completed", &["hello", "thanks"], &["sent"]));
    let delivery = customer.attempted(endpoint, &completed, 1);
    assert_eq!((&delivery["state"], delivery["due_at"].is_string()), (&json!("pending"), true), "{delivery}");
    assert_eq!(customer.poll(cursor, "&delivered=false")[0]["data"]["status"], "completed");
    let known = [authorization("processing", &["hello", "thanks"], &["sent"])];
    let missed = [authorization("completed", &["hello", "thanks"], &["sent"])];
    assert_eq!(api.news("/prior-authorization", "data", &known), missed);
    assert_eq!(api.get("/prior-authorization/pa_1"), missed[0]);
    assert!(api.news("/benefit-verification", "data", &[verification("bv_1")]).is_empty(), "it missed none of these");
    gateway.open(&receiver);
    customer.retry(&delivery);
    verified(&receiver, STATUS);
    customer.attempted(endpoint, &completed, 2);
    // The first message came before messages were chosen. Now they are, so it counts as missed.
    assert_eq!(customer.replay(endpoint), 1);
    verified(&receiver, MESSAGE);
    customer.has_everything(endpoint);

    // One header holds one token: the newest secret signs it, whatever the overlap.
    let successor = starting("develop_health.py", new).ready();
    let wanted = json!({ "secret": new, "overlap": "1h" });
    customer.own.post(&customer.endpoint_path(endpoint, "/secrets"), &wanted).expect(201);
    gateway.open(&successor);
    customer.change("prior_authorization", "pa_1", &authorization("completed", &["hello", "thanks", "bye"], &["sent"]));
    let signed = verified(&successor, MESSAGE);
    assert!(!receiver.replay(&signed).verified, "the old secret does not sign any more");

    // A second webhook with other events, and the end of the first.
    let other = starting("develop_health.py", "a secret of its own").ready();
    let wanted = json!({ "url": other.url(), "secret": "a secret of its own", "events": [BENEFIT, MESSAGE], "enabled": true });
    let second = customer.register(&wanted);
    customer.own.delete(&customer.endpoint_path(endpoint, "")).expect(204);
    let before = gateway.count();
    let last = customer.change("benefit_verification", "bv_2", &verification("bv_2"));
    verified(&other, BENEFIT);
    customer.attempted(second["id"].as_str().unwrap(), &last, 1);
    assert_eq!(gateway.count(), before, "nothing arrives any more");
}
