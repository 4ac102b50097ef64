//! What a node survives, and what it leaves behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Api, Home, KEY, LOCAL, Platform, Sink, bellwire};

#[test]
fn a_node_serves_on_when_nobody_reads_its_log_any_more() {
    let home = Home::new();
    let (mut log, writer) = std::io::pipe().unwrap();
    let mut command = bellwire();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "debug", "--database", &home.database()]).args(LOCAL);
    let mut child = command.env("BELLWIRE_ADMIN_KEY", KEY).stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    drop(command);
    let mut first = Vec::new();
    let address = loop {
        let mut byte = [0];
        log.read_exact(&mut byte).unwrap();
        first.extend_from_slice(&byte);
        let line = String::from_utf8_lossy(&first).into_owned();
        if let Some(address) = line.split("listening on http://").nth(1).and_then(|rest| rest.strip_suffix('\n')) {
            break address.to_owned();
        }
    };
    drop(log);
    let sink = Sink::start(|_| 200);
    let api = Api::new(address.parse().unwrap(), KEY);
    let mut platform = Platform::set_up(&api, "noyo");
    platform.add_endpoint(&sink.url("/in"));
    for _ in 0..20 {
        platform.publish_any();
    }
    sink.wait_for(20);
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn thousands_of_half_sent_heads_keep_nobody_out() {
    let home = Home::new();
    let server = home.start_with(&[&LOCAL[..], &["--metrics-listen", "127.0.0.1:0"]].concat());
    let health = server.metrics_address();
    let mut hostile = Vec::new();
    for _ in 0..3_200 {
        let mut stream = TcpStream::connect(server.api.address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-half: ").unwrap();
        hostile.push(stream);
    }
    assert_eq!(server.api.without_key().get("/healthz").text(), "ok\n");
    let on_its_own = Api::new(health, "");
    assert_eq!(on_its_own.get("/healthz").text(), "ok\n");
    assert_eq!(on_its_own.get("/readyz").status, 200);
    assert!(on_its_own.get("/metrics").text().contains("bellwire_"));
    assert_eq!(on_its_own.get("/v1/accounts").status, 404);
}

#[test]
fn logs_in_a_file_have_no_colour_codes() {
    let home = Home::new();
    let mut server = home.start_with(&[&LOCAL[..], &["--log", "info"]].concat());
    server.signal("TERM");
    assert!(server.end().success());
    let log = fs::read_to_string(home.path("log")).unwrap();
    assert!(log.contains("INFO") && !log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn after_an_orderly_stop_the_database_file_alone_is_the_store() {
    let home = Home::new();
    let mut server = home.start();
    let platform = Platform::set_up(&server.api, "noyo");
    let event = platform.publish_any();
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bellwire.db"), mode("bellwire.db-wal"), mode("bellwire.db-shm")), (0o600, 0o600, 0o600));
    server.signal("TERM");
    assert!(server.end().success());

    let copy = Home::new();
    for name in ["bellwire.db", "bellwire.db.master-key"] {
        fs::copy(home.path(name), copy.path(name)).unwrap();
    }
    let mut files: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort_unstable();
    assert_eq!(files, ["bellwire.db", "bellwire.db.master-key", "log"]);
    let server = copy.start();
    let events = server.api.get(&format!("/v1/accounts/{}/events", platform.account)).expect(200);
    assert_eq!(events["items"][0]["id"].as_str(), Some(event.as_str()));
}

#[test]
fn an_admin_key_that_was_configured_before_is_refused_once_another_is() {
    let home = Home::new();
    let before = home.start();
    before.api.get("/v1/accounts").expect(200);
    drop(before);
    let after = home.start_in(&[("BELLWIRE_ADMIN_KEY", "another-admin-key-of-the-tests")], &LOCAL);
    assert_eq!(after.api.get("/v1/accounts").status, 401);
    let changed = Api::new(after.api.address, "another-admin-key-of-the-tests");
    changed.get("/v1/accounts").expect(200);
}
