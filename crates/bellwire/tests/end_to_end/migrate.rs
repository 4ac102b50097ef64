//! A store is moved from SQLite to PostgreSQL by its operator, who is interrupted, and makes mistakes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_testkit::postgres::{Cluster, psql};
use serde_json::{Value, json};

use crate::crash::RETRYING;
use crate::harness::{Api, Home, LOCAL, MASTER_KEY, Platform, Run, Server, Sink, bellwire, run, until};

const DELIVERED: u64 = 10;
const EVENTS: u64 = 30;

/// `bellwire migrate` with the master key of the tests.
fn migrate(home: &Home, to: &str) -> Command {
    let mut command = bellwire();
    command.args(["migrate", "--from", &home.database(), "--to", to]).env("BELLWIRE_MASTER_KEY", MASTER_KEY);
    command
}

/// `bellwire serve` that is to be refused.
fn serve(database: &str) -> Run {
    let mut command = bellwire();
    command.args(["serve", "--database", database, "--listen", "127.0.0.1:0", "--log", "off"]);
    run(command.env("BELLWIRE_MASTER_KEY", MASTER_KEY))
}

/// A server under a contract that tries again and again.
fn start(home: &Home) -> Server {
    let folder = home.path("contracts");
    fs::create_dir_all(&folder).unwrap();
    let patient = RETRYING.replace("[50ms, 100ms, 200ms, 400ms, 1s,", "[50ms, 2s, 2s, 2s, 2s, 2s, 2s, 1s,");
    fs::write(folder.join("retrying.yaml"), patient).unwrap();
    let key = [("BELLWIRE_MASTER_KEY", MASTER_KEY)];
    home.start_in(&key, &[&LOCAL[..], &["--contracts", &folder.display().to_string()]].concat())
}

/// What is held in a database until it is let go.
struct Held<'u> {
    url: &'u str,
    name: &'static str,
    thread: JoinHandle<String>,
}

impl<'u> Held<'u> {
    fn take(url: &'u str, name: &'static str, lock: &str) -> Self {
        let sql = format!(
            "DO $$ BEGIN {lock}; WHILE NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '{name}') \
             LOOP PERFORM pg_sleep(0.01); END LOOP; END $$"
        );
        let owned = url.to_owned();
        let thread = thread::spawn(move || psql(&owned, &sql));
        let held = Self { url, name, thread };
        until("it is held", || (held.locks("granted AND mode = 'ExclusiveLock'") > 0).then_some(()));
        held
    }

