//! `/v1/accounts/{account}/endpoints`

use std::time::Duration;

use bellwire_app::Limits;
use bellwire_domain::{AccountId, EndpointId};
use bellwire_store::LaneKey;
use serde_json::{Value, json};

use crate::support::Server;

const NOYO: &str = "/v1/accounts/n/endpoints";
const CHOOSY: &str = "/v1/accounts/c/endpoints";

async fn server() -> Server {
    let server = Server::start().await;
    server.account("n", "noyo").await;
    server.account("c", "choosy").await;
    server.account("s", "administered").await;
    server
}

/// The secrets that sign, newest first.
async fn secrets(server: &Server, account: &str, endpoint: &str) -> Vec<String> {
    let lane = LaneKey { account_id: AccountId::try_new(account).unwrap(), endpoint_id: EndpointId::try_new(endpoint).unwrap() };
    let version = server.records.find_endpoint(&lane).await.unwrap().unwrap().version;
    let config = server.queue.find_endpoint_config(&lane, version).await.unwrap().unwrap();
    let now = bellwire_domain::Clock::now(&*server.clock);
    let active = config.secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end));
    active.map(|active| active.secret.expose().clone()).collect()
}

#[tokio::test]
async fn an_endpoint_is_registered_read_changed_and_deleted() {
    let server = server().await;
    let body = json!({ "url": "https://clinic.example/hooks", "name": "Intake", "secret": "a secret to guess" });
    let created = server.post(NOYO, &body).await;
    assert_eq!((created.status, &created.json["secret"]), (201, &json!("a secret to guess")));
    assert_eq!(created.json["events"], json!(["difference.created", "difference.resolved"]), "all, spelled out");
    assert_eq!((&created.json["enabled"], &created.json["health"]), (&json!(true), &json!("active")));

    let path = format!("{NOYO}/{}", created.id());
    let read = server.get(&path).await;
    assert_eq!((read.status, read.json.get("secret")), (200, None));
    assert_eq!(server.get(NOYO).await.json["items"], json!([read.json]));

    server.clock.advance(Duration::from_secs(1));
    let changed = server.patch(&path, &json!({ "url": "https://clinic.example/v2", "name": null, "enabled": false })).await;
    assert_eq!((&changed.json["url"], &changed.json["name"]), (&json!("https://clinic.example/v2"), &json!(null)));
    assert_eq!((&changed.json["enabled"], &changed.json["updated_at"]), (&json!(false), &json!("2025-01-15T10:30:01.000000Z")));
    let untouched = server.patch(&path, &json!({})).await;
    assert_eq!(untouched.json["url"], "https://clinic.example/v2");

    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.get(&path).await.problem(), "404 not_found");
    assert_eq!(server.patch(&path, &json!({})).await.problem(), "404 not_found");
    assert_eq!(server.delete(&path).await.problem(), "404 not_found");
    for action in ["test", "enable", "disable", "resume", "secrets"] {
        let answer = server.post(&format!("{path}/{action}"), &json!({})).await;
        assert_eq!(answer.problem(), "404 not_found", "{action}");
    }
}

