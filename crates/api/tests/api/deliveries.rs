//! `/v1/deliveries`

use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Clock, Decision, Phases};
use bellwire_store::Outcome;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_filtered() {
    let server = Server::start().await;
    server.account("a", "choosy").await;
    server.account("b", "choosy").await;
    let (first, second) = (server.endpoint("a").await, server.endpoint("b").await);
    for account in ["a", "a", "b"] {
        server.clock.advance(std::time::Duration::from_millis(1));
        server.post(&format!("/v1/accounts/{account}/events"), &json!({ "type": "order.created", "data": 1 })).await;
    }
    let numbers = async |query: &str| {
        let answer = server.get(&format!("/v1/deliveries?{query}")).await;
        let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone();
        items.iter().map(|item| format!("{}{}", item["account"].as_str().unwrap(), item["number"])).collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, ["b1", "a2", "a1"]);
    assert_eq!(numbers("account=a").await, ["a2", "a1"]);
    assert_eq!(numbers(&format!("account=a&endpoint={first}&state=pending")).await, ["a2", "a1"]);
    assert_eq!(numbers(&format!("account=a&endpoint={second}")).await, [""; 0]);
    assert_eq!(numbers("endpoint=no%20id").await, [""; 0]);
    assert_eq!(numbers("state=failed").await, [""; 0]);
    let page = server.get("/v1/deliveries?limit=2").await;
    let next = page.json["next"].as_str().unwrap();
    assert_eq!(numbers(&format!("limit=2&after={next}")).await, ["a1"]);
    assert_eq!(server.get("/v1/deliveries?account=x").await.problem(), "404 not_found");
    assert_eq!(server.get("/v1/deliveries?state=lost").await.problem(), "400 invalid_query");
    assert_eq!(server.get("/v1/deliveries?colour=red").await.problem(), "400 invalid_query");
}

#[tokio::test]
async fn every_filter_of_deliveries_is_taken_and_what_means_nothing_is_named_with_what_it_may_be() {
    let server = Server::start().await;
    for account in ["a", "b"] {
        server.account(account, "choosy").await;
        server.endpoint(account).await;
        let event = json!({ "type": "order.created", "data": 1, "subjects": ["patient-1"] });
        assert_eq!(server.post(&format!("/v1/accounts/{account}/events"), &event).await.status, 201);
    }
    let count = async |key: Option<&str>, query: &str| {
        let answer = server.call("GET", &format!("/v1/deliveries?{query}"), key, None).await;
        answer.json["items"].as_array().unwrap_or_else(|| panic!("{query}: {}", answer.text)).len()
    };
    let admin = Some(crate::support::ADMIN);
    for (query, expected) in [
        ("type=order.created", 2),
        ("type=order.shipped", 0),
        ("outcome=response", 0),
        ("status=503", 0),
        ("attempts_min=0", 2),
        ("attempts_min=1", 0),
        ("since=2025-01-15T10:30:00Z", 2),
        ("until=2025-01-15T10:30:00Z", 0),
        ("since=2025-01-15T10:30:00Z&until=2025-01-15T11:30:00Z&type=order.created&state=pending", 2),
        ("account=a&subject=patient-1&type=order.created&state=pending", 1),
        ("account=a&subject=patient-2", 0),
    ] {
        assert_eq!(count(admin, query).await, expected, "{query}");
    }
    let own = server.key("consumer", Some("a")).await;
    assert_eq!(count(Some(&own), "subject=patient-1&type=order.created").await, 1, "its own account's");
    assert_eq!(count(Some(&own), "event=e1").await, 0, "an event of its own account");
    for (query, name) in [
        ("outcome=lost", "outcome"),
        ("subject=patient-1", "subject"),
        ("status=99", "status"),
        ("attempts_min=many", "attempts_min"),
        ("since=yesterday", "since"),
        ("since=2025-01-15T10:30:00Z&until=2025-01-15T10:30:00Z", "until"),
        ("type=", "type"),
        ("event=e1", "event"),
        ("status=200&status=500", "status"),
    ] {
        let answer = server.get(&format!("/v1/deliveries?{query}")).await;
        assert_eq!(answer.problem(), "400 invalid_query", "{query}");
        assert!(answer.text.contains(&format!("`{name}`")), "{query}: {}", answer.text);
    }
    let unknown = server.get("/v1/deliveries?outcome=lost").await;
    assert!(unknown.text.contains("response, timeout_dns"), "the outcomes there are: {}", unknown.text);
}

