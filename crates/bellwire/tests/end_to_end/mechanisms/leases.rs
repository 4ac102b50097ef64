//! Leases: an endpoint is sent to until its end, and again once it is renewed, where its contract lets it be.

use std::time::Duration;

use bellwire_domain::Timestamp;
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, now, until};

fn from_now(span: Duration) -> String {
    now().plus(span).to_string()
}

const SHORT: Duration = Duration::from_millis(1_500);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn nothing_is_sent_after_the_end_and_a_renewal_begins_anew() {
    let (world, sink) = (World::of("lease"), Sink::start(|_| 503));
    let api = &world.server.api;
    let (path, made) = world.registered(&json!({ "url": sink.url("/in"), "expires_at": from_now(SHORT) }));
    assert_eq!(made["health"], "active");
    let waiting = api.publish(ACCOUNT, "thing.happened", "{\"id\":1}");
    let expired = world.once(&path, "expired");
    assert_eq!((&expired["enabled"], &expired["expires_at"]), (&json!(true), &made["expires_at"]));
    let cancelled =
        until("what waited is cancelled", || api.delivery(ACCOUNT, &waiting).filter(|delivery| delivery["state"] == "cancelled"));
    assert_eq!(cancelled["attempts"][0]["status"], 503, "it was tried before");
    let unheard = api.publish(ACCOUNT, "thing.happened", "{\"id\":2}");
    assert!(api.delivery(ACCOUNT, &unheard).is_none(), "it takes nothing any more");
    for action in ["resume", "test"] {
        assert_eq!(api.post(&format!("{path}/{action}"), &json!({})).expect(409)["code"], "lease_ended");
    }
    let acts = api.get("/v1/audit?action=endpoint.changed").expect(200);
    let act = acts["items"].as_array().unwrap().iter().find(|act| act["detail"]["health"] == "expired").cloned();
    assert_eq!(act.unwrap()["actor"], "node", "{acts}");

    let received = sink.requests().len();
    sink.answer_with(|_| 200.into());
    let renewed = api.patch(&path, &json!({ "expires_at": from_now(DAY) })).expect(200);
    assert_eq!(renewed["health"], "active");
    api.publish(ACCOUNT, "thing.happened", "{\"id\":3}");
    let requests = until("it is sent to again", || Some(sink.requests()).filter(|requests| requests.len() > received));
    assert_eq!(requests[received].body, b"{\"id\":3}", "what was cancelled stays so");
    let end: Timestamp = Timestamp::parse_rfc3339(renewed["expires_at"].as_str().unwrap()).unwrap();
    assert_eq!(requests[received].header("x-expires"), Some(&*(end.as_micros() / 1_000_000).to_string()));
}

#[test]
fn a_lease_that_is_about_to_end_is_an_incident_until_it_is_renewed() {
    let (world, sink) = (World::of("lease"), Sink::start(|_| 200));
    let api = &world.server.api;
    // Seven days before the end: in a moment.
    let (path, _) = world.registered(&json!({ "url": sink.url("/in"), "expires_at": from_now(7 * DAY + SHORT) }));
    let incidents = format!("/v1/incidents?account={ACCOUNT}");
    let found = until("the operator is told", || api.get(&incidents).expect(200)["items"].get(0).cloned());
    assert_eq!(
        (&found["outcome"], &found["state"], &found["last_delivery"]),
        (&json!("lease_ending"), &json!("open"), &Value::Null)
    );
    api.publish(ACCOUNT, "thing.happened", "{\"id\":1}");
    until("it still gets events", || Some(()).filter(|()| sink.requests().len() == 1));
    assert_eq!(api.get(&incidents).expect(200)["items"][0]["state"], "open", "a success does not end it");
    api.patch(&path, &json!({ "expires_at": from_now(30 * DAY) })).expect(200);
    let found = api.get(&incidents).expect(200)["items"][0].clone();
    assert_eq!((&found["state"], &found["resolved_by"]), (&json!("resolved"), &json!("renewal")));
}

#[test]
fn a_published_api_takes_an_instant_or_a_number_of_seconds() {
    let (world, sink) = (World::of("lease"), Sink::start(|_| 200));
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = world.server.api.with_key(key["key"].as_str().unwrap());
    let base = "/published/lease/subscriptions";
    let made = consumer.post(base, &json!({ "url": sink.url("/in"), "lease_seconds": 86_400 })).expect(201);
    let end = |answer: &Value| Timestamp::parse_rfc3339(answer["expirationDateTime"].as_str().unwrap()).unwrap();
    let day = Timestamp::parse_rfc3339(&from_now(DAY)).unwrap();
    assert!(end(&made) <= day && end(&made) > day.minus(Duration::from_secs(600)), "{made}");
    let path = format!("{base}/{}", made["id"].as_str().unwrap());
    let wanted = from_now(2 * DAY);
    assert_eq!(consumer.patch(&path, &json!({ "expirationDateTime": wanted })).expect(200)["expirationDateTime"], json!(wanted));
    let kept = consumer.patch(&path, &json!({})).expect(200);
    assert_eq!(kept["expirationDateTime"], json!(wanted), "what is left out stays");
    for (body, field) in [
        (json!({ "lease_seconds": "91d" }), "lease_seconds"),
        (json!({ "lease_seconds": "soon" }), "lease_seconds"),
        (json!({ "expirationDateTime": "2020-01-01T00:00:00Z" }), "expirationDateTime"),
        (json!({ "expirationDateTime": wanted, "lease_seconds": 60 }), "lease_seconds"),
    ] {
        assert_eq!(consumer.patch(&path, &body).expect(400)["field"], field, "{body}");
    }
    let given = consumer.post(base, &json!({ "url": sink.url("/in") })).expect(201);
    assert!(end(&given) > Timestamp::parse_rfc3339(&from_now(29 * DAY)).unwrap(), "the contract's default");
}

#[test]
fn without_a_way_back_the_end_is_the_end() {
    let (world, sink) = (World::of("lease-required"), Sink::start(|_| 200));
    let api = &world.server.api;
    let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
    for end in [Value::Null, json!(from_now(DAY)), json!("2020-01-01T00:00:00Z")] {
        let refused = api.post(&endpoints, &json!({ "url": sink.url("/in"), "expires_at": end })).expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/expires_at", "{refused}");
    }
    assert_eq!(api.post(&endpoints, &json!({ "url": sink.url("/in") })).expect(422)["errors"][0]["pointer"], "/expires_at");
    let (path, _) = world.registered(&json!({ "url": sink.url("/in"), "expires_at": from_now(SHORT) }));
    world.once(&path, "expired");
    let refused = api.patch(&path, &json!({ "expires_at": from_now(SHORT) })).expect(409);
    assert_eq!(refused["code"], "lease_ended");
    assert_eq!(api.patch(&path, &json!({ "name": "late" })).expect(200)["health"], "expired", "the rest may change");
}
