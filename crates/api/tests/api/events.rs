//! `/v1/accounts/{account}/events`

use std::time::Duration;

use bellwire_app::Limits;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Server};

const PATH: &str = "/v1/accounts/n/events";
const ID: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";

async fn server() -> Server {
    let server = Server::start().await;
    server.account("n", "noyo").await;
    server.account("c", "choosy").await;
    server
}

async fn post_text(server: &Server, path: &str, body: &str) -> Answer {
    server.call("POST", path, Some(ADMIN), Some(body)).await
}

fn event(id: Option<&str>) -> Value {
    json!({ "type": "difference.created", "data": { "id": ID }, "id": id })
}

#[tokio::test]
async fn an_event_is_stored_with_its_deliveries() {
    let server = server().await;
    server.endpoint("n").await;
    server.endpoint("n").await;
    let answer = server.post(PATH, &event(None)).await;
    assert_eq!((answer.status, &answer.json["seq"], &answer.json["deliveries"]), (201, &json!(1), &json!(2)));
    assert_eq!(server.queue.next_claimed().await.unwrap().len(), 2);
    let second = server.post(PATH, &event(None)).await;
    assert_eq!(second.json["seq"], 2);
    assert_ne!(answer.id(), second.id());
    let open = server.post("/v1/accounts/c/events", &json!({ "type": "order.created", "data": null })).await;
    assert!(open.status == 201 && open.id().starts_with("evt_"), "{}", open.text);
}

#[tokio::test]
async fn the_same_id_again_changes_nothing() {
    let server = server().await;
    server.endpoint("n").await;
    let first = server.post(PATH, &event(Some("mine"))).await;
    assert_eq!((first.status, first.id()), (201, "mine".to_owned()));
    server.clock.advance(Duration::from_secs(60));
    let again = server.post(PATH, &event(Some("mine"))).await;
    assert_eq!((again.status, &again.json), (200, &first.json));
    let redelivered =
        server.post(PATH, &json!({ "type": "difference.created", "data": { "id": ID }, "id": "mine", "redeliver": true })).await;
    assert_eq!((redelivered.status, &redelivered.json), (200, &first.json));
    assert_eq!(server.get("/v1/deliveries").await.json["items"].as_array().unwrap().len(), 2, "one of them redelivered");

    for other in [
        json!({ "type": "difference.resolved", "data": { "id": ID }, "id": "mine" }),
        json!({ "type": "difference.created", "data": { "id": "f50b03bb-c8ab-4dd9-92dc-5dcf77011e0c" }, "id": "mine" }),
        json!({ "type": "difference.created", "data": { "id": ID }, "id": "mine", "occurred_at": "2025-01-01T00:00:00Z" }),
        json!({ "type": "difference.created", "data": { "id": ID }, "id": "mine", "subjects": ["patient-1"] }),
    ] {
        let answer = server.post(PATH, &other).await;
        assert_eq!(answer.problem(), "409 event_conflict /id");
        assert!(answer.json["detail"].as_str().unwrap().contains("`mine`"), "{}", answer.text);
    }
    let batch = json!({ "events": [event(None), { "type": "difference.resolved", "data": { "id": ID }, "id": "mine" }] });
    assert_eq!(server.post(PATH, &batch).await.problem(), "409 event_conflict /events/1/id");
    assert_eq!(server.get(PATH).await.json["items"].as_array().unwrap().len(), 1, "nothing of that batch");
}

#[tokio::test]
async fn of_many_posts_at_once_one_creates() {
    let server = server().await;
    server.endpoint("n").await;
    let body = event(Some("mine"));
    let answers = futures_util::future::join_all((0..20).map(|_| server.post(PATH, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201) && answer.json == answers[0].json));
}

