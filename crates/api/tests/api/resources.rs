//! `/v1/accounts/{account}/resources/{kind}/{id}`

use axum::body::Body;
use axum::http::Request;
use bellwire_app::Limits;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Server};

const ID: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";

fn path(kind: &str, id: &str) -> String {
    format!("/v1/accounts/c/resources/{kind}/{id}")
}

async fn put(server: &Server, kind: &str, id: &str, document: &str, header: Option<(&str, &str)>) -> Answer {
    let mut request = Request::put(path(kind, id)).header("authorization", format!("Bearer {ADMIN}"));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    server.send(request.body(Body::from(document.to_owned())).unwrap()).await
}

async fn log(server: &Server) -> Vec<(Value, Value)> {
    let log = server.get("/v1/accounts/c/events").await.json;
    log["items"].as_array().unwrap().iter().map(|event| (event["type"].clone(), event["data"].clone())).collect()
}

#[tokio::test]
async fn a_resource_is_put_changed_and_read_as_it_was_put() {
    let server = Server::start().await;
    server.account("c", "noyo").await;
    let document = format!("{{ \"status\":\"processing\",\n \"id\" : \"{ID}\", \"n\": 1.10 }}\n");
    let created = put(&server, "difference", ID, &document, None).await;
    assert_eq!((created.status, created.headers["etag"].to_str().unwrap()), (201, "\"1\""), "{}", created.text);
    let event = &created.json["events"][0];
    let expected = json!({ "kind": "difference", "id": ID, "state": "processing", "version": 1,
        "events": [{ "id": event["id"], "type": "difference.created", "seq": 1 }] });
    assert_eq!(created.json, expected);
    let read = server.get(&path("difference", ID)).await;
    assert_eq!((read.status, read.text.as_str()), (200, document.as_str()), "byte for byte");
    assert_eq!(
        (&read.headers["content-type"], &read.headers["etag"]),
        (&"application/json".parse().unwrap(), &created.headers["etag"])
    );

    let same = put(&server, "difference", ID, &document, None).await;
    assert_eq!((same.status, &same.json["version"], &same.json["events"]), (200, &json!(1), &json!([])));
    let resolved = put(&server, "difference", ID, r#"{"status":"resolved"}"#, None).await;
    assert_eq!((resolved.status, &resolved.json["version"], &resolved.json["events"][0]["seq"]), (200, &json!(2), &json!(2)));
    let data = json!({ "id": ID });
    assert_eq!(log(&server).await, [("difference.created".into(), data.clone()), ("difference.resolved".into(), data)]);

    let listed = server.get("/v1/accounts/c/resources/difference").await.json;
    let at = "2025-01-15T10:30:00.000000Z";
    let item = json!({ "kind": "difference", "id": ID, "state": "resolved", "version": 2, "created_at": at, "updated_at": at });
    assert_eq!(listed, json!({ "items": [item], "next": null }));
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let server = Server::start().await;
    server.account("c", "choosy").await;
    for number in 0..3 {
        let document = json!({ "status": "open", "event": format!("e{number}") }).to_string();
        assert_eq!(put(&server, "order", &format!("o{number}"), &document, None).await.status, 201);
    }
    let first = server.get("/v1/accounts/c/resources/order?limit=2").await.json;
    assert_eq!((first["items"].as_array().unwrap().len(), &first["next"]), (2, &json!("o1")));
    let second = server.get("/v1/accounts/c/resources/order?limit=2&after=o1").await.json;
    assert_eq!((second["items"][0]["id"].as_str(), &second["next"]), (Some("o2"), &Value::Null));
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_nothing_is_stored() {
    let server = Server::start().await;
    server.account("c", "noyo").await;
    put(&server, "difference", ID, r#"{"status":"resolved"}"#, None).await;
    let reopened = put(&server, "difference", ID, r#"{"status":"processing"}"#, None).await;
    assert_eq!(reopened.problem(), "409 illegal_transition");
    let detail = reopened.json["detail"].as_str().unwrap();
    assert!(detail.contains("resources.difference.final") && detail.contains("`resolved` is final"), "{detail}");
    for (document, problem) in [
        ("{}", "422 invalid /status"),
        (r#"{"status":"lost"}"#, "422 invalid /status"),
        (r#"{"status":"resolved","id":"other"}"#, "422 invalid /id"),
        ("[]", "422 invalid"),
        ("{", "400 malformed_json"),
        ("", "400 malformed_json"),
    ] {
        assert_eq!(put(&server, "difference", ID, document, None).await.problem(), problem, "{document}");
    }
    let no_uuid = put(&server, "difference", "no-uuid", r#"{"status":"processing"}"#, None).await;
    assert_eq!(no_uuid.problem(), "422 invalid", "the event's data does not fit its schema: {}", no_uuid.text);
    assert_eq!(server.get(&path("difference", "no-uuid")).await.problem(), "404 not_found");
    for (kind, id) in [("order", ID), ("difference", "nothing"), ("difference", "a%20b")] {
        assert_eq!(server.get(&path(kind, id)).await.problem(), "404 not_found", "{kind} {id}");
    }
    assert_eq!(put(&server, "order", ID, "{}", None).await.problem(), "404 not_found");
    assert_eq!(server.get("/v1/accounts/c/resources/order").await.problem(), "404 not_found");
    assert_eq!(server.get(&path("difference", ID)).await.text, r#"{"status":"resolved"}"#);
    assert_eq!(log(&server).await.len(), 2);
}

#[tokio::test]
async fn a_version_can_be_asked_for() {
    let server = Server::start().await;
    server.account("c", "noyo").await;
    let document = |n: u32| json!({ "status": "processing", "n": n }).to_string();
    for (header, n, expected) in [
        (("if-match", "*"), 1, "412 precondition_failed"),
        (("if-match", "\"1\""), 1, "412 precondition_failed"),
        (("if-none-match", "*"), 1, "201"),
        (("if-none-match", "*"), 2, "412 precondition_failed"),
        (("if-match", "\"1\""), 2, "200"),
        (("if-match", "\"1\""), 3, "412 precondition_failed"),
        (("if-match", "W/\"2\""), 3, "412 precondition_failed"),
        (("if-match", "\"9\", \"2\""), 3, "200"),
        (("if-none-match", "\"3\""), 4, "412 precondition_failed"),
        (("if-none-match", "\"1\""), 4, "200"),
        (("if-match", "*"), 5, "200"),
        (("if-none-match", "W/\"5\""), 6, "412 precondition_failed"),
        (("if-match", "5"), 6, "400 invalid_header"),
        (("if-none-match", ""), 6, "400 invalid_header"),
    ] {
        let answer = put(&server, "difference", ID, &document(n), Some(header)).await;
        let got = if answer.status < 400 { answer.status.to_string() } else { answer.problem() };
        assert_eq!(got, expected, "{header:?} {n}: {}", answer.text);
    }
    assert_eq!(server.get(&path("difference", ID)).await.headers["etag"], "\"5\"");
}

#[tokio::test]
async fn an_event_without_the_entitlement_is_left_out() {
    let server = Server::start().await;
    server.account("c", "choosy").await;
    let document = |audit: u32| json!({ "status": "open", "event": "e1", "audit": audit }).to_string();
    let types = |answer: &Answer| -> Vec<Value> {
        answer.json["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect()
    };
    assert_eq!(types(&put(&server, "order", "o", &document(1), None).await), ["order.created"]);
    let silent = put(&server, "order", "o", &document(2), None).await;
    assert_eq!((types(&silent).len(), &silent.json["version"]), (0, &json!(2)), "stored all the same");
    let granted = json!({ "contract": "choosy", "entitlements": ["order.audited"] });
    assert_eq!(server.put("/v1/accounts/c", &granted).await.status, 200);
    assert_eq!(types(&put(&server, "order", "o", &document(3), None).await), ["order.audited"]);
}

#[tokio::test]
async fn ids_from_documents_and_events_in_numbers_have_their_limits() {
    let server =
        Server::with_limits(Limits { batch_events_max: 3, data_bytes_max: 200, data_depth_max: 5, ..Limits::default() }).await;
    server.account("c", "choosy").await;
    let order = |more: Value| {
        let mut document = json!({ "status": "open", "event": "e1" });
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document.to_string()
    };
    let bad_id = put(&server, "order", "o", &order(json!({ "event": "a b" })), None).await;
    assert_eq!(bad_id.problem(), "422 invalid");
    assert_eq!(put(&server, "order", "o", &order(json!({ "event": null })), None).await.problem(), "422 invalid");
    let three = put(&server, "order", "o", &order(json!({ "parcels": [1, 2] })), None).await;
    assert_eq!(three.json["events"].as_array().unwrap().len(), 3, "{}", three.text);
    let four = put(&server, "order", "o", &order(json!({ "parcels": [1, 2, 3, 4, 5, 6] })), None).await;
    assert_eq!(four.problem(), "413 too_large");
    let large = put(&server, "order", "p", &order(json!({ "x": "x".repeat(200) })), None).await;
    assert_eq!(large.problem(), "413 too_large");
    let deep = put(&server, "order", "p", &order(json!({ "x": [[[[[1]]]]] })), None).await;
    assert_eq!(deep.problem(), "422 invalid");
    server.post("/v1/accounts/c/events", &json!({ "type": "order.shipped", "id": "taken", "data": 1 })).await;
    let taken = put(&server, "order", "q", &order(json!({ "event": "taken" })), None).await;
    assert_eq!(taken.problem(), "409 event_conflict");
    assert_eq!(server.get(&path("order", "q")).await.problem(), "404 not_found");
}

#[tokio::test]
async fn a_document_has_each_name_once_and_a_mistyped_kind_is_answered_with_the_one_that_was_meant() {
    let server = Server::start().await;
    server.account("c", "noyo").await;
    let twice = put(&server, "difference", ID, r#"{"status":"processing","x":[{"a":1,"a":2}]}"#, None).await;
    assert_eq!(twice.problem(), "422 invalid /x/0/a", "{}", twice.text);
    let mistyped = put(&server, "diference", ID, r#"{"status":"processing"}"#, None).await;
    assert_eq!(mistyped.problem(), "404 not_found");
    assert!(mistyped.text.contains("did you mean `difference`?"), "{}", mistyped.text);
}
