//! NovaMed: webhooks of a clinic.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_domain::Timestamp;
use serde_json::{Value, json};

use super::customer::{Customer, Gateway, Published, body, verified};
use crate::harness::{Home, now, starting};

const CLINIC: &str = "550e8400-e29b-41d4-a716-446655440000";

fn order(status: &str) -> Value {
    json!({ "order_id": "ord_12345", "status": status, "patient_id": "pat_67890" })
}

/// Registers a webhook for the clinic, as the guide has it done; its id.
fn register(api: &Published, url: &str) -> String {
    let made = api.ask("POST", "/api/external/webhook", &json!({ "clinic_id": CLINIC, "webhook_url": url })).expect(201);
    assert_eq!((&made["success"], &made["data"]["webhook_url"]), (&json!(true), &json!(url)), "{made}");
    made["data"]["webhook_id"].as_str().unwrap().to_owned()
}

/// Takes a webhook of the clinic away.
fn unregister(api: &Published, webhook: &str) {
    let wanted = json!({ "clinic_id": CLINIC, "webhook_id": webhook });
    assert_eq!(api.ask("DELETE", "/api/external/webhook", &wanted).expect(200)["success"], true);
}

#[test]
fn a_novamed_webhook_from_its_registration_to_its_end() {
    let home = Home::new();
    let server = home.start();
    let (old, new) = ("the clinic's webhook secret", "the clinic's next webhook secret");
    let clinic = json!({ "contract": "novamed", "secret": old, "sandbox": true });
    let customer = Customer::set_up(&server, CLINIC, &clinic);
    let receiver = starting("novamed.js", old).ready();
    let gateway = Gateway::before(&receiver);
    let api = customer.published("x-api-key", "");
    let webhook = register(&api, &gateway.url());
    assert_eq!(customer.endpoint(&webhook)["events"].as_array().unwrap().len(), 12, "all events");
    customer.try_out(&customer.own, &webhook, &receiver, "order:created");

    // A new order in the sandbox is how the guide has it tried.
    let created = customer.change("order", "ord_12345", &order("created"));
    let seen = verified(&receiver, "order:created");
    let sent = body(&seen);
    assert_eq!((&sent["event_id"], &sent["clinic_id"], &sent["data"]), (&json!(created), &json!(CLINIC), &order("created")));
    customer.attempted(&webhook, &created, 1);

    // Anything but 200 is tried again, after a minute and then after five.
    let cursor = customer.cursor();
    gateway.answer(201);
    let shipped = customer.change("order", "ord_12345", &order("shipped"));
    let due_in = |delivery: &Value| Timestamp::parse_rfc3339(delivery["due_at"].as_str().unwrap()).unwrap().since(now());
    let delivery = customer.attempted(&webhook, &shipped, 1);
    assert_eq!(delivery["state"], "pending", "{delivery}");
    assert!(due_in(&delivery).abs_diff(Duration::from_secs(60)) < Duration::from_secs(20), "{delivery}");
    customer.retry(&delivery);
    let delivery = customer.attempted(&webhook, &shipped, 2);
    assert!(due_in(&delivery).abs_diff(Duration::from_secs(300)) < Duration::from_secs(20), "{delivery}");
    assert_eq!(customer.endpoint(&webhook)["health"], "active");

    // It polls; a second webhook of the clinic gets all of it by replay.
    assert_eq!(customer.poll(cursor, "&type=order:shipped")[0]["id"], shipped.as_str());
    let expected = json!({ "success": true, "data": order("shipped") });
    assert_eq!(api.get("/api/external/order/ord_12345"), expected, "it reads what it missed");
    assert_eq!(customer.missed(&webhook), BTreeSet::from([shipped.clone()]));
    let other = starting("novamed.py", old).ready();
    let second = register(&api, &other.url());
    assert_eq!(customer.replay(&second), 2);
    let caught_up: BTreeSet<_> = (0..2).map(|_| other.next()).map(|seen| seen.event_id.unwrap()).collect();
    assert_eq!(caught_up, BTreeSet::from([created, shipped.clone()]));
    customer.has_everything(&second);
    gateway.open(&receiver);
    customer.retry(&delivery);
    assert_eq!(verified(&receiver, "order:shipped").event_id, Some(shipped));
    customer.has_everything(&webhook);

    // The clinic's secret is that of all its webhooks; the newest is sent.
    let rotated = customer.own.post(&customer.path("/secrets"), &json!({ "secret": new, "overlap": "1h" })).expect(201);
    assert_eq!(rotated["secret"], new);
    let (successor, other_successor) = (starting("novamed.js", new).ready(), starting("novamed.py", new).ready());
    gateway.open(&successor);
    let url = json!({ "url": other_successor.url() });
    customer.own.patch(&customer.endpoint_path(&second, ""), &url).expect(200);
    customer.change("order", "ord_12345", &order("delivered"));
    let signed = verified(&successor, "order:delivered");
    verified(&other_successor, "order:delivered");
    assert!(!receiver.replay(&signed).verified, "{signed:?}");

    unregister(&api, &webhook);
    let before = gateway.count();
    let refill = json!({ "refill_id": "ref_1", "status": "requested" });
    let last = customer.change("refill", "ref_1", &refill);
    verified(&other_successor, "refill:requested");
    customer.attempted(&second, &last, 1);
    assert_eq!(gateway.count(), before, "nothing arrives any more");
}
