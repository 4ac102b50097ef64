//! `/v1/stats` and `/v1/incidents`

use std::time::Duration;

use bellwire_domain::Decision;
use bellwire_store::ClaimedDelivery;
use serde_json::{Value, json};

use crate::support::Server;

/// A server with deliveries in memory: two of one account, one of another.
async fn server() -> (Server, Vec<ClaimedDelivery>) {
    let server = Server::start().await;
    let mut claimed = Vec::new();
    for (account, events) in [("a", 2), ("b", 1)] {
        server.account(account, "choosy").await;
        server.endpoint(account).await;
        for number in 0..events {
            server.post(&format!("/v1/accounts/{account}/events"), &json!({ "type": "order.created", "data": number })).await;
        }
    }
    while claimed.len() < 3 {
        claimed.extend(server.queue.next_claimed().await.unwrap());
    }
    (server, claimed)
}

#[tokio::test]
async fn stats_count_attempts_by_outcome_and_status_with_quantiles() {
    let (server, mut claimed) = server().await;
    let endpoint = claimed[0].endpoint_id.to_string();
    server.record(claimed.remove(0), 200, b"", Decision::Delivered).await;
    server.clock.advance(Duration::from_secs(60));
    server.record(claimed.remove(0), 503, b"", Decision::Failed { endpoint_gone: false }).await;
    server.record(claimed.remove(0), 200, b"", Decision::Delivered).await;

    let all = server.get("/v1/stats").await.json;
    assert_eq!((&all["by"], &all["data"].as_array().unwrap().len()), (&json!("hour"), &1));
    assert_eq!((&all["since"], &all["until"]), (&json!("2025-01-14T10:00:00.000000Z"), &json!("2025-01-15T11:00:00.000000Z")));
    assert_eq!(all["data"][0]["start"], "2025-01-15T10:00:00.000000Z");
    let expected = [("attempts", json!(3)), ("delivered", json!(2)), ("failed", json!(1))];
    for (name, value) in expected {
        assert_eq!(all["total"][name], value, "{name}");
        assert_eq!(all["data"][0][name], value, "{name}");
    }
    assert_eq!(all["total"]["outcomes"], json!({ "response": 3 }));
    assert_eq!(all["total"]["statuses"], json!({ "2xx": 2, "5xx": 1 }));
    let p50 = all["total"]["latency_ms"]["p50"].as_f64().unwrap();
    assert!((75.0..96.0).contains(&p50), "{p50} is not within an eighth of 85.6");

    let minutes = server.get(&format!("/v1/stats?by=minute&account=a&endpoint={endpoint}")).await.json;
    let counts: Vec<&Value> = minutes["data"].as_array().unwrap().iter().map(|span| &span["attempts"]).collect();
    assert_eq!(counts, [&json!(1), &json!(1)]);
    let later = server.get("/v1/stats?by=minute&account=a&since=2025-01-15T10:31:00Z").await.json;
    assert_eq!((&later["total"]["attempts"], &later["total"]["delivered"]), (&json!(1), &json!(0)));
    let day = server.get("/v1/stats?by=day&since=1999-01-01T00:00:00Z&account=b").await.json;
    assert_eq!((&day["total"]["attempts"], &day["since"]), (&json!(1), &json!("2023-12-12T00:00:00.000000Z")), "moved up");
    let none = server.get("/v1/stats?account=a&since=2025-01-14T00:00:00Z&until=2025-01-14T01:00:00Z").await.json;
    assert_eq!((&none["data"], &none["total"]["latency_ms"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() {
    let (server, _) = server().await;
    for (query, problem) in [
        ("by=week", "400 invalid_query"),
        ("since=yesterday", "400 invalid_query"),
        ("since=2025-01-16T00:00:00Z", "400 invalid_query"),
        ("endpoint=e", "400 invalid_query"),
        ("account=nobody", "404 not_found"),
        ("colour=red", "400 invalid_query"),
    ] {
        assert_eq!(server.get(&format!("/v1/stats?{query}")).await.problem(), problem, "{query}");
    }
    assert_eq!(server.get("/v1/incidents?state=lost").await.problem(), "400 invalid_query");
    assert_eq!(server.get("/v1/incidents?account=nobody").await.problem(), "404 not_found");
    for id in ["inc_1", "no%20id"] {
        assert_eq!(server.get(&format!("/v1/incidents/{id}")).await.problem(), "404 not_found");
        assert_eq!(server.post(&format!("/v1/incidents/{id}/resolve"), &json!({})).await.problem(), "404 not_found");
    }
}

#[tokio::test]
async fn an_incident_is_opened_acknowledged_and_resolved_by_the_next_success() {
    let (server, mut claimed) = server().await;
    server.fail(claimed.remove(0)).await;
    server.clock.advance(Duration::from_secs(1));
    server.fail(claimed.remove(0)).await;
    let open = server.get("/v1/incidents?state=open").await.json;
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "one for both");
    let incident = &open["items"][0];
    let path = format!("/v1/incidents/{}", incident["id"].as_str().unwrap());
    assert_eq!((&incident["account"], &incident["outcome"], &incident["status"]), (&json!("a"), &json!("response"), &json!(503)));
    assert_eq!(incident["failures"], 2);
    assert_eq!(server.get(&path).await.json, *incident);

    let acknowledged = server.post(&format!("{path}/acknowledge"), &json!({})).await.json;
    assert_eq!(acknowledged["state"], "acknowledged");
    assert!(acknowledged["acknowledged_by"].as_str().unwrap().starts_with("key_"), "{acknowledged}");
    assert_eq!(server.post(&format!("{path}/acknowledge"), &json!({})).await.json, acknowledged, "again changes nothing");
    assert_eq!(server.get("/v1/incidents?state=open").await.json["items"], json!([]));

    server.queue.claim_due(bellwire_domain::Clock::now(&*server.clock), 10).await.unwrap();
    let again = server.queue.next_claimed().await.unwrap().remove(0);
    server.record(again, 200, b"", Decision::Delivered).await;
    let resolved = server.get(&path).await.json;
    assert_eq!((&resolved["state"], &resolved["resolved_by"]), (&json!("resolved"), &Value::Null));
    assert_eq!(server.post(&format!("{path}/acknowledge"), &json!({})).await.problem(), "409 incident_resolved");
    assert_eq!(server.post(&format!("{path}/resolve"), &json!({})).await.json, resolved, "it is already");
}

#[tokio::test]
async fn somebody_can_say_that_an_incident_is_over() {
    let (server, mut claimed) = server().await;
    server.fail(claimed.remove(2)).await;
    let key = server.key("consumer", Some("b")).await;
    let listed = server.call("GET", "/v1/incidents", Some(&key), None).await.json;
    let path = format!("/v1/incidents/{}/resolve", listed["items"][0]["id"].as_str().unwrap());
    let resolved = server.call("POST", &path, Some(&key), None).await.json;
    assert_eq!(resolved["state"], "resolved");
    assert!(resolved["resolved_by"].as_str().unwrap().starts_with("key_"), "{resolved}");
    let other = server.key("consumer", Some("a")).await;
    assert_eq!(server.call("POST", &path, Some(&other), None).await.problem(), "404 not_found", "it is not theirs");
}
