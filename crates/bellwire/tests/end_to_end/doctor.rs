//! The examination of a store, as its operator sees it.

use std::path::Path;
use std::process::Command;

use crate::harness::{Home, Platform, Run, Sink, bellwire, run};

fn doctor(home: &Home) -> Run {
    run(bellwire().args(["doctor", "--database", &home.database()]))
}

/// A stopped server's database with something in it.
fn used() -> Home {
    let home = Home::new();
    let mut server = home.start();
    let mut platform = Platform::set_up(&server.api, "silver");
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    platform.attempted(&event, 1);
    let beside = doctor(&home);
    assert!(beside.success().contains("is sound"), "beside its server: {beside:?}");
    server.signal("TERM");
    server.end();
    home
}

/// Changes the database behind Bellwire's back.
pub(crate) fn damage(home: &Home, sql: &str) {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv/bin/python");
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()";
    let done = Command::new(python).arg("-c").arg(script).arg(home.path("bellwire.db")).arg(sql).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_sound_store_is_counted_line_by_line() {
    let home = used();
    let run = doctor(&home);
    let lines: Vec<_> = run.success().lines().collect();
    assert!(lines.len() > 15 && lines[..lines.len() - 1].iter().all(|line| line.starts_with("ok ")), "{}", run.stdout);
    let counted = |name: &str| {
        let line = lines.iter().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap();
        line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!((counted("events.seq"), counted("deliveries.number"), counted("sealed.payloads")), (1, 1, 1));
    assert!(lines[lines.len() - 1].ends_with("bellwire.db is sound"), "{}", run.stdout);
}

#[test]
fn what_is_broken_is_named_and_is_exit_code_1() {
    let home = used();
    damage(&home, "UPDATE accounts SET pending = 7");
    let run = doctor(&home);
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
    let bad: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("BAD")).collect();
    assert!(bad.len() == 1 && bad[0].contains("accounts.pending"), "{}", run.stdout);
    assert!(run.stdout.contains("0 live deliveries, and it says 7"), "{}", run.stdout);
    assert!(run.stdout.ends_with("is not sound; broken promises: 1\n"), "{}", run.stdout);
}

#[test]
fn without_the_master_key_what_is_sealed_is_skipped() {
    let home = used();
    std::fs::remove_file(home.path("bellwire.db.master-key")).unwrap();
    let run = doctor(&home);
    assert_eq!(run.success().lines().filter(|line| line.starts_with("skip")).count(), 16, "{}", run.stdout);
    assert!(!home.path("bellwire.db.master-key").exists(), "no other key is made");
}

#[test]
fn what_cannot_be_examined_is_one_line_and_exit_code_2() {
    let home = Home::new();
    let missing = doctor(&home);
    assert!(missing.refusal().contains("bellwire.db cannot be read"), "{missing:?}");
    assert!(!home.path("bellwire.db").exists(), "nothing is made");
    std::fs::write(home.path("bellwire.db"), "a text that is no database".repeat(50)).unwrap();
    assert!(doctor(&home).refusal().contains("is not a Bellwire database"));
    let postgres = run(bellwire().args(["doctor", "--database", "postgres://127.0.0.1:1/x"]));
    assert!(postgres.refusal().contains("127.0.0.1:1/x"), "{postgres:?}");
    let home = used();
    let other = run(bellwire()
        .args(["doctor", "--database", &home.database()])
        .env("BELLWIRE_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    assert!(other.refusal().contains("master key does not open"), "{other:?}");
}