    /// Locks that are held, or waited for, in this database on what is held.
    fn locks(&self, which: &str) -> u64 {
        let sql = format!(
            "SELECT count(*) FROM pg_locks WHERE {which} AND locktype IN ('relation', 'advisory') \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        psql(self.url, &sql).parse().unwrap()
    }

    fn let_go(self) {
        psql(self.url, &format!("CREATE SCHEMA {}", self.name));
        self.thread.join().unwrap();
    }
}

/// Runs a move until it waits for what is held, and kills it there.
fn kill_where_it_waits(home: &Home, held: &Held<'_>) {
    let mut child = migrate(home, held.url).spawn().unwrap();
    until("it waits", || (held.locks("NOT granted") > 0).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn deliveries(api: &Api) -> Vec<Value> {
    let page = api.get("/v1/deliveries?limit=200").expect(200);
    page["items"].as_array().unwrap().clone()
}

#[test]
fn killed_twice_nothing_is_lost_on_the_way_to_postgres() {
    let url = Cluster::shared().database();
    let (home, node) = (Home::new(), Home::over(&url));
    let server = start(&home);
    let sink = Sink::start(|request| if request.json()["data"]["number"].as_u64().unwrap() < DELIVERED { 200 } else { 500 });
    server.api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    server.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    let publish = |number: u64| server.api.publish("a", "thing.done", &format!(r#"{{"number":{number}}}"#));
    let events: Vec<String> = (0..EVENTS).map(publish).collect();
    for event in &events {
        server.api.attempted("a", event, 1);
    }
    let before: BTreeSet<String> = deliveries(&server.api).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    server.kill();

    let held = Held::take(&url, "first", "PERFORM pg_advisory_xact_lock(x'62656c6c0001'::bigint)");
    kill_where_it_waits(&home, &held);
    held.let_go();
    let held = Held::take(&url, "second", "LOCK TABLE deliveries IN EXCLUSIVE MODE");
    kill_where_it_waits(&home, &held);
    assert_eq!(psql(&url, "SELECT count(*) FROM events"), EVENTS.to_string(), "half of it is there");
    held.let_go();
    let refused = serve(&url);
    assert!(refused.refusal().contains("is unfinished: run `bellwire migrate` again"), "{refused:?}");

    let moved = run(&mut migrate(&home, &url));
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert!(moved.stderr.starts_with("continuing to copy"), "{moved:?}");
    assert!(moved.stderr.contains(&format!("deliveries: {DELIVERED} of {DELIVERED} rows (100 %)\n")), "{moved:?}");
    assert!(!moved.stderr.contains("events: "), "not again: {moved:?}");
    let rows = |table: &str| {
        let line = moved.stdout.lines().find(|line| line.split_whitespace().next() == Some(table)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!((rows("events"), rows("queue"), rows("deliveries")), (EVENTS, EVENTS - DELIVERED, DELIVERED));
    let again = run(&mut migrate(&home, &url));
    assert!(again.success().ends_with("it was moved before\n"), "{again:?}");
    let refused = serve(&home.database());
    assert!(refused.refusal().contains("has been moved to postgres://bellwire@"), "{refused:?}");

    sink.answer(|_| 200);
    let server = start(&node);
    until("everything is delivered", || {
        let all = deliveries(&server.api);
        (all.len() == events.len() && all.iter().all(|delivery| delivery["state"] == "delivered")).then_some(())
    });
    let after: BTreeSet<String> = deliveries(&server.api).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(before, after);
    for (event, number) in events.iter().zip(0..) {
        let attempts = server.api.delivery("a", event).unwrap()["attempts"].as_array().unwrap().len();
        assert_eq!(attempts == 1, number < DELIVERED, "the attempts from before are still there: {event}");
    }
    server.api.publish("a", "thing.done", r#"{"number":99}"#);
    until("the log goes on", || {
        let log = server.api.get("/v1/accounts/a/events?limit=200").expect(200);
        (log["items"].as_array().unwrap().len() == events.len() + 1).then_some(())
    });
    drop(server);
    let examined = run(bellwire().args(["doctor", "--database", &url]).env("BELLWIRE_MASTER_KEY", MASTER_KEY));
    assert!(examined.success().contains("is sound"), "{examined:?}");
}

/// A refusal in which all these words stand, and no password.
#[track_caller]
fn refused(command: &mut Command, words: &[&str]) {
    let run = run(command);
    let line = run.refusal();
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
    assert!(!line.contains("s3cret"), "{line}");
}

#[test]
fn what_cannot_be_moved_is_said_in_one_line() {
    let nowhere = "postgres://user:s3cret@127.0.0.1:1/bellwire";
    let home = Home::new();
    let server = home.start();
    Platform::set_up(&server.api, "silver");
    let key = fs::read_to_string(home.path("bellwire.db.master-key")).unwrap();
    let with_key = |to: &str, key: &str| {
        let mut command = migrate(&home, to);
        command.env("BELLWIRE_MASTER_KEY", key);
        command
    };
    refused(&mut with_key(nowhere, &key), &["another process has this database open", "bellwire.db"]);
    drop(server);
    refused(bellwire().arg("migrate"), &["--from <URL>", "--to <URL>"]);
    refused(&mut migrate(&home, "mysql://x"), &["--to", "sqlite:FILE or postgres://"]);
    refused(&mut migrate(&home, "sqlite:other.db"), &["from SQLite to PostgreSQL", "only be moved"]);
    let backwards = ["migrate", "--from", nowhere, "--to", &home.database()];
    refused(bellwire().args(backwards).env("BELLWIRE_MASTER_KEY", MASTER_KEY), &["from SQLite to PostgreSQL"]);
    refused(migrate(&home, nowhere).env_remove("BELLWIRE_MASTER_KEY"), &["set BELLWIRE_MASTER_KEY", "bellwire.db.master-key"]);
    let wrong = STANDARD.encode([9; 32]);
    refused(&mut with_key(nowhere, &wrong), &["master key does not open this database", "bellwire.db.master-key"]);
    refused(&mut with_key(nowhere, &key), &["postgres://user@127.0.0.1:1/bellwire", "refused"]);
    refused(&mut migrate(&Home::new(), nowhere), &["bellwire.db cannot be read"]);
    home.start(); // as before
}

#[test]
fn what_is_not_sound_is_not_moved_over_postgres() {
    let url = Cluster::shared().database();
    let home = Home::new();
    let server = start(&home);
    server.api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    drop(server);
    crate::doctor::damage(&home, "UPDATE accounts SET pending = 7");
    let run = run(&mut migrate(&home, &url));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.starts_with("BAD   accounts.pending"), "{run:?}");
    assert!(run.stdout.ends_with("is not sound: nothing was copied; see `bellwire doctor`\n"), "{run:?}");
}
