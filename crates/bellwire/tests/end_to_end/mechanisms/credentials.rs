//! Credentials: what endpoints give so that requests can show it, and nobody else is shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, bellwire, run};

const PASSWORD: &str = "open sesame 5f1c";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn endpoints() -> String {
    format!("/v1/accounts/{ACCOUNT}/endpoints")
}

impl World {
    fn publish_order(&self) -> String {
        self.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1"}"#)
    }
}

#[test]
fn a_receiver_that_wants_basic_gets_it_and_nobody_is_shown_it() {
    let (world, sink) = (World::of("credentials"), Sink::start(|_| 200));
    let given = json!({ "url": sink.url("/in"), "credentials": { "user": "Aladdin", "password": PASSWORD } });
    let made = world.server.api.post(&endpoints(), &given).expect(201);
    assert_eq!(made["credentials"], json!(["password", "user"]));
    world.publish_order();
    assert_eq!(sink.wait_for(1)[0].header("authorization"), Some(basic("Aladdin", PASSWORD).as_str()));
    // Only what is given changes, and null removes.
    let path = format!("{}/{}", endpoints(), made["id"].as_str().unwrap());
    let changed = world.server.api.patch(&path, &json!({ "credentials": { "token": "t 1", "user": "Ali" } })).expect(200);
    assert_eq!(changed["credentials"], json!(["password", "token", "user"]));
    world.publish_order();
    let sent = sink.wait_for(2).remove(1);
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/in?token=t+1", Some(basic("Ali", PASSWORD).as_str())));
    let changed = world.server.api.patch(&path, &json!({ "credentials": { "token": null } })).expect(200);
    assert_eq!(changed["credentials"], json!(["password", "user"]));
    // They are in no answer, no record and no file of the database.
    let audit: Value = world.server.api.get("/v1/audit?limit=100").expect(200);
    assert!(audit.to_string().contains("credentials"), "{audit}");
    let read = world.server.api.get(&path).expect(200);
    let list = world.server.api.get(&endpoints()).expect(200);
    for text in [made, read, list, audit].map(|answer: Value| answer.to_string()) {
        assert!(!text.contains(PASSWORD) && !text.contains(&STANDARD.encode(format!("Ali:{PASSWORD}"))), "{text}");
    }
}

#[test]
fn credentials_that_do_not_fit_are_refused_by_name_and_not_repeated() {
    let world = World::of("credentials");
    for (credentials, place) in [
        (json!({ "user": "Aladdin" }), "/credentials/password"),
        (json!({ "user": "Aladdin", "password": PASSWORD, "pass": PASSWORD }), "/credentials/pass"),
        (json!({ "user": format!("a:{PASSWORD}"), "password": PASSWORD }), "/credentials/user"),
        (json!({ "user": { "name": PASSWORD }, "password": PASSWORD }), "/credentials/user"),
    ] {
        let asked = json!({ "url": "http://127.0.0.1:9/", "credentials": credentials });
        let refused = world.server.api.post(&endpoints(), &asked);
        assert_eq!((refused.status, refused.pointers()), (422, vec![place.to_owned()]), "{}", refused.text());
        assert!(!refused.text().contains(PASSWORD), "{}", refused.text());
    }
}

#[test]
fn a_published_api_takes_credentials_and_tells_their_names() {
    let (world, sink) = (World::of("credentials"), Sink::start(|_| 200));
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let api = world.server.api.with_key(key["key"].as_str().unwrap());
    let asked = json!({ "url": sink.url("/in"), "login": "Aladdin", "pass": PASSWORD });
    let made = api.post("/published/credentials/hooks", &asked).expect(201);
    assert_eq!(made["has"], json!(["password", "user"]));
    let path = format!("/published/credentials/hooks/{}", made["id"].as_str().unwrap());
    assert_eq!(api.patch(&path, &json!({ "token": "t" })).expect(200)["has"], json!(["password", "token", "user"]));
    world.publish_order();
    assert_eq!(sink.wait_for(1)[0].header("authorization"), Some(basic("Aladdin", PASSWORD).as_str()));
}

#[test]
fn the_commands_show_examples_of_credentials() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/credentials.yaml");
    let shown = |arguments: &[&str]| run(bellwire().args(arguments)).success().to_owned();
    let rendered = shown(&["contract", "render", file, "--event", "order.changed"]);
    assert!(rendered.contains(&basic("example", "example")), "{rendered}");
    let page = shown(&["contract", "docs", file]);
    assert!(page.contains("## Credentials") && page.contains("- `user`: User name; it has to."), "{page}");
}
