//! The binary as a client of itself: an operator's day without a browser and without curl.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use bellwire_testkit::process::Process;
use serde_json::{Value, json};

use crate::harness::{Home, KEY, Run, Server, Sink, bellwire, run, run_with, until};

/// A user with settings of their own.
struct User<'a> {
    home: &'a Home,
}

impl User<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = bellwire();
        command.args(words).env("XDG_CONFIG_HOME", self.home.path("settings"));
        command
    }

    fn run(&self, words: &[&str]) -> Run {
        run(&mut self.command(words))
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn text(&self, words: &[&str]) -> String {
        self.run(words).success().to_owned()
    }

    /// The same as JSON.
    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[words, &["--output", "json"]].concat())).unwrap()
    }

    #[track_caller]
    fn sign_in(&self, server: &Server) {
        let url = format!("http://{}", server.api.address);
        let signed_in = run_with(format!("{KEY}\n").as_bytes(), &mut self.command(&["login", "--server", &url]));
        assert!(signed_in.success().contains("as `default`"), "{signed_in:?}");
    }

    /// An account under a contract that takes events of any type, with an endpoint; the endpoint's id.
    #[track_caller]
    fn furnish(&self, url: &str) -> String {
        self.text(&["accounts", "put", "clinic-7", "--contract", "standard-webhooks", "--name", "Clinic 7"]);
        let made = self.json(&["endpoints", "create", "--account", "clinic-7", "--url", url]);
        made["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn publish(&self, count: usize) {
        for n in 0..count {
            let data = format!(r#"{{"n":{n}}}"#);
            self.text(&["events", "publish", "--account", "clinic-7", "--type", "order.created", "--data", &data]);
        }
    }
}

#[track_caller]
fn ends(run: &Run, code: i32, words: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{run:?}");
    for word in words {
        assert!(run.stderr.contains(word), "`{word}` is not in: {run:?}");
    }
}

#[test]
fn from_signing_in_to_a_delivery() {
    let (home, sink) = (Home::new(), Sink::start(|_| 200));
    let server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    let file = home.path("settings/bellwire/profiles.json");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    let endpoint = user.furnish(&sink.url("/in"));
    let accounts = user.text(&["accounts", "list"]);
    let lines: Vec<&str> = accounts.lines().collect();
    assert!(
        lines[0].starts_with("ID        NAME      CONTRACT") && lines[1].starts_with("clinic-7  Clinic 7  standard-webhooks"),
        "{accounts}"
    );

    let set = ["--set", "amount=1.5", "--set", "patient.name=Ada", "--id", "evt_mine"];
    let published = user.json(&[&["trigger", "invoice.paid", "--account", "clinic-7"], &set[..]].concat());
    assert_eq!((&published["id"], &published["deliveries"]), (&json!("evt_mine"), &json!(1)));
    assert_eq!(sink.wait_for(1)[0].json()["data"], json!({ "amount": 1.5, "patient": { "name": "Ada" } }));

    let delivery = server.api.attempted("clinic-7", "evt_mine", 1);
    let shown = user.text(&["deliveries", "show", delivery["id"].as_str().unwrap()]);
    assert!(shown.contains("delivered: the receiver took it") && shown.contains("arrived: response 200"), "{shown}");
    let request = user.text(&["deliveries", "request", delivery["id"].as_str().unwrap()]);
    let body = request.lines().find(|line| line.starts_with('{')).unwrap();
    assert!(request.starts_with(&format!("POST {}\n", sink.url("/in"))), "{request}");
    assert!(request.contains("what was signed (standard):\nevt_mine.") && request.ends_with(&format!(".{body}\n")), "{request}");
    let event = user.text(&["events", "show", "1", "--account", "clinic-7"]);
    assert!(event.contains("evt_mine") && event.contains(&endpoint) && event.contains("delivered"), "{event}");

    user.text(&["endpoints", "disable", &endpoint, "--account", "clinic-7"]);
    user.publish(1);
    let nowhere = user.text(&["events", "show", "2", "--account", "clinic-7"]);
    assert!(nowhere.contains("It went nowhere"), "{nowhere}");
    let page = user.text(&["open", &format!("accounts/clinic-7/endpoints/{endpoint}")]);
    assert_eq!(page, format!("http://{}/console/accounts/clinic-7/webhooks/{endpoint}\n", server.api.address));
    let audit = user.text(&["audit", "list", "--account", "clinic-7", "--all"]);
    assert!(audit.contains("endpoint.created"), "{audit}");

    user.text(&["logout"]);
    ends(&user.run(&["accounts", "list"]), 4, &["not signed in", "bellwire login"]);
}

#[test]
fn the_examples_of_a_catalogue_are_sent() {
    let home = Home::new();
    let server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    user.text(&["accounts", "put", "n", "--contract", "noyo"]);
    let id = "f50b03bb-c8ab-4dd9-92dc-5dcf77011e0c";
    user.text(&["trigger", "difference.created", "--account", "n", "--set", &format!("id={id}")]);
    let listed = user.json(&["events", "list", "--account", "n"]);
    assert_eq!(listed["items"][0]["data"]["id"], id);
    ends(&user.run(&["trigger", "no.such", "--account", "n"]), 1, &["`no.such`", "difference.created"]);
    let undeclared = user.run(&["trigger", "difference.created", "--account", "n", "--set", "ssn=1"]);
    ends(&undeclared, 1, &["/data", "ssn", "what to do: correct what is named"]);
}

#[test]
fn pages_of_a_list() {
    let home = Home::new();
    let server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    user.text(&["accounts", "put", "clinic-7", "--contract", "standard-webhooks"]);
    user.publish(7);
    let list = ["events", "list", "--account", "clinic-7", "--limit", "3"];
    let first = user.run(&list);
    assert_eq!((first.code, first.stdout.lines().count()), (Some(0), 4), "{first:?}");
    assert_eq!(first.stderr, "there is more: --all, or --after 3\n");
    assert_eq!(user.text(&[&list[..], &["--after", "6"]].concat()).lines().count(), 2);
    let all = user.text(&[&list[..], &["--all"]].concat());
    let seqs: Vec<&str> = all.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(seqs, ["SEQ", "1", "2", "3", "4", "5", "6", "7"], "the titles once");
    let page = user.json(&list);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (3, &json!("3")));
    let all = user.json(&[&list[..], &["--all"]].concat());
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (7, &Value::Null));
    assert_eq!(user.text(&["deliveries", "list", "--account", "clinic-7"]), "(none)\n");
}

