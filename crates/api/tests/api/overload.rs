//! Too much of everything is refused clearly, says when to come back, and stores nothing.

use std::time::Duration;

use bellwire_app::Limits;
use bellwire_domain::RateLimit;
use serde_json::{Value, json};

use crate::support::{ADMIN, Server};

#[tokio::test]
async fn a_full_backlog_refuses_that_account_only() {
    let server = Server::tuned(Limits::default(), |options| options.account_backlog_max = 2).await;
    for account in ["a", "b"] {
        server.account(account, "choosy").await;
        server.endpoint(account).await;
    }
    let event = json!({ "type": "order.created", "data": 1 });
    for _ in 0..2 {
        assert_eq!(server.post("/v1/accounts/a/events", &event).await.status, 201);
    }
    let refused = server.post("/v1/accounts/a/events", &event).await;
    assert_eq!(refused.problem(), "429 backlog_full");
    assert_eq!(refused.headers["retry-after"], "5");
    let batch = server.post("/v1/accounts/a/events", &json!({ "events": [event, event] })).await;
    assert_eq!(batch.problem(), "429 backlog_full");
    let log = server.get("/v1/accounts/a/events").await;
    assert_eq!(log.json["items"].as_array().unwrap().len(), 2, "nothing was stored");
    assert_eq!(server.post("/v1/accounts/b/events", &event).await.status, 201, "another account goes on");

    let claimed = server.queue.next_claimed().await.unwrap().remove(0);
    let outcome = bellwire_store::Outcome {
        delivery: claimed,
        started_at: bellwire_domain::Clock::now(&*server.clock),
        duration: Duration::from_millis(1),
        phases: bellwire_domain::Phases::default(),
        outcome: bellwire_domain::AttemptOutcome::answered(200),
        decision: bellwire_domain::Decision::Delivered,
        health: bellwire_domain::HealthPolicy::default(),
        told: None,
        relays_answer: false,
        order: bellwire_domain::OrderStep::default(),
    };
    server.queue.record_outcomes([outcome].into()).await.unwrap();
    assert_eq!(server.post("/v1/accounts/a/events", &event).await.status, 201, "as soon as one has ended");
}

#[tokio::test]
async fn a_key_may_ask_so_often_and_others_are_not_held_up() {
    let limits = Limits { requests_per_key: Some("5/s".parse().unwrap()), ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let key = server.key("publisher", None).await;
    let ask = async || server.call("GET", "/v1/contracts", Some(&key), None).await;
    for left in [4, 3, 2, 1, 0] {
        let answer = ask().await;
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, "\"requests\";q=5;w=1"));
        assert_eq!(answer.header("ratelimit"), format!("\"requests\";r={left};t=1"));
    }
    let refused = ask().await;
    assert_eq!(refused.header("ratelimit"), "\"requests\";r=0;t=1");
    assert_eq!((refused.problem().as_str(), &refused.headers["retry-after"]), ("429 rate_exceeded", &"1".parse().unwrap()));
    assert_eq!(server.get("/v1/contracts").await.status, 200, "another key has its own pace");
    assert_eq!(server.call("GET", "/healthz", None, None).await.status, 200);
    server.clock.advance(Duration::from_millis(200));
    assert_eq!((ask().await.status, ask().await.status), (200, 429), "one more after a fifth of a second");
}

#[tokio::test]
async fn a_consumer_s_key_has_a_limit_of_its_own() {
    let limits = Limits { requests_per_consumer_key: Some("1/s".parse().unwrap()), ..Limits::default() };
    let server = Server::with_limits(limits).await;
    server.account("a", "choosy").await;
    let key = server.key("consumer", Some("a")).await;
    let ask = async || server.call("GET", "/v1/accounts/a/endpoints", Some(&key), None).await;
    assert_eq!((ask().await.status, ask().await.status), (200, 429));
    assert_eq!(server.get("/v1/contracts").await.status, 200, "the operator's has none");
}

#[tokio::test]
async fn an_account_may_have_so_many_test_events_sent_and_others_are_not_held_up() {
    let limits = Limits { tests_per_account: RateLimit::per_minute_at_once(2), ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let mut paths = Vec::new();
    for account in ["a", "b"] {
        server.account(account, "noyo").await;
        let endpoint = server.endpoint(account).await;
        paths.push(format!("/v1/accounts/{account}/endpoints/{endpoint}/test"));
    }
    for left in [1, 0] {
        let sent = server.post(&paths[0], &Value::Null).await;
        assert_eq!((sent.status, sent.header("ratelimit-policy")), (201, "\"tests\";q=2;w=60"));
        assert!(sent.header("ratelimit").starts_with(&format!("\"tests\";r={left};t=")));
    }
    let refused = server.post(&paths[0], &Value::Null).await;
    assert_eq!((refused.problem().as_str(), refused.header("retry-after")), ("429 rate_exceeded", "30"));
    assert_eq!(server.post(&paths[1], &Value::Null).await.status, 201, "another account has its own");
}

#[tokio::test]
async fn a_busy_store_asks_to_come_back_and_keeps_what_it_acknowledged() {
    let server = Server::tuned(Limits::default(), |options| options.jobs_max = 1).await;
    server.account("a", "choosy").await;
    let body = json!({ "type": "order.created", "data": 1 }).to_string();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let (mut accepted, mut refused) = (0, 0);
    while refused == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the store is never busy");
        let calls = (0..64).map(|_| server.call("POST", "/v1/accounts/a/events", Some(ADMIN), Some(&body)));
        for answer in futures_util::future::join_all(calls).await {
            if answer.status == 201 {
                accepted += 1;
                continue;
            }
            assert_eq!((answer.problem().as_str(), &answer.headers["retry-after"]), ("503 busy", &"1".parse().unwrap()));
            refused += 1;
        }
    }
    let mut stored = 0;
    let mut after = json!("0");
    while let Some(cursor) = after.as_str() {
        let page = server.get(&format!("/v1/accounts/a/events?limit=200&after={cursor}")).await.json;
        stored += page["items"].as_array().unwrap().len();
        after = page["next"].clone();
    }
    assert_eq!(stored, accepted, "refused means not stored, and acknowledged stored");
}
