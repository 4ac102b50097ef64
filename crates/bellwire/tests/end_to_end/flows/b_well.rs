//! b.well: webhook URLs in the account settings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::customer::{Customer, Gateway, body, verified};
use crate::harness::{Home, starting};

const DELETED: &str = "user-delete-completed";
const EXPORTED: &str = "data-export-completed";

fn user(status: &str) -> Value {
    json!({ "id": "u_789", "status": status, "person": "789", "identifier": "client-789" })
}

fn export(id: &str) -> Value {
    json!({ "id": id, "status": "completed", "person": "456", "download_url": format!("https://icanbwell.com/downloads/{id}.zip") })
}

#[test]
fn a_b_well_url_from_its_configuration_to_its_end() {
    let home = Home::new();
    let server = home.start();
    let customer = Customer::set_up(&server, "client-1", &json!({ "contract": "b.well" }));

    // The secret is drawn, and told once: the receiver starts when it is known.
    let gateway = Gateway::new();
    let made = customer.register(&json!({ "url": gateway.url() }));
    let endpoint = made["id"].as_str().unwrap();
    assert_eq!((&made["events"], &made["enabled"]), (&json!([DELETED, EXPORTED]), &json!(true)));
    assert_eq!(customer.endpoint(endpoint)["secret"], Value::Null);
    let receiver = starting("bwell.js", made["secret"].as_str().unwrap()).ready();
    gateway.open(&receiver);
    customer.try_out(&customer.own, endpoint, &receiver, EXPORTED);

    assert!(customer.put("user", "u_789", &user("deleting")).is_empty(), "not before it is done");
    let deleted = customer.change("user", "u_789", &user("deleted"));
    let message = body(&verified(&receiver, DELETED));
    assert_eq!(message["focus"], json!([{ "reference": "Person/789" }]));
    assert_eq!(message["destination"], json!([{ "endpoint": gateway.url() }]), "the customer's own URL");
    assert_eq!(message["extension"][0]["valueIdentifier"]["value"], "client-789");
    customer.attempted(endpoint, &deleted, 1);

    // Down: tried again later. It polls, and has what it missed sent again to another URL in the meantime.
    let cursor = customer.cursor();
    gateway.answer(500);
    let exported = customer.change("data_export", "x_1", &export("x_1"));
    let delivery = customer.attempted(endpoint, &exported, 1);
    assert_eq!((&delivery["state"], delivery["due_at"].is_string()), (&json!("pending"), true), "{delivery}");
    let unseen = customer.poll(cursor, "");
    assert_eq!(unseen[0]["data"]["download_url"], "https://icanbwell.com/downloads/x_1.zip");
    assert_eq!(customer.read("data_export", "x_1"), export("x_1"));
    assert_eq!(customer.missed_everywhere(), BTreeSet::from([exported.clone()]));
    let spare_gateway = Gateway::new();
    let spare = customer.register(&json!({ "url": spare_gateway.url() }));
    let spare_receiver = starting("bwell.js", spare["secret"].as_str().unwrap()).ready();
    spare_gateway.open(&spare_receiver);
    let spare = spare["id"].as_str().unwrap();
    assert_eq!(customer.replay(spare), 2, "it has seen nothing so far");
    let caught_up: BTreeSet<_> = (0..2).map(|_| spare_receiver.next()).map(|seen| seen.event_id.unwrap()).collect();
    assert_eq!(caught_up, BTreeSet::from([deleted, exported.clone()]));
    customer.has_everything(spare);
    assert_eq!(customer.missed(endpoint), BTreeSet::from([exported.clone()]), "but not at the first");
    gateway.open(&receiver);
    customer.retry(&delivery);
    verified(&receiver, EXPORTED);
    customer.has_everything(endpoint);

    // Both secrets sign until the overlap ends.
    let rotated = customer.own.post(&customer.endpoint_path(endpoint, "/secrets"), &json!({ "overlap": "1h" })).expect(201);
    let successor = starting("bwell.js", rotated["secret"].as_str().unwrap()).ready();
    let next = customer.change("data_export", "x_2", &export("x_2"));
    let both = verified(&receiver, EXPORTED);
    assert!(successor.replay(&both).verified, "{both:?}");
    assert_eq!(spare_receiver.next().event_id, Some(next), "several URLs, each with its own secret");

    customer.own.delete(&customer.endpoint_path(endpoint, "")).expect(204);
    let before = gateway.count();
    let last = customer.change("data_export", "x_3", &export("x_3"));
    verified(&spare_receiver, EXPORTED);
    customer.attempted(spare, &last, 1);
    assert_eq!(gateway.count(), before, "nothing arrives any more");
}