#[tokio::test]
async fn what_the_contract_decides() {
    let server = server().await;
    let drawn = server.post(CHOOSY, &json!({ "url": "http://clinic.example/hooks" })).await;
    assert!(drawn.id().starts_with("ep_") && drawn.json["secret"].as_str().unwrap().len() >= 32, "{}", drawn.text);
    assert_eq!(drawn.json["enabled"], false, "the contract's default");
    assert_eq!(drawn.json["events"], json!(["order.created", "order.shipped"]), "what is enabled by default");

    let body = json!({ "url": "https://c.example", "events": ["order.shipped"], "enabled": true, "headers": { "X-B": "2", "x-a": "1" } });
    let chosen = server.post(CHOOSY, &body).await;
    assert_eq!((&chosen.json["events"], &chosen.json["enabled"]), (&json!(["order.shipped"]), &json!(true)));
    assert!(chosen.text.contains(r#""headers":{"X-B":"2","x-a":"1"}"#), "in their order: {}", chosen.text);
    let path = format!("{CHOOSY}/{}", chosen.id());
    assert_eq!(server.patch(&path, &json!({ "events": null })).await.json["events"], drawn.json["events"]);

    let account_secret = server.post("/v1/accounts/s/endpoints", &json!({ "url": "https://c.example" })).await;
    assert_eq!((account_secret.status, account_secret.json.get("secret")), (201, None));
    let path = format!("/v1/accounts/s/endpoints/{}/secrets", account_secret.id());
    assert_eq!(server.post(&path, &json!({})).await.problem(), "409 account_secret");
}

#[tokio::test]
async fn what_is_refused_says_where() {
    let server = server().await;
    let url = "https://clinic.example/hooks";
    let secret = "a secret to guess";
    let many: serde_json::Map<String, Value> = (0..21).map(|index| (format!("x-{index}"), json!("v"))).collect();
    for (path, body, expected) in [
        (NOYO, json!({}), "422 invalid /url"),
        (NOYO, json!({ "url": url }), "422 invalid /secret"),
        (NOYO, json!({ "url": url, "secret": "" }), "422 invalid /secret"),
        (NOYO, json!({ "url": "http://clinic.example", "secret": secret }), "422 invalid /url"),
        (NOYO, json!({ "url": "clinic.example", "secret": secret }), "422 invalid /url"),
        (NOYO, json!({ "url": "https://127.0.0.1/hooks", "secret": secret }), "422 invalid /url"),
        (NOYO, json!({ "url": "https://[::ffff:169.254.169.254]/", "secret": secret }), "422 invalid /url"),
        (NOYO, json!({ "url": "https://2130706433/", "secret": secret }), "422 invalid /url"),
        (NOYO, json!({ "url": url, "secret": secret, "events": ["difference.created"] }), "422 invalid /events"),
        (NOYO, json!({ "url": url, "secret": secret, "headers": { "x-a": "1" } }), "422 invalid /headers"),
        (NOYO, json!({ "url": url, "secret": secret, "name": "" }), "422 invalid /name"),
        (NOYO, json!({ "url": url, "secret": secret, "enabled": 1 }), "422 invalid /enabled"),
        (NOYO, json!({ "url": url, "secret": secret, "id": "mine" }), "422 invalid /id"),
        (CHOOSY, json!({ "url": url, "events": ["order.created", "order.lost"] }), "422 invalid /events/1"),
        (CHOOSY, json!({ "url": url, "events": ["order.created", "order.audited"] }), "422 invalid /events/1"),
        (CHOOSY, json!({ "url": url, "events": [] }), "422 invalid /events"),
        (CHOOSY, json!({ "url": url, "events": ["order.created", 7] }), "422 invalid /events/1"),
        (CHOOSY, json!({ "url": url, "headers": { "bad name": "1" } }), "422 invalid /headers/bad name"),
        (CHOOSY, json!({ "url": url, "headers": { "content-length": "1" } }), "422 invalid /headers/content-length"),
        (CHOOSY, json!({ "url": url, "headers": { "x-signature": "1" } }), "422 invalid /headers/x-signature"),
        (CHOOSY, json!({ "url": url, "headers": { "x-a": "1", "X-A": "2" } }), "422 invalid /headers/x-a"),
        (CHOOSY, json!({ "url": url, "headers": { "x-a": 1 } }), "422 invalid /headers/x-a"),
        (CHOOSY, json!({ "url": url, "headers": many }), "422 invalid /headers"),
        ("/v1/accounts/s/endpoints", json!({ "url": url, "secret": secret }), "422 invalid /secret"),
        ("/v1/accounts/nobody/endpoints", json!({ "url": url }), "404 not_found"),
    ] {
        assert_eq!(server.post(path, &body).await.problem(), expected, "{body}");
    }
    let path = format!("{CHOOSY}/{}", server.endpoint("c").await);
    for (body, expected) in [
        (json!({ "url": "ftp://c.example" }), "422 invalid /url"),
        (json!({ "name": "" }), "422 invalid /name"),
        (json!({ "events": ["order.audited"] }), "422 invalid /events/0"),
        (json!({ "secret": "via patch" }), "422 invalid /secret"),
        (json!({ "url": null, "headers": { "host": "x" } }), "422 invalid /headers/host"),
    ] {
        assert_eq!(server.patch(&path, &body).await.problem(), expected, "{body}");
    }
}

#[tokio::test]
async fn an_entitled_account_may_choose_what_it_was_granted() {
    let server = server().await;
    server.put("/v1/accounts/c", &json!({ "contract": "choosy", "entitlements": ["order.audited"] })).await;
    let answer = server.post(CHOOSY, &json!({ "url": "https://c.example", "events": ["order.audited"] })).await;
    assert_eq!((answer.status, &answer.json["events"]), (201, &json!(["order.audited"])));
}

#[tokio::test]
async fn no_endpoints_in_a_sandbox_where_the_contract_has_none() {
    let server = server().await;
    server.put("/v1/accounts/n", &json!({ "contract": "noyo", "sandbox": true })).await;
    let body = json!({ "url": "https://clinic.example", "secret": "a secret to guess" });
    assert_eq!(server.post(NOYO, &body).await.problem(), "409 sandbox_account");
}

#[tokio::test]
async fn an_account_has_so_many_endpoints_and_no_more() {
    let server = Server::with_limits(Limits { endpoints_per_account_max: 1, ..Limits::default() }).await;
    server.account("c", "choosy").await;
    server.endpoint("c").await;
    assert_eq!(server.post(CHOOSY, &json!({ "url": "https://c.example" })).await.problem(), "409 endpoint_limit");
}

#[tokio::test]
async fn switches() {
    let server = server().await;
    let path = format!("{NOYO}/{}", server.endpoint("n").await);
    for (action, enabled) in [("disable", false), ("disable", false), ("resume", false), ("enable", true), ("enable", true)] {
        let answer = server.post(&format!("{path}/{action}"), &json!({})).await;
        assert_eq!((answer.status, &answer.json["enabled"]), (200, &json!(enabled)), "{action}");
    }
}

#[tokio::test]
async fn the_test_event_goes_to_one_endpoint_even_a_disabled_one() {
    let server = server().await;
    let (first, _second) = (server.endpoint("n").await, server.endpoint("n").await);
    let path = format!("{NOYO}/{first}");
    server.post(&format!("{path}/disable"), &json!({})).await;
    let answer = server.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!((answer.status, &answer.json["deliveries"]), (201, &json!(1)), "{}", answer.text);
    let log = server.get("/v1/accounts/n/events").await;
    let event = &log.json["items"][0];
    assert_eq!((&event["test"], &event["type"]), (&json!(true), &json!("test.hello_world")));
    assert_eq!(event["data"], json!({ "message": "Hello world!" }));
    let deliveries = server.get(&format!("/v1/deliveries?account=n&endpoint={first}")).await;
    assert_eq!(deliveries.json["items"].as_array().unwrap().len(), 1);

    let path = format!("{CHOOSY}/{}/test", server.endpoint("c").await);
    assert_eq!(server.post(&path, &json!({})).await.problem(), "409 no_test_event");
}

#[tokio::test]
async fn a_test_can_be_of_any_type_that_the_contract_has() {
    let server = server().await;
    let path = format!("{NOYO}/{}/test", server.endpoint("n").await);
    assert_eq!(server.post(&path, &json!({ "type": "difference.created" })).await.status, 201, "its example is sent");
    let data = json!({ "id": "9d9f9e1c-3c1f-4f0e-9f3b-0f2f0c1f0c55" });
    let example = server.get("/v1/accounts/n/events").await.json["items"][0].clone();
    assert_eq!((&example["test"], &example["type"]), (&json!(true), &json!("difference.created")));
    for (body, expected) in [
        (json!({ "data": data }), "422 invalid /type"),
        (json!({ "type": "difference.craeted" }), "422 invalid /type"),
        (json!({ "type": "difference.created", "data": { "planted": 1 } }), "422 invalid /data /data/planted"),
        (json!({ "tpye": "difference.created" }), "422 invalid /tpye"),
    ] {
        assert_eq!(server.post(&path, &body).await.problem(), expected, "{body}");
    }
    let own = json!({ "type": "difference.created", "data": example["data"] });
    assert_eq!(server.post(&path, &own).await.json["deliveries"], json!(1));
}

#[tokio::test]
async fn rotated_secrets_overlap_for_as_long_as_asked() {
    let server = server().await;
    let id = server.endpoint("n").await;
    let path = format!("{NOYO}/{id}/secrets");
    let first = "a secret that nobody can guess".to_owned();
    let rotated = server.post(&path, &json!({ "secret": "the second secret", "overlap": "1h" })).await;
    assert_eq!((rotated.status, &rotated.json["secret"]), (201, &json!("the second secret")));
    assert_eq!(secrets(&server, "n", &id).await, ["the second secret".to_owned(), first]);
    server.clock.advance(Duration::from_secs(3_600));
    assert_eq!(secrets(&server, "n", &id).await, ["the second secret"]);
    server.post(&path, &json!({ "secret": "the third secret", "overlap": "0s" })).await;
    assert_eq!(secrets(&server, "n", &id).await, ["the third secret"]);

    for (body, expected) in [
        (json!({ "overlap": "1h" }), "422 invalid /secret"),
        (json!({ "secret": "", "overlap": "1h" }), "422 invalid /secret"),
        (json!({ "secret": "a secret that is fine", "overlap": "a while" }), "422 invalid /overlap"),
        (json!({ "secret": "a secret that is fine", "overlap": "31d" }), "422 invalid /overlap"),
        (json!({ "secret": "a secret that is fine", "overlap": 24 }), "422 invalid /overlap"),
    ] {
        assert_eq!(server.post(&path, &body).await.problem(), expected, "{body}");
    }
    for count in 0..4 {
        let answer = server.post(&path, &json!({ "secret": format!("a secret, number {count}"), "overlap": "1d" })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    assert_eq!(
        server.post(&path, &json!({ "secret": "one secret too many", "overlap": "1d" })).await.problem(),
        "409 secret_limit"
    );
    assert_eq!(server.post(&path, &json!({ "secret": "one without overlap", "overlap": "0s" })).await.status, 201);
}

#[tokio::test]
async fn a_drawn_secret_rotates_without_a_body() {
    let server = server().await;
    let id = server.endpoint("c").await;
    let rotated = server.call("POST", &format!("{CHOOSY}/{id}/secrets"), Some(crate::support::ADMIN), None).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let active = secrets(&server, "c", &id).await;
    assert_eq!((active.len(), rotated.json["secret"].as_str()), (2, Some(active[0].as_str())));
}

#[tokio::test]
async fn an_endpoint_has_limits_of_its_own() {
    let server = server().await;
    let body = json!({ "url": "https://c.example", "in_flight_max": 2, "rate_limit": "10/s" });
    let created = server.post(CHOOSY, &body).await;
    let limits = |answer: &crate::support::Answer| (answer.json["in_flight_max"].clone(), answer.json["rate_limit"].clone());
    assert_eq!((created.status, limits(&created)), (201, (json!(2), json!("10/s"))));
    let path = format!("{CHOOSY}/{}", created.id());
    assert_eq!(limits(&server.get(&path).await), (json!(2), json!("10/s")));
    let patched = server.patch(&path, &json!({ "rate_limit": "600/m" })).await;
    assert_eq!(limits(&patched), (json!(2), json!("600/m")), "what is left out stays");
    let cleared = server.patch(&path, &json!({ "in_flight_max": null, "rate_limit": null })).await;
    assert_eq!((cleared.status, limits(&cleared)), (200, (json!(null), json!(null))));
    assert_eq!(limits(&server.post(CHOOSY, &json!({ "url": "https://c.example" })).await), (json!(null), json!(null)));
    for wrong in [json!(0), json!(10_001), json!(-1), json!(1.5), json!("2"), json!(4_294_967_297i64), json!([])] {
        let body = json!({ "url": "https://c.example", "in_flight_max": wrong });
        assert_eq!(server.post(CHOOSY, &body).await.problem(), "422 invalid /in_flight_max", "{wrong}");
        assert_eq!(server.patch(&path, &json!({ "in_flight_max": wrong })).await.problem(), "422 invalid /in_flight_max");
    }
    for wrong in [json!("10"), json!("0/s"), json!("10/d"), json!(10), json!("")] {
        let body = json!({ "url": "https://c.example", "rate_limit": wrong });
        assert_eq!(server.post(CHOOSY, &body).await.problem(), "422 invalid /rate_limit", "{wrong}");
        assert_eq!(server.patch(&path, &json!({ "rate_limit": wrong })).await.problem(), "422 invalid /rate_limit");
    }
    assert_eq!(limits(&server.get(&path).await), (json!(null), json!(null)), "nothing of that was stored");
}

#[tokio::test]
async fn an_endpoint_says_how_much_it_is_sent_and_whether_its_answers_are_kept() {
    let server = server().await;
    let choice = |answer: &crate::support::Answer| (answer.json["payload"].clone(), answer.json["keep_answers"].clone());
    let plain = server.post(CHOOSY, &json!({ "url": "https://c.example" })).await;
    assert_eq!((plain.status, choice(&plain)), (201, (json!(null), json!(true))));
    let created = server.post(CHOOSY, &json!({ "url": "https://c.example", "payload": "ids", "keep_answers": false })).await;
    assert_eq!((created.status, choice(&created)), (201, (json!("ids"), json!(false))));
    let path = format!("{CHOOSY}/{}", created.id());
    let fields = json!(["/n", "/a~1b/0"]);
    assert_eq!(choice(&server.patch(&path, &json!({ "payload": fields })).await), (fields.clone(), json!(false)));
    assert_eq!(choice(&server.patch(&path, &json!({ "keep_answers": true })).await), (fields.clone(), json!(true)));
    assert_eq!(choice(&server.get(&path).await), (fields, json!(true)), "what is left out stays");
    let too_many: Vec<String> = (0..65).map(|number| format!("/{number}")).collect();
    for (wrong, place) in [
        (json!("fields"), "/payload"),
        (json!("some"), "/payload"),
        (json!(1), "/payload"),
        (json!({}), "/payload"),
        (json!([]), "/payload"),
        (json!(too_many), "/payload"),
        (json!(["/n", "n"]), "/payload/1"),
        (json!([""]), "/payload/0"),
        (json!(["/n", 1]), "/payload/1"),
        (json!([format!("/{}", "x".repeat(256))]), "/payload/0"),
    ] {
        let body = json!({ "url": "https://c.example", "payload": wrong });
        assert_eq!(server.post(CHOOSY, &body).await.problem(), format!("422 invalid {place}"), "{wrong}");
        assert_eq!(server.patch(&path, &json!({ "payload": wrong })).await.problem(), format!("422 invalid {place}"));
    }
    assert_eq!(choice(&server.patch(&path, &json!({ "payload": null })).await), (json!(null), json!(true)));
    let body = json!({ "url": "https://c.example", "secret": "a secret that nobody can guess", "payload": "full" });
    let elsewhere = server.post("/v1/accounts/n/endpoints", &body).await;
    assert_eq!(elsewhere.problem(), "422 invalid /payload", "its contract leaves no choice");
}