#[tokio::test]
async fn a_batch_is_all_or_none() {
    let server = server().await;
    let good = json!({ "events": [event(Some("one")), event(None), event(Some("one"))] });
    let answer = server.post(PATH, &good).await;
    let seqs: Vec<_> = answer.json["items"].as_array().unwrap().iter().map(|item| item["seq"].clone()).collect();
    assert_eq!((answer.status, seqs), (201, vec![json!(1), json!(2), json!(1)]));
    let again = server.post(PATH, &json!({ "events": [event(Some("one"))] })).await;
    assert_eq!((again.status, &again.json["items"][0]["seq"]), (200, &json!(1)));

    let bad = json!({ "events": [event(None), { "type": "nope", "data": 1 }, { "data": { "id": 5 } }, 7] });
    assert_eq!(server.post(PATH, &bad).await.problem(), "422 invalid /events/2/type /events/3");
    let bad =
        json!({ "events": [event(None), { "type": "nope", "data": 1 }, { "type": "difference.created", "data": { "id": 5 } }] });
    assert_eq!(server.post(PATH, &bad).await.problem(), "422 invalid /events/1/type /events/2/data/id");
    assert_eq!(server.get(PATH).await.json["items"].as_array().unwrap().len(), 2);
    for (body, expected) in [
        (json!({ "events": [] }), "422 invalid /events"),
        (json!({ "events": {} }), "422 invalid /events"),
        (json!({ "events": [event(None)], "type": "difference.created" }), "422 invalid /type"),
    ] {
        assert_eq!(server.post(PATH, &body).await.problem(), expected, "{body}");
    }
}

