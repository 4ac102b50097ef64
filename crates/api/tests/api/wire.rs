//! What every route does alike: errors, ids, content types, health.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use bellwire_app::Limits;
use bellwire_http::problem::Code;
use serde_json::json;

use crate::support::{ADMIN, Answer, Server, gzip};

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let server = Server::start().await;
    assert_eq!(server.get("/v1/nothing").await.problem(), "404 route_not_found");
    assert_eq!(server.get("/").await.problem(), "404 route_not_found");
    let answer = server.delete("/v1/contracts").await;
    assert_eq!(answer.problem(), "405 method_not_allowed");
    assert!(answer.headers["allow"].to_str().unwrap().contains("GET"), "{:?}", answer.headers);
}

#[tokio::test]
async fn bodies_must_be_json_by_name() {
    let server = Server::start().await;
    let send = async |content_type: Option<&str>| {
        let mut request = Request::post("/v1/keys").header("authorization", format!("Bearer {ADMIN}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        server.send(request.body(Body::from(r#"{"role":"publisher"}"#)).unwrap()).await
    };
    for good in [None, Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("application/vnd.x+json")] {
        assert_eq!(send(good).await.status, 201, "{good:?}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/json5"] {
        assert_eq!(send(Some(bad)).await.problem(), "415 unsupported_media_type", "{bad:?}");
    }
}

/// Posts a body with these `Content-Encoding`s.
async fn post_encoded(server: &Server, encodings: &[&str], body: Vec<u8>) -> Answer {
    let mut request = Request::post("/v1/keys").header("authorization", format!("Bearer {ADMIN}"));
    for encoding in encodings {
        request = request.header("content-encoding", *encoding);
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_gzip_body_is_read_and_other_encodings_are_refused_with_the_one_that_is_taken() {
    let server = Server::start().await;
    let body = br#"{"role":"publisher"}"#;
    for good in [&["gzip"][..], &["GZIP"], &["x-gzip"]] {
        assert_eq!(post_encoded(&server, good, gzip(body)).await.status, 201, "{good:?}");
    }
    for good in [&[][..], &["identity"]] {
        assert_eq!(post_encoded(&server, good, body.to_vec()).await.status, 201, "{good:?}");
    }
    for bad in [&["br"][..], &["deflate"], &["gzip, gzip"], &["gzip", "identity"], &["*"]] {
        let refused = post_encoded(&server, bad, gzip(body)).await;
        assert_eq!(refused.problem(), "415 unsupported_encoding", "{bad:?}");
        assert_eq!(refused.header("accept-encoding"), "gzip", "{bad:?}");
    }
    let padded = [&vec![b' '; 500_000], &body[..]].concat();
    assert_eq!(post_encoded(&server, &["gzip"], gzip(&padded)).await.status, 201, "it may be large");
    assert_eq!(post_encoded(&server, &["gzip"], vec![]).await.problem(), "400 malformed_json");
}

#[tokio::test]
async fn a_gzip_body_that_is_broken_is_refused() {
    let server = Server::start().await;
    let whole = gzip(br#"{"role":"publisher"}"#);
    let cut = whole[..whole.len() - 1].to_vec();
    let followed = [&whole[..], b"x"].concat();
    for broken in [b"{\"role\":\"publisher\"}".to_vec(), cut, followed] {
        assert_eq!(post_encoded(&server, &["gzip"], broken.clone()).await.problem(), "400 unreadable_body", "{broken:?}");
    }
}

#[tokio::test]
async fn a_gzip_body_is_bounded_by_what_it_decodes_to() {
    let server = Server::start().await;
    let bomb = gzip(&vec![0; 10 << 20]);
    assert!(bomb.len() < 16 << 10, "small as sent: {}", bomb.len());
    assert_eq!(post_encoded(&server, &["gzip"], bomb).await.problem(), "413 too_large");
    let body = br#"{"role":"publisher"}"#;
    let limited = Server::with_limits(Limits { body_bytes_max: body.len(), ..Limits::default() }).await;
    assert_eq!(post_encoded(&limited, &["identity"], body.to_vec()).await.status, 201);
    let over = [&b" "[..], body].concat();
    assert_eq!(post_encoded(&limited, &["identity"], over).await.problem(), "413 too_large");
    let spaces = Server::with_limits(Limits { body_bytes_max: 1_000, ..Limits::default() }).await;
    let fill = |length: usize| gzip(&[&vec![b' '; length - body.len()], &body[..]].concat());
    assert_eq!(post_encoded(&spaces, &["gzip"], fill(1_000)).await.status, 201);
    assert_eq!(post_encoded(&spaces, &["gzip"], fill(1_001)).await.problem(), "413 too_large");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let send = async |id: Option<&str>| {
        let mut request = Request::get("/healthz");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(send(Some("abc-1.2:3_4")).await, "abc-1.2:3_4");
    let (first, second) = (send(None).await, send(Some("not sane")).await);
    assert!(first.len() == 32 && second.len() == 32 && first != second, "{first} {second}");
    assert_eq!(send(Some(&"x".repeat(200))).await.len(), 32);
}

#[tokio::test]
async fn health_readiness_metrics() {
    let server = Server::start().await;
    let alive = async |path: &str| server.call("GET", path, None, None).await;
    assert_eq!((alive("/healthz").await.status, alive("/readyz").await.status), (200, 200));
    let metrics = alive("/metrics").await;
    assert_eq!(metrics.text, "bellwire_up 1\n");
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    server.ready.store(false, Ordering::Release);
    let stopping = alive("/readyz").await;
    assert_eq!(stopping.problem(), "503 unavailable");
    assert_eq!(stopping.headers["retry-after"], "1");
    assert_eq!(alive("/healthz").await.status, 200, "alive while stopping");
    server.ready.store(true, Ordering::Release);
    server.records.close().await;
    assert_eq!(alive("/readyz").await.problem(), "503 unavailable");
    let answer = server.post("/v1/keys", &json!({ "role": "admin" })).await;
    assert_eq!(answer.problem(), "503 unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
}

/// Codes are part of the API: this table is added to, never changed.
#[test]
fn the_table_of_codes() {
    let rows = Code::ALL.iter().map(|code| format!("{} {} {}\n", code.status().as_u16(), code.as_str(), code.title()));
    insta::assert_snapshot!(rows.collect::<String>());
}

#[test]
fn every_code_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let text = std::fs::read_to_string(path).unwrap();
    for code in Code::ALL {
        let heading = format!("### {}\n", code.as_str());
        assert!(text.contains(&heading), "docs/errors.md has no `{}`", heading.trim());
    }
    assert_eq!(text.matches("\n### ").count(), Code::ALL.len(), "docs/errors.md has codes that do not exist");
}

#[test]
fn codes_are_told_apart() {
    let words: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
}
