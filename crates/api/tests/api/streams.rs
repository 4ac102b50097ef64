//! `/v1/accounts/{account}/events/stream`

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{ADMIN, Server};

const PATH: &str = "/v1/accounts/c/events/stream";

async fn server() -> Server {
    let server = Server::start().await;
    server.account("c", "choosy").await;
    server
}

async fn publish(server: &Server, kind: &str, n: u32) {
    let data = json!({ "n": n });
    assert_eq!(server.post("/v1/accounts/c/events", &json!({ "type": kind, "data": data })).await.status, 201);
}

/// A stream that is read piece by piece.
struct Open(Body);

impl Open {
    async fn new(server: &Server, query: &str, key: &str, last_event_id: Option<&str>) -> Self {
        let mut request = Request::builder().uri(format!("{PATH}{query}")).header("authorization", format!("Bearer {key}"));
        if let Some(seen) = last_event_id {
            request = request.header("last-event-id", seen);
        }
        let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self(response.into_body())
    }

    /// What comes next; none: the stream has ended.
    async fn piece(&mut self) -> Option<String> {
        let frame = self.0.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    /// The next events, as `seq n`.
    async fn events(&mut self) -> Vec<String> {
        loop {
            let found = events(&self.piece().await.expect("it goes on"));
            if !found.is_empty() {
                return found;
            }
        }
    }

    /// The rest of a stream that ends.
    async fn rest(mut self) -> String {
        let mut all = String::new();
        while let Some(piece) = self.piece().await {
            all.push_str(&piece);
        }
        all
    }
}

fn events(piece: &str) -> Vec<String> {
    let data = piece.lines().filter_map(|line| line.strip_prefix("data: "));
    let read = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    read.map(|event| format!("{} {}", event["seq"], event["data"]["n"])).collect()
}

#[tokio::test]
async fn events_come_in_order_as_they_are_published() {
    let server = server().await;
    publish(&server, "order.created", 1).await;
    let mut all = Open::new(&server, "", ADMIN, None).await;
    let mut new = Open::new(&server, "?after_seq=now", ADMIN, None).await;
    assert_eq!(all.events().await, ["1 1"]);
    assert_eq!(new.piece().await.unwrap(), ": so far\nid: 1\n\n", "a client that comes back begins there");
    publish(&server, "order.created", 2).await;
    publish(&server, "order.shipped", 3).await;
    let mut seen = [Vec::new(), Vec::new()];
    for (stream, seen) in [&mut all, &mut new].into_iter().zip(&mut seen) {
        while seen.len() < 2 {
            seen.extend(stream.events().await);
        }
    }
    assert_eq!(seen, [["2 2", "3 3"], ["2 2", "3 3"]]);
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_followed() {
    let server = server().await;
    for n in 1..=45 {
        publish(&server, "order.created", n).await;
    }
    let caught_up = Open::new(&server, "?follow=false&after_seq=7", ADMIN, Some("2")).await.rest().await;
    let expected: Vec<String> = (3..=45).map(|n| format!("{n} {n}")).collect();
    assert_eq!(events(&caught_up), expected, "the header wins, and pages follow each other");
    assert!(caught_up.ends_with(": so far\nid: 45\n\n"), "{caught_up}");
    let none = Open::new(&server, "?follow=false&after_seq=45", ADMIN, None).await.rest().await;
    assert_eq!(none, ": so far\nid: 45\n\n");
}

#[tokio::test]
async fn events_of_other_types_are_passed_over_and_not_looked_at_again() {
    let server = server().await;
    for (kind, n) in [("order.shipped", 1), ("order.created", 2), ("order.shipped", 3), ("order.created", 4)] {
        publish(&server, kind, n).await;
    }
    let shipped = Open::new(&server, "?follow=false&type=order.shipped", ADMIN, None).await.rest().await;
    assert_eq!(events(&shipped), ["1 1", "3 3"]);
    assert!(shipped.ends_with("id: 4\n\n"), "{shipped}");
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_with_its_key() {
    let server = server().await;
    let made = server.post("/v1/keys", &json!({ "role": "consumer", "account": "c" })).await;
    let mut of_the_key = Open::new(&server, "", made.json["key"].as_str().unwrap(), None).await;
    assert!(of_the_key.piece().await.is_some());
    assert_eq!(server.delete(&format!("/v1/keys/{}", made.id())).await.status, 204);
    while of_the_key.piece().await.is_some() {}
    let mut of_the_server = Open::new(&server, "", ADMIN, None).await;
    assert!(of_the_server.piece().await.is_some());
    server.ready.store(false, Ordering::Release);
    assert_eq!(of_the_server.piece().await, None);
}

#[tokio::test]
async fn an_account_has_so_many_streams_and_others_have_theirs() {
    let server = server().await;
    server.account("n", "noyo").await;
    let mut open = Vec::new();
    let refused = loop {
        let request = Request::builder().uri(PATH).header("authorization", format!("Bearer {ADMIN}"));
        let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != 200 {
            break response;
        }
        open.push(response);
    };
    assert_eq!((open.len(), refused.status().as_u16()), (192, 429));
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(server.get(PATH).await.problem(), "429 stream_limit");
    assert_eq!(server.get("/v1/accounts/n/events/stream").await.status, 200);
    drop(open);
    assert_eq!(server.get(PATH).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = server().await;
    for query in ["?after_seq=x", "?after_seq=-1", "?follow=maybe", "?type=", "?limit=5"] {
        assert_eq!(server.get(&format!("{PATH}{query}")).await.problem(), "400 invalid_query", "{query}");
    }
    let request = Request::builder().uri(PATH).header("authorization", format!("Bearer {ADMIN}")).header("last-event-id", "x");
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.problem(), "400 invalid_header");
}
