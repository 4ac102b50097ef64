//! `bellwire listen --account`: a receiver that a server cannot reach gets what an endpoint would get.

use std::process::Command;

use bellwire_testkit::process::Process;
use serde_json::{Value, json};

use crate::harness::{Home, KEY, Platform, Server, Sink, bellwire, run, starting, until};

/// Each contract, and the receiver that was written from its document.
const RECEIVERS: [(&str, &str); 6] = [
    ("b.well", "bwell.js"),
    ("develop-health", "develop_health.py"),
    ("novamed", "novamed.py"),
    ("noyo", "noyo.js"),
    ("silver", "silver.py"),
    ("standard-webhooks", "standard_webhooks.py"),
];

/// A command that asks a server, with nothing that a profile has.
fn listening(home: &Home, server: &Server, key: &str, account: &str, words: &[&str]) -> Command {
    let mut command = bellwire();
    let url = format!("http://{}", server.api.address);
    command.args(["listen", "--server", &url, "--account", account]).args(words).current_dir(home.path(""));
    command.env("BELLWIRE_KEY", key).env("XDG_CONFIG_HOME", home.path("settings"));
    command
}

fn start(home: &Home, server: &Server, account: &str, words: &[&str]) -> Process {
    let process = Process::start(&mut listening(home, server, KEY, account, words));
    let first = process.line();
    assert!(first.starts_with(&format!("listening to account `{account}` of http://")), "{first}");
    process
}