#[tokio::test]
async fn what_is_refused_says_where() {
    let server = server().await;
    let data = json!({ "id": ID });
    let kind = "difference.created";
    for (body, expected) in [
        (json!({}), "422 invalid /type /data"),
        (json!({ "type": kind }), "422 invalid /data"),
        (json!({ "type": 1, "data": data }), "422 invalid /type"),
        (json!({ "type": "order.created", "data": data }), "422 invalid /type"),
        (json!({ "type": kind, "data": {} }), "422 invalid /data"),
        (json!({ "type": kind, "data": { "id": "no uuid" } }), "422 invalid /data/id"),
        (json!({ "type": kind, "data": { "id": ID, "ssn": "123-45-6789" } }), "422 invalid /data/ssn"),
        (json!({ "type": kind, "data": data, "id": "no id" }), "422 invalid /id"),
        (json!({ "type": kind, "data": data, "id": 7 }), "422 invalid /id"),
        (json!({ "type": kind, "data": data, "occurred_at": "yesterday" }), "422 invalid /occurred_at"),
        (json!({ "type": kind, "data": data, "subjects": "me" }), "422 invalid /subjects"),
        (json!({ "type": kind, "data": data, "subjects": ["me", ""] }), "422 invalid /subjects/1"),
        (json!({ "type": kind, "data": data, "subjects": vec!["x"; 33] }), "422 invalid /subjects"),
        (json!({ "type": kind, "data": data, "redeliver": "yes" }), "422 invalid /redeliver"),
        (json!({ "type": kind, "data": data, "payload": 1 }), "422 invalid /payload"),
    ] {
        assert_eq!(server.post(PATH, &body).await.problem(), expected, "{body}");
    }
    let refused = server.post(PATH, &json!({ "type": kind, "data": { "id": ID, "ssn": "123-45-6789" } })).await;
    assert!(!refused.text.contains("123-45-6789"), "an answer does not repeat what it refuses: {}", refused.text);
    let twice = r#"{"type":"difference.created","type":"difference.resolved","data":{}}"#;
    assert_eq!(post_text(&server, PATH, twice).await.problem(), "422 invalid /type");
    let entitled = json!({ "type": "order.audited", "data": 1 });
    assert_eq!(server.post("/v1/accounts/c/events", &entitled).await.problem(), "422 invalid /type");
    assert_eq!(server.post("/v1/accounts/x/events", &entitled).await.problem(), "404 not_found");
    server.put("/v1/accounts/c", &json!({ "contract": "choosy", "entitlements": ["order.audited"] })).await;
    assert_eq!(server.post("/v1/accounts/c/events", &entitled).await.status, 201);
    assert!(server.get(PATH).await.json["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn broken_json_says_line_and_column() {
    let server = server().await;
    for body in ["", "{", "{\n \"type\": }", "{\"type\":\"a\",\"data\":{\"a\":01}}", "{} {}", "\u{feff}{}"] {
        let answer = post_text(&server, PATH, body).await;
        assert_eq!(answer.problem(), "400 malformed_json", "{body:?}");
        assert!(answer.json["detail"].as_str().unwrap().contains("line"), "{}", answer.text);
    }
}

#[tokio::test]
async fn data_passes_byte_for_byte() {
    let server = server().await;
    let path = "/v1/accounts/c/events";
    for data in [
        r#"{"z":1.10,"a":1,"n":12345678901234567890123,"e":1E5,"\u0061":"\u00e9é\/"}"#,
        r#"{ "spaced" : [ 1 , 2 ] ,"twice":1,"twice":2}"#,
        "[\n\t1.0,-0,0.10]",
        "\"text\"",
        "null",
        "1.10",
        "true",
        "{}",
    ] {
        let answer = post_text(&server, path, &format!("{{ \"data\" : {data} , \"type\":\"order.created\" }}")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let after = answer.json["seq"].as_i64().unwrap() - 1;
        let log = server.get(&format!("{path}?after={after}")).await;
        assert!(log.text.contains(&format!("\"data\":{data}}}],\"next\":null}}")), "{data}: {}", log.text);
    }
}

#[tokio::test]
async fn the_log_is_read_in_order_and_by_page() {
    let server = server().await;
    for (kind, at) in
        [("created", "2025-01-01T00:00:00Z"), ("resolved", "2025-01-02T00:00:00.5Z"), ("created", "2025-01-03T01:00:00+01:00")]
    {
        let body = json!({ "type": format!("difference.{kind}"), "data": { "id": ID }, "occurred_at": at });
        assert_eq!(server.post(PATH, &body).await.status, 201);
    }
    let seqs = async |query: &str| {
        let answer = server.get(&format!("{PATH}?{query}")).await;
        let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone();
        (items.iter().map(|item| item["seq"].as_i64().unwrap()).collect::<Vec<_>>(), answer.json["next"].clone())
    };
    assert_eq!(seqs("").await, (vec![1, 2, 3], Value::Null));
    assert_eq!(seqs("limit=2").await, (vec![1, 2], json!("2")));
    assert_eq!(seqs("limit=2&after=2").await, (vec![3], Value::Null));
    assert_eq!(seqs("type=difference.created").await, (vec![1, 3], Value::Null));
    assert_eq!(seqs("since=2025-01-02T00:00:00.5Z&until=2025-01-03T00:00:00Z").await, (vec![2], Value::Null));
    let item = &server.get(&format!("{PATH}?after=1&limit=1")).await.json["items"][0];
    assert_eq!(
        (&item["occurred_at"], &item["created_at"]),
        (&json!("2025-01-02T00:00:00.500000Z"), &json!("2025-01-15T10:30:00.000000Z"))
    );
    for query in ["after=x", "after=-1", "type=a%20b", "since=soon", "until=", "limit=0", "before=3"] {
        assert_eq!(server.get(&format!("{PATH}?{query}")).await.problem(), "400 invalid_query", "{query}");
    }
}

#[tokio::test]
async fn what_was_missed_is_asked_for() {
    let server = server().await;
    let path = "/v1/accounts/c/events";
    server.post(path, &json!({ "type": "order.created", "data": 1 })).await;
    let shipped = json!({ "url": "https://clinic.example/hooks", "events": ["order.shipped"], "enabled": true });
    let picky = server.post("/v1/accounts/c/endpoints", &shipped).await.id();
    let all = server.endpoint("c").await;
    server.post(path, &json!({ "type": "order.shipped", "data": 2 })).await;
    let arrived =
        server.queue.next_claimed().await.unwrap().into_iter().find(|delivery| delivery.endpoint_id.as_str() == all).unwrap();
    let outcome = bellwire_store::Outcome {
        started_at: arrived.created_at,
        delivery: arrived,
        duration: Duration::ZERO,
        phases: bellwire_domain::Phases::default(),
        outcome: bellwire_domain::AttemptOutcome::answered(200),
        decision: bellwire_domain::Decision::Delivered,
        health: bellwire_domain::HealthPolicy::default(),
        told: None,
        relays_answer: false,
        order: bellwire_domain::OrderStep::default(),
    };
    server.queue.record_outcomes([outcome].into()).await.unwrap();
    let seqs = async |query: &str| {
        let answer = server.get(&format!("{path}?{query}")).await;
        let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone();
        items.iter().map(|item| item["seq"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seqs("delivered=false").await, [1]);
    assert_eq!(seqs("delivered=true").await, [2]);
    assert_eq!(seqs(&format!("delivered=false&endpoint={picky}")).await, [2], "the other one it does not want");
    assert_eq!(seqs(&format!("delivered=true&endpoint={picky}")).await, [0i64; 0]);
    assert_eq!(seqs(&format!("delivered=false&endpoint={all}&after=1")).await, [0i64; 0]);
    for query in ["delivered=maybe", "delivered=", &format!("endpoint={all}"), "delivered=true&delivered=false"] {
        assert_eq!(server.get(&format!("{path}?{query}")).await.problem(), "400 invalid_query", "{query}");
    }
    let foreign = server.endpoint("n").await;
    for other in ["nobody", "no%20id", &foreign] {
        assert_eq!(server.get(&format!("{path}?delivered=false&endpoint={other}")).await.problem(), "404 not_found", "{other}");
    }
}

#[tokio::test]
async fn limits_are_named() {
    let limits =
        Limits { body_bytes_max: 4_000, data_bytes_max: 100, data_depth_max: 5, batch_events_max: 2, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    server.account("c", "choosy").await;
    let path = "/v1/accounts/c/events";
    let large = json!({ "type": "order.created", "data": "x".repeat(101) });
    let answer = server.post(path, &large).await;
    assert_eq!(answer.problem(), "413 too_large /data");
    assert!(answer.json["detail"].as_str().unwrap().contains("100 bytes"), "{}", answer.text);
    let small = json!({ "type": "order.created", "data": 1 });
    assert_eq!(server.post(path, &json!({ "events": [small, large] })).await.problem(), "413 too_large /events/1/data");
    assert_eq!(server.post(path, &json!({ "events": [small, small, small] })).await.problem(), "413 too_large /events");
    assert_eq!(server.post(path, &json!({ "type": "order.created", "data": [[[[[[]]]]]] })).await.problem(), "422 invalid /data");
    let answer = post_text(&server, path, &" ".repeat(4_001)).await;
    assert_eq!(answer.problem(), "413 too_large");
    assert!(answer.json["detail"].as_str().unwrap().contains("4000 bytes"), "{}", answer.text);
    let streamed = axum::body::Body::from_stream(futures_util::stream::iter(
        (0..100).map(|_| Ok::<_, std::io::Error>([b' '; 100].as_slice())),
    ));
    let request = axum::http::Request::post(path).header("authorization", format!("Bearer {ADMIN}")).body(streamed).unwrap();
    assert_eq!(server.send(request).await.problem(), "413 too_large");
}

#[tokio::test]
async fn an_account_that_changes_meanwhile_is_decided_anew() {
    let server = server().await;
    server.put("/v1/accounts/c", &json!({ "contract": "choosy", "entitlements": ["order.audited"] })).await;
    let body = json!({ "type": "order.audited", "data": 1 });
    let same = json!({ "contract": "choosy", "entitlements": ["order.audited"] });
    let changes = futures_util::future::join_all((0..10).map(|_| server.put("/v1/accounts/c", &same)));
    let posts = futures_util::future::join_all((0..10).map(|_| server.post("/v1/accounts/c/events", &body)));
    let (_, posts) = futures_util::future::join(changes, posts).await;
    assert!(
        posts.iter().all(|answer| answer.status == 201 || answer.json["code"] == "busy"),
        "decided anew or asked to come back"
    );
    server.put("/v1/accounts/c", &json!({ "contract": "choosy" })).await;
    assert_eq!(server.post("/v1/accounts/c/events", &body).await.problem(), "422 invalid /type");
}

#[tokio::test]
async fn a_name_that_occurs_twice_is_refused_where_the_contract_closes_its_data() {
    let server = server().await;
    for (data, pointer) in [
        (format!(r#"{{"id":{{"ssn":"000-00-0000"}},"id":"{ID}"}}"#), "422 invalid /data/id"),
        (format!(r#"{{"\u0069d":"x","id":"{ID}"}}"#), "422 invalid /data/id"),
    ] {
        let answer = post_text(&server, PATH, &format!(r#"{{"type":"difference.created","data":{data}}}"#)).await;
        assert_eq!(answer.problem(), pointer, "{data}");
        assert!(answer.text.contains("the name occurs twice") && !answer.text.contains("000-00"), "{}", answer.text);
    }
    let open = post_text(&server, "/v1/accounts/c/events", r#"{"type":"order.created","data":{"a":1,"a":2}}"#).await;
    assert_eq!(open.status, 201, "an open contract lets bytes pass as they came: {}", open.text);
}

#[tokio::test]
async fn a_mistyped_event_type_is_answered_with_the_one_that_was_meant() {
    let server = server().await;
    let answer = server.post(PATH, &json!({ "type": "diference.created", "data": { "id": ID } })).await;
    assert_eq!(answer.problem(), "422 invalid /type");
    assert!(answer.text.contains("did you mean `difference.created`?"), "{}", answer.text);
    let endpoint = json!({ "url": "https://example.com/hooks", "events": ["order.creatd"] });
    let answer = server.post("/v1/accounts/c/endpoints", &endpoint).await;
    assert!(answer.problem().contains("/events/0") && answer.text.contains("did you mean `order.created`?"), "{}", answer.text);
}

#[tokio::test]
async fn occurred_at_takes_all_of_rfc3339_and_nothing_else() {
    let server = server().await;
    for text in ["20240101T000000Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00Z[Europe/Berlin]", "2024-01-01 00:00:00Z"] {
        let event = json!({ "type": "difference.created", "data": { "id": ID }, "occurred_at": text });
        assert_eq!(server.post(PATH, &event).await.problem(), "422 invalid /occurred_at", "{text}");
    }
    for text in ["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2024-01-01t00:00:00z", "2016-12-31T23:59:60Z"] {
        let event = json!({ "type": "difference.created", "data": { "id": ID }, "occurred_at": text });
        let answer = server.post(PATH, &event).await;
        assert_eq!(answer.status, 201, "{text}: {}", answer.text);
    }
    let log = server.get(PATH).await.json;
    let times: Vec<&str> = log["items"].as_array().unwrap().iter().filter_map(|event| event["occurred_at"].as_str()).collect();
    assert!(times.contains(&"9999-12-31T23:59:59.000000Z") && times.contains(&"0000-01-01T00:00:00.000000Z"), "{times:?}");
}

#[tokio::test]
async fn a_subject_that_misleads_is_refused_and_one_of_any_script_is_taken() {
    let server = server().await;
    let event = |subject: &str| json!({ "type": "difference.created", "data": { "id": ID }, "subjects": [subject] });
    for (subject, code_point) in [("a\u{202e}b", "U+202E"), ("\u{200b}", "U+200B"), ("a\n", "U+000A")] {
        let answer = server.post(PATH, &event(subject)).await;
        assert_eq!(answer.problem(), "422 invalid /subjects/0");
        assert!(answer.text.contains(code_point), "{}", answer.text);
    }
    assert_eq!(server.post(PATH, &event("Дом 👩\u{200d}👧")).await.status, 201);
}
