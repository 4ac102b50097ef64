//! Verbs of published APIs that send something: a test event, and a delivery again.

use std::time::Duration;

use bellwire_app::Limits;
use bellwire_domain::{Decision, RateLimit};
use serde_json::{Value, json};

use crate::published::{Shop, refusal};
use crate::support::{ADMIN, Answer, Server};

impl Shop {
    /// An endpoint of the account; its path.
    async fn hook(&self) -> String {
        let made = self.ask("POST", "/hooks", r#"{"shop":"mine","target":"https://a.example/h"}"#).await;
        format!("/hooks/{}", made.id())
    }

    /// The deliveries of an account's test event.
    async fn deliveries(&self, account: &str) -> Vec<Value> {
        let found = self.server.get(&format!("/v1/deliveries?account={account}")).await.json;
        found["items"].as_array().unwrap().clone()
    }

    /// Whom the records of an act are about.
    async fn acts(&self, action: &str) -> Vec<Value> {
        let found = self.server.get(&format!("/v1/audit?action={action}&account=mine")).await.json;
        found["items"].as_array().unwrap().iter().map(|act| act["object"].clone()).collect()
    }
}

#[tokio::test]
async fn a_test_event_is_what_v1_would_send() {
    let shop = Shop::open().await;
    let hook = shop.hook().await;
    let path = format!("{hook}/test");
    let test = async |body: &str| shop.ask("POST", &path, body).await;
    let sent = test(r#"{"topic":"order.created"}"#).await;
    assert_eq!((sent.status, &sent.json["seq"]), (202, &json!(1)), "{}", sent.text);
    assert_eq!(format!("/hooks/{}", sent.json["hook"].as_str().unwrap()), hook);
    assert!(sent.headers.contains_key("ratelimit"), "how many are left");
    // Data goes out byte for byte.
    let sample = r#"{"id":"o", "n":1.10, "n2":12345678901234567890123}"#;
    assert_eq!(test(&format!(r#"{{"topic":"order.created","sample":{sample}}}"#)).await.status, 202);
    let log = shop.server.get("/v1/accounts/mine/events").await;
    assert!(log.text.contains(sample), "{}", log.text);
    let kept: Vec<bool> = log.json["items"].as_array().unwrap().iter().map(|event| event["test"] == true).collect();
    assert_eq!(kept, [true, true], "{}", log.text);
    assert_eq!(shop.acts("endpoint.tested").await.len(), 2);

    for (body, expected) in [
        ("", "409 conflict"), // the contract has no test event of its own
        (r#"{"topic":"nothing"}"#, "422 invalid topic"),
        (r#"{"topic":7}"#, "422 invalid topic"),
        (r#"{"topic":"order.audited"}"#, "422 invalid topic"),
        (r#"{"sample":{}}"#, "422 invalid topic"),
    ] {
        assert_eq!(refusal(&test(body).await), expected, "{body}");
    }
    assert_eq!(refusal(&shop.ask("POST", "/hooks/whk_nothing/test", r#"{"topic":"order.created"}"#).await), "404 not_found id");
}

#[tokio::test]
async fn tests_are_counted_together_with_those_of_v1() {
    let limits = Limits { tests_per_account: RateLimit::per_minute_at_once(2), ..Limits::default() };
    let shop = Shop::over(Server::with_limits(limits).await).await;
    let hook = shop.hook().await;
    let path = format!("{hook}/test");
    let test = async || shop.ask("POST", &path, r#"{"topic":"order.created"}"#).await;
    let mut answers: Vec<Answer> = vec![test().await];
    let v1 = format!("/v1/accounts/mine/endpoints/{}/test", hook.strip_prefix("/hooks/").unwrap());
    while answers.last().unwrap().status == 202 && answers.len() < 5 {
        answers.push(test().await);
    }
    let last = answers.last().unwrap();
    assert_eq!((refusal(last).as_str(), last.headers.contains_key("retry-after")), ("429 rate_limited", true));
    assert_eq!(shop.server.post(&v1, &json!({ "type": "order.created" })).await.status, 429);
    shop.server.clock.advance(Duration::from_secs(120));
    assert_eq!(test().await.status, 202);
}

#[tokio::test]
async fn a_delivery_is_made_due_again() {
    let shop = Shop::open().await;
    let hook = shop.hook().await;
    let tested = shop.ask("POST", &format!("{hook}/test"), r#"{"topic":"order.created"}"#).await.json;
    let delivery = shop.deliveries("mine").await.remove(0);
    let id = delivery["id"].as_str().unwrap();
    let path = format!("/sent/{id}/again");

    let claimed = shop.server.queue.next_claimed().await.unwrap().remove(0);
    assert_eq!(refusal(&shop.ask("POST", &path, "").await), "409 conflict", "it is in flight");
    shop.server.record(claimed, 500, b"busy", Decision::Failed { endpoint_gone: false }).await;
    assert_eq!(shop.deliveries("mine").await[0]["state"], "failed");

    let again = shop.ask("POST", &path, "").await;
    assert_eq!(again.status, 200, "{}", again.text);
    let seen = again.json;
    let attempt =
        json!({ "n": 1, "why": "automatic", "was": "response", "status": 500, "at": seen["tries"][0]["at"], "detail": null });
    assert_eq!(
        seen,
        json!({ "id": id, "state": "pending", "number": 1, "hook": tested["hook"], "event": tested["event"],
            "topic": "order.created", "due": seen["due"], "count": 1, "tries": [attempt] })
    );
    assert!(seen["due"].is_string());
    assert_eq!(shop.acts("delivery.retried").await, [json!(id)]);
    assert_eq!(shop.acts("answers.read").await, [] as [Value; 0], "no answer is shown");

    shop.ask("DELETE", &hook, "").await;
    assert_eq!(refusal(&shop.ask("POST", &path, "").await), "409 conflict", "its endpoint is gone");
    for unknown in ["dlv_nothing", "0", "%20"] {
        assert_eq!(refusal(&shop.ask("POST", &format!("/sent/{unknown}/again"), "").await), "404 not_found number");
    }
}

#[tokio::test]
async fn who_may_have_something_sent() {
    let shop = Shop::open().await;
    let theirs = shop.server.endpoint("other").await;
    let body = r#"{"topic":"order.created"}"#;
    shop.server.post(&format!("/v1/accounts/other/endpoints/{theirs}/test"), &json!({ "type": "order.created" })).await;
    for claimed in shop.server.queue.next_claimed().await.unwrap() {
        shop.server.fail(claimed).await; // not in flight any more, so that it can be sent again
    }
    let delivery = shop.deliveries("other").await.remove(0)["id"].as_str().unwrap().to_owned();
    let paths = [format!("/hooks/{theirs}/test"), format!("/sent/{delivery}/again")];
    shop.server.account("elsewhere", "choosy").await;
    let elsewhere = shop.server.key("consumer", Some("elsewhere")).await;
    let publisher = shop.server.key("publisher", None).await;
    let other = shop.server.key("consumer", Some("other")).await;
    for (path, unknown) in paths.iter().zip(["404 not_found id", "404 not_found number"]) {
        for (key, expected) in [
            (None, "401 unauthenticated"),
            (Some(elsewhere.as_str()), "401 unauthenticated"),
            (Some(publisher.as_str()), "403 forbidden"),
            (Some(ADMIN), "403 forbidden"), // the route names no account
            (Some(shop.key.as_str()), unknown),
        ] {
            assert_eq!(refusal(&shop.ask_as(key, "POST", path, body).await), expected, "{path} {key:?}");
        }
        assert!(shop.ask_as(Some(&other), "POST", path, body).await.status < 300, "{path}");
    }
    // What somebody else has is answered as what there is not.
    let nothing = shop.ask("POST", "/sent/dlv_nothing/again", "").await;
    assert_eq!(shop.ask("POST", &paths[1], "").await.text, nothing.text);
}
