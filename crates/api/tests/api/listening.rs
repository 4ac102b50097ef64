//! `/v1/accounts/{account}/listen`

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use bellwire_contract::{CapturedRequest, Contract, Verdict};
use bellwire_domain::{Clock, Secret};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{ADMIN, Server};

const PATH: &str = "/v1/accounts/c/listen";

async fn server() -> Server {
    let server = Server::start().await;
    server.account("c", "choosy").await;
    server
}

async fn publish(server: &Server, account: &str, kind: &str, data: Value) {
    let event = json!({ "type": kind, "data": data });
    assert_eq!(server.post(&format!("/v1/accounts/{account}/events"), &event).await.status, 201);
}

/// What a stream says: the kind of each message, its id, and what it says.
type Messages = Vec<(String, String, Value)>;

fn messages(text: &str) -> Messages {
    let field = |message: &str, name: &str| message.lines().find_map(|line| Some(line.strip_prefix(name)?.to_owned()));
    let messages = text.split("\n\n").filter_map(|message| {
        let (kind, id) = (field(message, "event: ")?, field(message, "id: ")?);
        let data: Vec<&str> = message.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        Some((kind, id, serde_json::from_str(&data.join("\n")).unwrap()))
    });
    messages.collect()
}

/// All that a stream has to say, which ends with the log.
async fn heard(server: &Server, path: &str, key: &str, headers: &[(&str, &str)]) -> Messages {
    let mark = if path.contains('?') { '&' } else { '?' };
    let mut request = Request::get(format!("{path}{mark}follow=false")).header("authorization", format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(status, 200, "{text}");
    messages(&text)
}

/// Whether a request is genuine under the contract that the stream has brought, with what it has brought to verify.
fn verdict(server: &Server, introduction: &Value, request: &Value) -> Verdict {
    let contract = Contract::compile(introduction["contract_source"].as_str().unwrap(), "told").unwrap();
    let keys = introduction["public_keys"].as_array().unwrap().iter().chain([&introduction["secret"]]);
    let known: Vec<Secret<String>> = keys.filter_map(Value::as_str).map(|text| Secret::new(text.to_owned())).collect();
    let headers: HeaderMap =
        pairs(request).into_iter().map(|(name, value)| (header(&name), HeaderValue::from_str(&value).unwrap())).collect();
    let text = |field: &str| request[field].as_str().unwrap();
    let captured = CapturedRequest { method: text("method"), url: text("url"), headers: &headers, body: text("body").as_bytes() };
    contract.verify(&captured, &known, server.clock.now())
}

fn header(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).unwrap()
}

fn pairs(request: &Value) -> Vec<(String, String)> {
    serde_json::from_value(request["headers"].clone()).unwrap()
}

#[tokio::test]
async fn requests_are_signed_with_what_the_stream_has_brought_and_with_no_real_secret() {
    let server = Server::start().await;
    for (account, contract, kind) in [
        ("a", "noyo", "difference.created"),
        ("b", "choosy", "order.created"),
        ("d", "shared", "claim.paid"),
        ("e", "signed", "claim.paid"),
    ] {
        server.account(account, contract).await;
        let _endpoint = server.endpoint(account).await;
        let data = if contract == "noyo" { json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" }) } else { json!({ "n": 1 }) };
        publish(&server, account, kind, data).await;
        let path = format!("/v1/accounts/{account}/listen");
        let found = heard(&server, &path, ADMIN, &[]).await;
        let [(first, _, introduction), (second, id, request)] = found.as_slice() else { panic!("{contract}: {found:?}") };
        assert_eq!((first.as_str(), second.as_str(), id.as_str()), ("listening", "request", "1"), "{contract}");
        assert_eq!(introduction["contract"], contract);
        assert_eq!((&request["type"], &request["seq"], &request["test"]), (&json!(kind), &json!(1), &json!(false)));
        assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!("http://localhost/")));
        assert_eq!(verdict(&server, introduction, request), Verdict::Genuine, "{contract}: {request}");
        let again = heard(&server, &path, ADMIN, &[]).await;
        assert_ne!((&again[0].2["secret"], &again[0].2["public_keys"]), (&introduction["secret"], &introduction["public_keys"]));
        assert_ne!(verdict(&server, introduction, &again[1].2), Verdict::Genuine, "{contract}: each stream has its own");
    }
    let real = server.get("/v1/contracts/signed/keys").await;
    let listened = heard(&server, "/v1/accounts/e/listen", ADMIN, &[]).await;
    let (introduction, request) = (&listened[0].2, &listened[1].2);
    assert_eq!((introduction["secret"].is_null(), introduction["public_keys"].as_array().unwrap().len()), (true, 1));
    assert!(!real.text.contains(introduction["public_keys"][0].as_str().unwrap().lines().nth(1).unwrap()), "{}", real.text);
    let shown = pairs(request).into_iter().find(|(name, _)| name == "x-key").unwrap().1;
    assert!(!real.text.contains(&shown), "the contract's own key signs nothing here");
    let account = server.get("/v1/accounts/d").await;
    let apikey = pairs(&heard(&server, "/v1/accounts/d/listen", ADMIN, &[]).await[1].2)[0].1.clone();
    assert_ne!(account.json["secret"], apikey.as_str(), "nor is the account's secret shown");
}

