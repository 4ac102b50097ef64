//! Silver: URLs that its representative sets up.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::customer::{Customer, Gateway, body, verified};
use crate::harness::{Home, starting};

const COMPLETE: &str = "adjudication_complete";

fn adjudication(id: &str, task: u32) -> Value {
    json!({ "id": id, "status": "complete", "task": task, "amount_paid": 42.50 })
}

#[test]
fn a_silver_administrator_from_its_onboarding_to_its_end() {
    let home = Home::new();
    let server = home.start();
    let (old, new) = ("your-webhook-secret", "your-next-webhook-secret");
    let customer = Customer::set_up(&server, "administrator-1", &json!({ "contract": "silver", "secret": old }));
    let (receiver, other) = (starting("silver.py", old).ready(), starting("silver.py", old).ready());
    let (gateway, other_gateway) = (Gateway::before(&receiver), Gateway::before(&other));

    // The representative sets up URLs and event types; the administrator itself cannot.
    let wanted = |gateway: &Gateway| json!({ "url": gateway.url(), "events": [COMPLETE] });
    assert_eq!(customer.own.post(&customer.path("/endpoints"), &wanted(&gateway)).problem(403), "forbidden");
    let set_up = |gateway: &Gateway| {
        let made = customer.operator.post(&customer.path("/endpoints"), &wanted(gateway)).expect(201);
        assert_eq!(made["secret"], Value::Null, "there is one for all of them");
        made["id"].as_str().unwrap().to_owned()
    };
    let (endpoint, second) = (set_up(&gateway), set_up(&other_gateway));
    customer.try_out(&customer.operator, &endpoint, &receiver, COMPLETE);

    let first = customer.change("adjudication", "adj_1", &adjudication("adj_1", 1));
    for receiver in [&receiver, &other] {
        let seen = verified(receiver, COMPLETE);
        assert_eq!((seen.event_id.as_deref(), &body(&seen)["eventPayload"]), (Some(first.as_str()), &adjudication("adj_1", 1)));
    }
    customer.attempted(&second, &first, 1);

    // One URL is down: no retry. The other one is not concerned.
    let cursor = customer.cursor();
    gateway.answer(500);
    let lost = customer.change("adjudication", "adj_2", &adjudication("adj_2", 1));
    verified(&other, COMPLETE);
    let delivery = customer.attempted(&endpoint, &lost, 1);
    assert_eq!((&delivery["state"], &delivery["due_at"]), (&json!("failed"), &Value::Null), "{delivery}");
    customer.attempted(&second, &lost, 1);
    let api = customer.published("apiKey", "");
    let missed = [adjudication("adj_2", 1)];
    assert_eq!(api.news("/adjudications", "adjudications", &[adjudication("adj_1", 1)]), missed, "it polls");
    assert_eq!(api.get("/adjudications/adj_2"), missed[0]);
    assert_eq!(customer.poll(cursor, "")[0]["id"], lost.as_str(), "it polls events as well");
    assert_eq!(customer.missed(&endpoint), BTreeSet::from([lost.clone()]));
    assert!(customer.missed(&second).is_empty() && customer.missed_everywhere().is_empty(), "it arrived somewhere");
    gateway.open(&receiver);
    assert_eq!(customer.replay(&endpoint), 1);
    assert_eq!(verified(&receiver, COMPLETE).event_id, Some(lost));
    customer.has_everything(&endpoint);

    // The task behind an event is run again: the same event once more, known by its id.
    let again = customer.put("adjudication", "adj_1", &adjudication("adj_1", 2));
    assert_eq!(again, [first.as_str()]);
    let posted = json!({ "id": "evt_task_7", "type": COMPLETE, "data": { "claim": 7 }, "redeliver": true });
    for receiver in [&receiver, &other] {
        let seen = verified(receiver, COMPLETE);
        assert_eq!((seen.event_id.as_deref(), seen.duplicate), (Some(first.as_str()), true));
    }
    for (status, duplicate) in [(201, false), (200, true)] {
        customer.operator.post(&customer.path("/events"), &posted).expect(status);
        for receiver in [&receiver, &other] {
            let seen = verified(receiver, COMPLETE);
            assert_eq!((seen.event_id.as_deref(), seen.duplicate), (Some("evt_task_7"), duplicate));
        }
    }

    // The header has room for one secret: the newest. The platform says when; the overlap is for those who verify both.
    let rotate = json!({ "secret": new, "overlap": "1h" });
    assert_eq!(customer.own.post(&customer.path("/secrets"), &rotate).problem(403), "forbidden");
    assert_eq!(customer.operator.post(&customer.path("/secrets"), &rotate).expect(201)["secret"], new);
    let successor = starting("silver.py", new).ready();
    gateway.open(&successor);
    // Its second URL moves at the same time: that, too, is the representative's to do.
    let (path, moved) = (customer.endpoint_path(&second, ""), json!({ "url": successor.url() }));
    assert_eq!(customer.own.patch(&path, &moved).problem(403), "forbidden");
    customer.operator.patch(&path, &moved).expect(200);
    let left = other_gateway.count();
    customer.change("adjudication", "adj_3", &adjudication("adj_3", 1));
    let signed = verified(&successor, COMPLETE);
    assert!(!receiver.replay(&signed).verified, "{signed:?}");
    verified(&successor, COMPLETE);

    customer.operator.delete(&customer.endpoint_path(&endpoint, "")).expect(204);
    let before = gateway.count();
    let unheard = customer.change("adjudication", "adj_4", &adjudication("adj_4", 1));
    verified(&successor, COMPLETE);
    customer.attempted(&second, &unheard, 1);
    assert_eq!(gateway.count(), before, "nothing arrives any more");
    assert_eq!(other_gateway.count(), left, "nor where it has moved from");
}