#[tokio::test]
async fn a_delivery_shows_its_attempts_and_can_be_sent_again() {
    let server = Server::start().await;
    server.account("a", "choosy").await;
    let endpoint = server.endpoint("a").await;
    let event = server.post("/v1/accounts/a/events", &json!({ "type": "order.created", "data": 1 })).await.id();
    let claimed = server.queue.next_claimed().await.unwrap().remove(0);
    let path = format!("/v1/deliveries/{}", claimed.id);
    let pending = server.get(&path).await;
    assert_eq!((&pending.json["state"], &pending.json["attempts"]), (&json!("pending"), &json!([])));
    assert_eq!((&pending.json["event"], &pending.json["endpoint"]), (&json!(event), &json!(endpoint)));
    assert_eq!(server.post(&format!("{path}/retry"), &json!({})).await.problem(), "409 delivery_in_flight");

    server.clock.advance(Duration::from_micros(12_250));
    let now = server.clock.now();
    let took = |micros| Some(Duration::from_micros(micros));
    let phases = Phases { dns: None, connect: took(300), tls: took(41_000), answer: took(44_125) };
    let outcome = AttemptOutcome::Response { status: 500, retry_after: None, headers: Vec::new(), body: b"no \xff".to_vec() };
    let decision = Decision::Failed { endpoint_gone: false };
    let health = bellwire_domain::HealthPolicy::default();
    server
        .queue
        .record_outcomes(
            [Outcome {
                told: None,
                relays_answer: false,
                order: bellwire_domain::OrderStep::default(),
                delivery: claimed,
                started_at: now,
                duration: std::time::Duration::from_micros(85_600),
                phases,
                outcome,
                decision,
                health,
            }]
            .into(),
        )
        .await
        .unwrap();
    let failed = server.get(&path).await;
    assert_eq!((&failed.json["state"], &failed.json["attempt_count"]), (&json!("failed"), &json!(1)));
    assert_eq!(failed.json["ended_at"], "2025-01-15T10:30:00.012250Z");
    let attempt = &failed.json["attempts"][0];
    assert_eq!(
        (&attempt["status"], &attempt["duration_ms"], &attempt["response"]),
        (&json!(500), &json!(85), &json!("no \u{fffd}"))
    );
    let expected = json!({ "wait_ms": 12.25, "dns_ms": null, "connect_ms": 0.3, "tls_ms": 41.0, "answer_ms": 44.125 });
    assert_eq!(attempt["phases"], expected, "milliseconds, and null for what did not take place");

    let again = server.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((again.status, &again.json["state"]), (200, &json!("pending")));
    for path in ["/v1/deliveries/unknown", "/v1/deliveries/no%20id"] {
        assert_eq!(server.get(path).await.problem(), "404 not_found");
        assert_eq!(server.post(&format!("{path}/retry"), &json!({})).await.problem(), "404 not_found");
    }
    server.delete(&format!("/v1/accounts/a/endpoints/{endpoint}")).await;
    assert_eq!(server.get(&path).await.json["state"], "cancelled");
    assert_eq!(server.post(&format!("{path}/retry"), &json!({})).await.problem(), "409 endpoint_deleted");
}

#[tokio::test]
async fn the_request_of_an_attempt_is_shown_with_what_was_signed_and_without_the_secret() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    let made = json!({ "url": "https://c.example/in?token=t0", "secret": "a long random text", "enabled": true });
    let endpoint = server.post("/v1/accounts/a/endpoints", &made).await.id();
    let event = json!({ "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } });
    server.post("/v1/accounts/a/events", &event).await;
    let claimed = server.queue.next_claimed().await.unwrap().remove(0);
    let path = format!("/v1/deliveries/{}/request", claimed.id);

    let before = server.get(&path).await;
    assert_eq!((before.status, &before.json["attempt"]), (200, &json!(null)), "none was made: {}", before.text);

    server.clock.advance(Duration::from_secs(60));
    server.record(claimed, 503, b"", Decision::Failed { endpoint_gone: false }).await;
    let shown = server.get(&path).await;
    assert_eq!(shown.json["attempt"], 1);
    assert_eq!((&shown.json["method"], &shown.json["url"]), (&json!("POST"), &made["url"]));
    let body = shown.json["body"].as_str().unwrap();
    assert_eq!(shown.json["signed"], json!([{ "signature": "main", "text": body, "claims": null }]));
    assert!(shown.text.contains(r#"{"name":"x-signature","value":""#), "{}", shown.text);
    assert!(!shown.text.contains("a long random text"), "{}", shown.text);
    assert_eq!(server.get(&format!("{path}?attempt=1")).await.json, shown.json);

    assert_eq!(server.get(&format!("{path}?attempt=2")).await.problem(), "404 not_found");
    for wrong in ["attempt=0", "attempt=last", "number=1"] {
        assert_eq!(server.get(&format!("{path}?{wrong}")).await.problem(), "400 invalid_query", "{wrong}");
    }
    server.call("DELETE", &format!("/v1/accounts/a/endpoints/{endpoint}"), Some(crate::support::ADMIN), None).await;
    assert_eq!(server.get(&path).await.problem(), "409 endpoint_deleted");
}
