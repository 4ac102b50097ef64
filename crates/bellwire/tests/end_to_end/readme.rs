//! The commands of the README, and of pages that begin with a server, do what they say, word for word but for the ports.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Home, KEY, Listener, run};

/// The shell blocks below a heading.
fn blocks(page: &str, heading: &str) -> Vec<String> {
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading} is not there"));
    let below = below.split("\n## ").next().unwrap();
    let after = below.split("```sh\n").skip(1);
    after.map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn five_minutes_with_a_server() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let blocks = blocks(&page, "Five minutes with a server");
    let [serve, calls, ..] = &blocks[..] else { panic!("{blocks:?}") };
    let (_, flags) = serve.split_once(" serve ").unwrap();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let (_, listen) = page.split_once("run `bellwire listen --contract noyo --secret '").unwrap();
    let (secret, _) = listen.split_once('\'').unwrap();

    let home = Home::new();
    let server = home.start_with(&flags);
    let listener = Listener::start("noyo", secret, &["--hide-body"]);
    let here = [("127.0.0.1:8080", server.api.address), ("127.0.0.1:9101", listener.address)];
    let calls = here.iter().fold(calls.clone(), |calls, (named, address)| {
        assert!(calls.contains(named), "{calls}");
        calls.replace(named, &address.to_string())
    });
    let answered = run(Command::new("bash").args(["-euo", "pipefail", "-c", &calls]).env("BELLWIRE_ADMIN_KEY", KEY));
    let answers: Vec<Value> = answered.success().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [account, endpoint, receipts, deliveries] = &answers[..] else { panic!("{answers:#?}") };
    assert_eq!(account["id"], "clinic-1");
    assert_eq!(endpoint["url"], format!("http://{}/hook", listener.address));
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 1, "{receipts} {deliveries}");
    let line = listener.line();
    assert!(line.contains("difference.created") && line.contains(" genuine "), "{line}");
}

/// What is not commands for a shell of this test is read from the page: which server to start, and how to listen.
#[test]
fn ten_minutes_to_a_decided_authorization() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/fhir.md")).unwrap();
    let blocks = blocks(&page, "Prior authorizations (Da Vinci PAS)");
    let [serve, calls] = &blocks[..] else { panic!("{blocks:?}") };
    let contracts = root.join("contracts/davinci-pas.yaml");
    let contracts = contracts.to_str().unwrap();
    let here = |flag| if flag == "contracts/davinci-pas.yaml" { contracts } else { flag };
    let flags: Vec<&str> = serve.split_once(" serve ").unwrap().1.split_whitespace().map(here).collect();
    assert!(page.contains("`bellwire listen --contracts contracts/davinci-pas.yaml --contract davinci-pas --port 9101`"));

    let home = Home::new();
    let server = home.start_with(&flags);
    let listener = Listener::start("davinci-pas", "none", &["--hide-body", "--contracts", contracts]);
    let calls = [("127.0.0.1:8080", server.api.address), ("127.0.0.1:9101", listener.address)].iter().fold(
        calls.clone(),
        |calls, (named, address)| {
            assert!(calls.contains(named), "{calls}");
            calls.replace(named, &address.to_string())
        },
    );
    let answered = run(Command::new("bash").args(["-euo", "pipefail", "-c", &calls]).env("BELLWIRE_ADMIN_KEY", KEY));
    let answers: Vec<Value> = answered.success().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [account, subscription, pended, complete] = &answers[..] else { panic!("{answers:#?}") };
    assert_eq!((&account["id"], &subscription["status"]), (&Value::from("clinic-7"), &Value::from("requested")));
    let caused = |put: &Value| put["events"].as_array().unwrap().len();
    assert_eq!((caused(pended), caused(complete)), (0, 1));
    let (handshake, notification) = (listener.line(), listener.line());
    assert!(handshake.contains("answered 200") && notification.contains("answered 200"), "{handshake} {notification}");
    let deliveries = server.api.get("/v1/deliveries?account=clinic-7").expect(200);
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 1, "{deliveries}");
}

#[test]
fn a_first_round_of_the_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/cli.md")).unwrap();
    let calls = blocks(&page, "A first round").remove(0);
    let home = Home::new();
    let server = home.start();
    let listener = Listener::start("noyo", "a long random text", &["--hide-body"]);
    let here = [("127.0.0.1:8080", server.api.address), ("127.0.0.1:9101", listener.address)];
    let calls = here.iter().fold(calls, |calls, (named, address)| {
        assert!(calls.contains(named), "{calls}");
        calls.replace(named, &address.to_string())
    });
    let binary = Path::new(env!("CARGO_BIN_EXE_bellwire")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var_os("PATH").unwrap().display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &calls]).env("BELLWIRE_ADMIN_KEY", KEY).env("PATH", path);
    let answered = run(shell.env("XDG_CONFIG_HOME", home.path("settings")));
    let (_, listed) = answered.success().rsplit_once(r#"{"items":["#).unwrap();
    let listed: Value = serde_json::from_str(&format!(r#"{{"items":[{listed}"#)).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{answered:?}");
    let line = listener.line();
    assert!(line.contains("difference.created") && line.contains(" genuine "), "{line}");
}