#[test]
fn why_nothing_arrives_and_what_mends_it() {
    let (home, sink) = (Home::new(), Sink::start(|_| 503));
    let server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    let endpoint = user.furnish(&sink.url("/in"));
    user.publish(1);
    let id = until("an attempt is recorded", || {
        let listed = user.json(&["deliveries", "list", "--account", "clinic-7"]);
        let newest = &listed["items"][0];
        (newest["attempt_count"] != json!(0)).then(|| newest["id"].as_str().unwrap().to_owned())
    });
    let shown = user.text(&["deliveries", "show", &id]);
    for words in [
        "pending: it has not arrived yet",
        "due at ",
        "failed: response 503",
        "The receiver is not available, on the receiver's side.",
        "What to do: ",
        &sink.url("/in"),
    ] {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    let incidents = user.json(&["incidents", "list", "--account", "clinic-7"]);
    let incident = incidents["items"][0]["id"].as_str().unwrap();
    assert!(user.text(&["incidents", "show", incident]).contains("What to do: "));
    assert_eq!(user.json(&["incidents", "acknowledge", incident])["state"], "acknowledged");

    sink.answer(|_| 200);
    user.text(&["deliveries", "retry", &id]);
    until("it has arrived", || (user.json(&["deliveries", "show", &id])["state"] == "delivered").then_some(()));
    let manual = user.text(&["deliveries", "show", &id]);
    assert!(manual.contains("arrived: response 200, asked for by hand"), "{manual}");

    let count = sink.count();
    let whole = ["--account", "clinic-7", "--endpoint", &endpoint, "--since", "2020-01-01T00:00:00Z", "--state", "delivered"];
    let counted = user.json(&[&["replays", "start", "--dry-run"], &whole[..]].concat());
    assert_eq!(counted["matched"], 1);
    assert_eq!(user.json(&["replays", "list", "--account", "clinic-7", "--endpoint", &endpoint])["items"], json!([]));
    assert_eq!(sink.count(), count, "nothing was sent");
    let started = user.json(&[&["replays", "start"], &whole[..]].concat());
    let one = ["replays", "show", started["id"].as_str().unwrap(), "--account", "clinic-7", "--endpoint", &endpoint];
    until("it is done", || (user.json(&one)["state"] == "done").then_some(()));
    sink.wait_for(count + 1);
}

/// The seqs that a tail prints, one after the other.
fn tailed(process: &Process, count: usize) -> Vec<i64> {
    let seq = |line: String| serde_json::from_str::<Value>(&line).unwrap()["seq"].as_i64().unwrap();
    (0..count).map(|_| seq(process.line())).collect()
}

#[test]
fn a_tail_that_is_killed_and_resumed_misses_nothing_and_shows_nothing_twice() {
    let home = Home::new();
    let server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    user.text(&["accounts", "put", "clinic-7", "--contract", "standard-webhooks"]);
    user.publish(3);
    let tail = |words: &[&str]| {
        let words = [&["events", "tail", "--account", "clinic-7", "--output", "json"], words].concat();
        Process::start(&mut user.command(&words))
    };
    let mut first = tail(&["--after", "0"]);
    assert_eq!(tailed(&first, 3), [1, 2, 3]);
    user.publish(2);
    assert_eq!(tailed(&first, 2), [4, 5]);
    first.kill();
    user.publish(3);
    let second = tail(&["--after", "5"]);
    assert_eq!(tailed(&second, 3), [6, 7, 8]);

    // The server goes, and comes back; the tail does not.
    let port = server.api.address.port();
    server.kill();
    let _server = home.start_at(port);
    user.publish(2);
    assert_eq!(tailed(&second, 2), [9, 10]);
    second.signal("TERM");
    let mut second = second;
    assert_eq!(second.end().code(), Some(0));
    assert_eq!(second.printed(), Vec::<String>::new(), "nothing twice");
}

#[test]
fn a_server_that_stops_does_not_wait_for_those_who_follow() {
    let home = Home::new();
    let mut server = home.start();
    let user = User { home: &home };
    user.sign_in(&server);
    user.text(&["accounts", "put", "clinic-7", "--contract", "standard-webhooks"]);
    user.publish(1);
    let tail = Process::start(&mut user.command(&["events", "tail", "--account", "clinic-7", "--after", "0"]));
    assert!(tail.line().starts_with("1  "));
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn exit_codes_say_who_is_at_fault() {
    let home = Home::new();
    let server = home.start();
    let user = User { home: &home };
    let url = format!("http://{}", server.api.address);
    ends(&user.run(&["accounts", "list"]), 4, &["not signed in"]);
    ends(&run_with(b"wrong", &mut user.command(&["login", "--server", &url])), 4, &["No valid API key", "what to do"]);
    ends(&run_with(b"two words", &mut user.command(&["login", "--server", &url])), 2, &["one word"]);
    ends(&user.run(&["login", "--server", "nowhere"]), 2, &["--server", "https://hooks.example"]);
    assert!(!home.path("settings/bellwire/profiles.json").exists(), "nothing is kept that does not work");
    user.sign_in(&server);
    ends(&user.run(&["accounts", "show", "nobody"]), 1, &["what to do: check the ids"]);
    ends(&user.run(&["events", "show", "7", "--account", "nobody"]), 1, &[]);
    ends(&user.run(&["endpoints", "list"]), 2, &["--account is needed"]);
    ends(&user.run(&["accounts", "list", "--profile", "other"]), 4, &["`other`"]);
    ends(&user.run(&["accounts", "list", "--key", "wrong"]), 4, &["No valid API key"]);
    let auditor = user.json(&["accounts", "put", "a", "--contract", "noyo"]);
    assert_eq!(auditor["id"], "a");
    let auditor = server.api.post("/v1/keys", &json!({ "role": "auditor" })).expect(201);
    let key = auditor["key"].as_str().unwrap();
    ends(&user.run(&["accounts", "delete", "a", "--key", key]), 4, &["does not allow"]);
    ends(&user.run(&["endpoints", "create", "--account", "a", "--url", "ftp://x", "--secret", "s"]), 1, &["/url: "]);

    let elsewhere = Sink::start(|_| 200);
    ends(&user.run(&["accounts", "list", "--server", &elsewhere.url("")]), 4, &["no key for"]);
    assert_eq!(elsewhere.count(), 0, "a key goes nowhere but to its server");
    drop(server);
    ends(&user.run(&["accounts", "list"]), 3, &["cannot be reached", "refused"]);
    ends(&user.run(&["events", "tail", "--account", "a"]), 3, &["cannot be reached"]);
}
