//! A published API that sends on request: a test event, and a delivery again.

use bellwire_testkit::http::Answer;
use serde_json::{Value, json};

use super::missed::Client;
use super::{ACCOUNT, World};
use crate::harness::{Sink, until};

/// What the receiver got, in its order.
fn received(sink: &Sink, count: usize) -> Vec<Value> {
    sink.wait_for(count).iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.ask("POST", path, &[], body)
}

#[test]
fn a_test_event_arrives_and_says_that_it_is_one() {
    let (world, sink) = (World::of("sending"), Sink::start(|_| 200));
    let (api, client) = (&world.server.api, Client::of(&world, "sending", ACCOUNT));
    let id = world.endpoint(&sink.url("/in"));
    world.endpoint(&sink.url("/elsewhere"));
    let path = format!("/hooks/{id}/test");
    let own = post(&client, &path, &Value::Null).expect(202);
    assert_eq!(own["hook"], json!(sink.url("/in")));
    let sent = received(&sink, 1).remove(0);
    assert_eq!(sent["data"], json!({ "message": "Hello" }));
    assert_eq!((&sent["type"], &sent["test"]), (&json!("test.ping"), &json!(true)));

    post(&client, &path, &json!({ "type": "order.paid" })).expect(202);
    let sent = received(&sink, 2).remove(1);
    assert_eq!((&sent["type"], &sent["test"], &sent["data"]), (&json!("order.paid"), &json!(true), &json!({ "id": "2" })));
    post(&client, &path, &json!({ "type": "order.paid", "data": { "id": "own" } })).expect(202);
    assert_eq!(received(&sink, 3)[2]["data"], json!({ "id": "own" }));
    assert!(sink.wait_for(3).iter().all(|request| request.path == "/in"), "the other endpoint gets none");
    let log = api.get(&format!("/v1/accounts/{ACCOUNT}/events")).expect(200);
    assert_eq!(log["items"][0]["id"], own["event"]);

    assert_eq!(post(&client, &path, &json!({ "type": "order.lost" })).expect(400)["field"], "type");
    let acts = api.get(&format!("/v1/audit?action=endpoint.tested&account={ACCOUNT}")).expect(200);
    assert_eq!(acts["items"].as_array().unwrap().len(), 3, "{acts}");
}

#[test]
fn a_failed_delivery_is_sent_again_and_arrives() {
    let (world, sink) = (World::of("sending"), Sink::start(|_| 500));
    let (api, client) = (&world.server.api, Client::of(&world, "sending", ACCOUNT));
    let id = world.endpoint(&sink.url("/in"));
    let event = api.publish(ACCOUNT, "order.created", r#"{"id":"7"}"#);
    api.attempted(ACCOUNT, &event, 1);
    let listed = || client.get(&format!("/hooks/{id}/deliveries")).expect(200);
    let failed = listed();
    assert_eq!((&failed[0]["state"], &failed[0]["type"]), (&json!("failed"), &json!("order.created")));
    let delivery = failed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(received(&sink, 1)[0]["delivery"], json!(delivery), "the receiver knows it by the same id");

    sink.answer(|_| 200);
    let path = format!("/deliveries/{delivery}/retry");
    let again = post(&client, &path, &Value::Null).expect(202);
    assert_eq!((&again["id"], &again["number"], &again["type"]), (&json!(delivery), &json!(1), &json!("order.created")));
    let sent = received(&sink, 2);
    assert_eq!(sent[0], sent[1]);
    until("it is delivered", || Some(listed()).filter(|deliveries| deliveries[0]["state"] == "delivered"));
    let acts = api.get(&format!("/v1/audit?action=delivery.retried&account={ACCOUNT}")).expect(200);
    assert_eq!(acts["items"].as_array().unwrap().len(), 1, "{acts}");

    // Somebody else's is as unknown as what there is not, and nothing is sent.
    api.put("/v1/accounts/other", &json!({ "contract": "sending" })).expect(201);
    let other = Client::of(&world, "sending", "other");
    for path in [path, format!("/hooks/{id}/test"), "/deliveries/dlv_none/retry".to_owned(), "/hooks/none/test".to_owned()] {
        let refused = post(&other, &path, &Value::Null).expect(404);
        assert_eq!((&refused["kind"], &refused["field"]), (&json!("not_found"), &json!("id")));
    }
    let sent_again = post(&client, &format!("/deliveries/{delivery}/retry"), &Value::Null);
    sent_again.expect(202);
    assert_eq!(received(&sink, 3)[2]["delivery"], json!(delivery), "the next is this one");
}