#[tokio::test]
async fn whoever_listens_may_bring_the_secret() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    publish(&server, "a", "difference.created", json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" })).await;
    let own = [("bellwire-secret", "a secret that nobody can guess")];
    let found = heard(&server, "/v1/accounts/a/listen", ADMIN, &own).await;
    assert_eq!(found[0].2["secret"], own[0].1);
    assert_eq!(verdict(&server, &found[0].2, &found[1].2), Verdict::Genuine);
    let request = Request::get("/v1/accounts/a/listen").header("authorization", format!("Bearer {ADMIN}"));
    let answer = server.send(request.header("bellwire-secret", "short").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), "400 invalid_header");
}

#[tokio::test]
async fn only_what_is_asked_for_is_shown_and_recorded_as_read() {
    let server = server().await;
    for (kind, n) in [("order.created", 1), ("order.shipped", 2), ("order.created", 3), ("order.shipped", 4)] {
        publish(&server, "c", kind, json!({ "n": n })).await;
    }
    let url = "https://hooks.example/in?a=1";
    let query = "types=order.shipped&after_seq=2&url=https%3A%2F%2Fhooks.example%2Fin%3Fa%3D1";
    let found = heard(&server, &format!("{PATH}?{query}"), ADMIN, &[]).await;
    let [(_, _, introduction), (_, id, request)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((id.as_str(), &request["body"], &request["url"]), ("4", &json!(r#"{"n":4}"#), &json!(url)));
    assert_eq!(introduction["url"], url);
    let records = server.get("/v1/audit?action=payloads.read").await.json;
    let detail = &records["items"].as_array().unwrap()[0]["detail"];
    assert_eq!((&detail["count"], records["items"].as_array().unwrap().len()), (&json!(1), 1), "{records}");
    assert_eq!(server.get("/v1/accounts/c/endpoints").await.json["items"], json!([]), "there is no endpoint");
    assert_eq!(server.get("/v1/deliveries?account=c").await.json["items"], json!([]), "and no delivery");

    let seen = heard(&server, PATH, ADMIN, &[("last-event-id", "3")]).await;
    assert_eq!(seen.iter().map(|(_, id, _)| id.as_str()).collect::<Vec<_>>(), ["3", "4"], "who comes back gets what followed");
    let none = heard(&server, &format!("{PATH}?after_seq=now"), ADMIN, &[]).await;
    assert_eq!((none.len(), none[0].1.as_str()), (1, "4"));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = server().await;
    for query in [
        "?types=order.lost",
        "?types=",
        "?url=ftp://x",
        "?options=%5B%5D",
        "?options=%7B%22x%22%3A1%7D",
        "?after_seq=x",
        "?limit=5",
    ] {
        assert_eq!(server.get(&format!("{PATH}{query}")).await.problem(), "400 invalid_query", "{query}");
    }
    let wrong = server.get(&format!("{PATH}?types=order.shiped")).await;
    let detail = wrong.json["detail"].as_str().unwrap();
    assert!(detail.contains("`types` is wrong: ") && detail.contains("order.shipped"), "{detail}");
}

#[tokio::test]
async fn a_consumer_hears_its_own_account_and_an_auditor_none() {
    let server = server().await;
    server.account("other", "choosy").await;
    publish(&server, "c", "order.created", json!({ "own": 1 })).await;
    publish(&server, "other", "order.created", json!({ "planted": 1 })).await;
    let key = server.key("consumer", Some("c")).await;
    let found = heard(&server, PATH, &key, &[]).await;
    assert_eq!((found.len(), &found[1].2["body"]), (2, &json!(r#"{"own":1}"#)));
    assert_eq!(server.call("GET", "/v1/accounts/other/listen", Some(&key), None).await.problem(), "404 not_found");
    let auditor = server.key("auditor", None).await;
    assert_eq!(server.call("GET", PATH, Some(&auditor), None).await.problem(), "403 forbidden");
}

#[tokio::test]
async fn a_contract_that_is_loaded_anew_makes_the_requests_from_then_on() {
    let server = server().await;
    let request = Request::get(PATH).header("authorization", format!("Bearer {ADMIN}"));
    let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut body = response.into_body();
    let mut piece = async || String::from_utf8(body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap();
    let first = messages(&piece().await);
    let changed: Vec<String> = server.files.0.lock().unwrap().iter().map(|file| file.replace("x-signature", "x-other")).collect();
    *server.files.0.lock().unwrap() = changed;
    assert_eq!(server.post("/v1/contracts/reload", &Value::Null).await.status, 200);
    let second = loop {
        let said = messages(&piece().await);
        if !said.is_empty() {
            break said;
        }
    };
    assert_eq!((first[0].0.as_str(), second[0].0.as_str()), ("listening", "listening"));
    assert_ne!(first[0].2["secret"], second[0].2["secret"]);
    publish(&server, "c", "order.created", json!({ "n": 1 })).await;
    let third = loop {
        let said = messages(&piece().await);
        if !said.is_empty() {
            break said;
        }
    };
    assert!(pairs(&third[0].2).iter().any(|(name, _)| name == "x-other"), "{third:?}");
    assert_eq!(verdict(&server, &second[0].2, &third[0].2), Verdict::Genuine);
}

#[tokio::test]
async fn streams_of_events_and_of_requests_count_together() {
    let server = server().await;
    let mut open = Vec::new();
    for path in [PATH, "/v1/accounts/c/events/stream"].iter().cycle() {
        let request = Request::get(*path).header("authorization", format!("Bearer {ADMIN}"));
        let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != 200 {
            break;
        }
        open.push(response);
    }
    assert_eq!(open.len(), 192);
    assert_eq!(server.get(PATH).await.problem(), "429 stream_limit");
}