#[test]
fn each_event_of_every_contract_arrives_once_and_a_receiver_of_its_own_verifies_it() {
    let home = Home::new();
    let server = home.start();
    for (index, (contract, file)) in RECEIVERS.into_iter().enumerate() {
        let platform = Platform::set_up_as(&server.api, contract, &format!("550e8400-e29b-41d4-a716-44665544000{index}"));
        let receiver = starting(file, &platform.secret).ready();
        let words = ["--plain", "--hide-body", "--secret", &platform.secret, "--forward", &receiver.url()];
        let mut listener = start(&home, &server, &platform.account, &words);
        let catalogue = platform.catalogue();
        for (seq, (event_type, data)) in (1..).zip(&catalogue) {
            let id = platform.publish(event_type, data);
            let seen = receiver.next();
            assert!(seen.verified && !seen.duplicate && seen.status == 200, "{contract}, {event_type}: {seen:?}");
            assert_eq!(seen.event_type.as_ref(), Some(event_type), "{contract}");
            let line = listener.line();
            assert!(line.contains(&format!("  {seq}  {event_type}  {id}  ")), "{contract}: {line}");
            assert!(line.contains(" bytes  genuine  (forwarded, answered 200 in "), "{contract}: {line}");
        }
        listener.signal("TERM");
        assert_eq!(listener.end().code(), Some(0));
        let count = catalogue.len();
        assert_eq!(listener.printed(), [format!("stopped; requests: {count}, genuine: {count}, not genuine: 0")], "{contract}");
    }
    let page = server.api.get("/v1/deliveries").expect(200);
    assert_eq!(page["items"], json!([]), "no delivery was made of any of them");
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_heard_from_where_it_was() {
    let home = Home::new();
    let server = home.start();
    let platform = Platform::set_up_as(&server.api, "standard-webhooks", "clinic-7");
    let sink = Sink::start(|_| 200);
    let mut listener = start(&home, &server, "clinic-7", &["--output", "table", "--forward", &sink.url("/in")]);
    let ids: Vec<String> = (0..3).map(|_| platform.publish_any()).collect();
    sink.wait_for(3);
    let port = server.api.address.port();
    server.kill();
    let server = home.start_at(port);
    let again = Platform { api: server.api.clone(), ..platform };
    let ids: Vec<String> = ids.into_iter().chain((0..3).map(|_| again.publish_any())).collect();
    let seen = sink.wait_for(6);
    let found: Vec<&str> = seen.iter().filter_map(|request| request.header("webhook-id")).collect();
    assert_eq!(found, ids, "each once, in order");
    listener.signal("INT");
    assert_eq!(listener.end().code(), Some(0));
    let printed = listener.printed();
    assert_eq!(printed.last().map(String::as_str), Some("stopped; requests: 6, genuine: 6, not genuine: 0"));
    let opened: Vec<&String> = printed.iter().filter(|line| line.starts_with("listening to ")).collect();
    let signs = |line: &str| line.split("; ").nth(1).map(ToOwned::to_owned);
    assert!(!opened.is_empty() && opened.iter().all(|line| signs(line).unwrap().starts_with("requests are signed with ")));
}

#[test]
fn the_secret_that_was_drawn_stays_when_the_connection_does_not() {
    let home = Home::new();
    let server = home.start();
    let _platform = Platform::set_up_as(&server.api, "noyo", "clinic-7");
    let listener = Process::start(&mut listening(&home, &server, KEY, "clinic-7", &["--output", "json"]));
    let opened = || serde_json::from_str::<Value>(&listener.line()).unwrap();
    let first = opened();
    let port = server.api.address.port();
    server.kill();
    let _server = home.start_at(port);
    let second = opened();
    assert_eq!((&first["event"], &second["event"]), (&json!("listening"), &json!("listening")));
    assert_eq!(first["signed_with"], second["signed_with"]);
    assert!(first["signed_with"].as_str().is_some_and(|secret| secret.len() > 20), "{first}");
}

#[test]
fn what_is_erased_is_told_and_not_shown() {
    let home = Home::new();
    let server = home.start();
    let platform = Platform::set_up_as(&server.api, "standard-webhooks", "clinic-7");
    let event = json!({ "type": "order.created", "data": { "name": "planted" }, "subjects": ["patient:7"] });
    let id = server.api.post("/v1/accounts/clinic-7/events", &event).expect(201)["id"].clone();
    let asked = json!({ "subject": "patient:7", "reason": "asked for" });
    let erasure = server.api.post("/v1/accounts/clinic-7/erasures", &asked).expect(202)["id"].as_str().unwrap().to_owned();
    until("it is erased", || {
        let found = server.api.get(&format!("/v1/accounts/clinic-7/erasures/{erasure}")).expect(200);
        (found["state"] == "done").then_some(())
    });
    let kept = platform.publish("order.shipped", r#"{"n":1}"#);
    let sink = Sink::start(|_| 503);
    let words = ["--output", "json", "--after", "0", "--forward", &sink.url("/in"), "--events", "order.created,order.shipped"];
    let listener = Process::start(&mut listening(&home, &server, KEY, "clinic-7", &words));
    let line = || serde_json::from_str::<Value>(&listener.line()).unwrap();
    let (_opened, withheld, shown) = (line(), line(), line());
    assert_eq!((&withheld["event"], &withheld["id"], &withheld["verdict"]), (&json!("withheld"), &id, &json!("withheld")));
    assert!(withheld["reason"].as_str().unwrap().starts_with("erased: "), "{withheld}");
    assert_eq!((&shown["id"], &shown["verdict"], &shown["seq"]), (&json!(kept), &json!("genuine"), &json!(2)));
    assert_eq!((&shown["answer"]["status"], &shown["answer"]["forwarded"]), (&json!(503), &json!(true)));
    assert!(shown["body"].as_str().unwrap().contains(r#""n":1"#) && shown["answer"]["took_ms"].is_u64(), "{shown}");
    assert_eq!(sink.count(), 1, "what is withheld is not forwarded");
}

#[test]
fn who_may_not_read_payloads_hears_nothing_and_a_consumer_only_its_own() {
    let home = Home::new();
    let server = home.start();
    for account in ["clinic-7", "clinic-8"] {
        server.api.put(&format!("/v1/accounts/{account}"), &json!({ "contract": "standard-webhooks" })).expect(201);
        server.api.publish(account, "order.created", &format!(r#"{{"of":"{account}"}}"#));
    }
    let key = |wanted: Value| server.api.post("/v1/keys", &wanted).expect(201)["key"].as_str().unwrap().to_owned();
    let (auditor, consumer) = (key(json!({ "role": "auditor" })), key(json!({ "role": "consumer", "account": "clinic-7" })));
    let refused = |key: &str, account: &str, code, words: &str| {
        let run = run(&mut listening(&home, &server, key, account, &["--plain"]));
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{run:?}");
        assert!(run.stderr.contains(words), "{run:?}");
    };
    refused(&auditor, "clinic-7", 4, "does not allow");
    refused(&consumer, "clinic-8", 1, "account");
    let own = Process::start(&mut listening(&home, &server, &consumer, "clinic-7", &["--after", "0", "--hide-body"]));
    assert!(own.line().starts_with("listening to account `clinic-7`"));
    assert!(own.line().contains("  1  order.created  "));
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let home = Home::new();
    let server = home.start();
    server.api.put("/v1/accounts/clinic-7", &json!({ "contract": "noyo" })).expect(201);
    let listen = |words: &[&str]| run(bellwire().arg("listen").args(words).env("XDG_CONFIG_HOME", home.path("settings")));
    assert!(listen(&[]).refusal().contains("--contract NAME receives on this machine, --account ID through a server"));
    assert_eq!(listen(&["--account", "clinic-7"]).code, Some(4), "nobody is signed in");
    let asked = |words: &[&str]| run(&mut listening(&home, &server, KEY, "clinic-7", words));
    let wrong = asked(&["--events", "difference.lost"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("no event type `difference.lost`"), "{wrong:?}");
    let short = asked(&["--secret", "short"]);
    assert!(short.code == Some(1) && short.stderr.contains("Bellwire-Secret"), "{short:?}");
}

/// A contract that only its server has. Its own key signs for all accounts, and what an endpoint chooses changes the request.
const KEYED: &str = r#"
contract: keyed
title: Keyed
events:
  - { type: claim.paid, title: Claim paid, example: { n: 1 } }
subscription:
  url: any
  secret: { from: contract }
  options: { tag: { type: string, default: none } }
request:
  headers: { x-signature: "{{ signature.main }}", x-key: "{{ key.id }}", x-tag: "{{ endpoint.options.tag }}" }
  body: "{{ event.data }}"
signatures: { main: { sign: ed25519, over: "{{ body }}", encode: base64 } }
"#;

#[test]
fn a_contract_that_only_the_server_has_is_verified_too_and_by_a_key_that_is_not_the_real_one() {
    let home = Home::new();
    std::fs::write(home.path("keyed.yaml"), KEYED).unwrap();
    let server = home.start_with(&["--allow-network", "127.0.0.0/8", "--contracts", home.path("keyed.yaml").to_str().unwrap()]);
    server.api.put("/v1/accounts/clinic-7", &json!({ "contract": "keyed" })).expect(201);
    server.api.publish("clinic-7", "claim.paid", r#"{"n":1}"#);
    let words = ["--output", "json", "--after", "0", "--options", r#"{"tag":"mine"}"#];
    let listener = Process::start(&mut listening(&home, &server, KEY, "clinic-7", &words));
    let line = || serde_json::from_str::<Value>(&listener.line()).unwrap();
    let (opened, shown) = (line(), line());
    assert!(opened["signed_with"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"), "{opened}");
    assert_eq!((&shown["verdict"], &shown["type"]), (&json!("genuine"), &json!("claim.paid")), "{shown}");
    assert!(shown["headers"].as_array().unwrap().contains(&json!(["x-tag", "mine"])), "{shown}");
    let real = server.api.get("/v1/contracts/keyed/keys").expect(200).to_string();
    let shown_key = shown["headers"].as_array().unwrap().iter().find(|header| header[0] == "x-key").unwrap();
    assert!(!real.contains(shown_key[1].as_str().unwrap()), "{real}");
}
