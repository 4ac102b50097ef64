//! The master key is replaced under a server that works, and by interrupted commands.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Home, LOCAL, MASTER_KEY, Platform, Run, Sink, bellwire, run};

const OLD: &str = MASTER_KEY;
const OLD_KEY: (&str, &str) = ("BELLWIRE_MASTER_KEY", OLD);

fn new_key() -> String {
    STANDARD.encode([8; 32])
}

fn command(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Command {
    let mut command = bellwire();
    command.args(arguments).args(["--database", &home.database()]).envs(environment.iter().copied());
    command
}

fn rotate(home: &Home, environment: &[(&str, &str)]) -> Run {
    run(&mut command(home, &["keys", "rotate-master"], environment))
}

/// What a rotation printed that has come to its end.
#[track_caller]
fn ended(run: &Run) -> &str {
    assert_eq!(run.code, Some(0), "{run:?}");
    &run.stdout
}

#[track_caller]
fn assert_sound(home: &Home, environment: &[(&str, &str)]) {
    let doctor = run(&mut command(home, &["doctor"], environment));
    assert!(doctor.success().ends_with("is sound\n"), "{doctor:?}");
    let verified = run(&mut command(home, &["audit", "verify"], environment));
    assert!(verified.success().ends_with("is sound\n"), "{verified:?}");
}

#[track_caller]
fn refused(run: &Run, words: &[&str]) {
    let line = run.refusal();
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

/// The story of an operator over one database.
fn rotated_under_load(home: &Home) {
    let new = new_key();
    let both = [OLD_KEY, ("BELLWIRE_NEW_MASTER_KEY", new.as_str())];
    let sink = Sink::start(|_| 200);
    let mut server = home.start_in(&[OLD_KEY], &LOCAL);
    let mut platform = Platform::set_up(&server.api, "silver");
    platform.add_endpoint(&sink.url("/in"));
    for number in 0..600 {
        server.api.put(&format!("/v1/accounts/a{number}"), &serde_json::json!({ "contract": "silver" })).expect(201);
    }
    refused(&rotate(home, &both), &["know only the old master key", "BELLWIRE_NEW_MASTER_KEY", "restart each", "run this again"]);
    server.signal("TERM");
    server.end();

    let mut server = home.start_in(&both, &LOCAL);
    let mut platform = Platform { api: server.api.clone(), ..platform };
    let over = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut published = Vec::new();
            while !over.load(Ordering::SeqCst) {
                published.push(platform.publish_any());
            }
            published
        });
        for after_ms in [1, 15, 30, 60] {
            let mut interrupted = command(home, &["keys", "rotate-master"], &both).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(after_ms));
            interrupted.kill().unwrap();
            interrupted.wait().unwrap();
        }
        let first = rotate(home, &both);
        assert!(ended(&first).contains("remove BELLWIRE_NEW_MASTER_KEY, and restart each server"), "{first:?}");
        let again = rotate(home, &both);
        assert!(ended(&again).contains("is the database's already"), "{again:?}");
        over.store(true, Ordering::SeqCst);
        publishing.join().unwrap()
    });
    platform.attempted(published.last().unwrap(), 1);
    assert_sound(home, &[("BELLWIRE_MASTER_KEY", new.as_str())]);
    server.signal("TERM");
    server.end();

    let alone = |key: &str| {
        let listen = ["serve", "--listen", "127.0.0.1:0", "--log", "off"];
        run(&mut command(home, &listen, &[("BELLWIRE_MASTER_KEY", key)]))
    };
    refused(&alone(OLD), &["has been rotated", "set BELLWIRE_MASTER_KEY to the new key"]);
    let server = home.start_in(&[("BELLWIRE_MASTER_KEY", new.as_str())], &LOCAL);
    platform.api = server.api.clone();
    for event in [published.first().unwrap(), &platform.publish_any()] {
        platform.attempted(event, 1);
    }
    assert_sound(home, &[("BELLWIRE_MASTER_KEY", new.as_str())]);
}

#[test]
fn under_a_server_over_sqlite() {
    rotated_under_load(&Home::new());
}

#[test]
fn under_a_server_over_postgres() {
    rotated_under_load(&Home::over(&bellwire_testkit::postgres::Cluster::shared().database()));
}

#[test]
fn between_its_beginning_and_its_end_a_server_needs_both_keys() {
    let home = Home::new();
    let new = new_key();
    let both = [OLD_KEY, ("BELLWIRE_NEW_MASTER_KEY", new.as_str())];
    let server = home.start_in(&both, &LOCAL);
    Platform::set_up(&server.api, "silver");
    drop(server);
    let serve = |key: &str| {
        let listen = ["serve", "--listen", "127.0.0.1:0", "--log", "off"];
        run(&mut command(&home, &listen, &[("BELLWIRE_MASTER_KEY", key)]))
    };
    refused(&serve(OLD), &["set BELLWIRE_NEW_MASTER_KEY to the new key", "`bellwire keys rotate-master` has ended"]);
    refused(&serve(&new), &["set BELLWIRE_MASTER_KEY to the old key", "BELLWIRE_NEW_MASTER_KEY to this one"]);
    let other = STANDARD.encode([7; 32]);
    let wrong = [OLD_KEY, ("BELLWIRE_NEW_MASTER_KEY", other.as_str())];
    refused(&rotate(&home, &wrong), &["rotated to another key", "the key with which that was begun"]);
    for key in [OLD, &new] {
        assert!(run(&mut command(&home, &["doctor"], &[("BELLWIRE_MASTER_KEY", key)])).success().contains("is sound"));
    }
    assert!(ended(&rotate(&home, &both)).contains("1 data keys"));
    drop(home.start_in(&both, &LOCAL));
    drop(home.start_in(&[("BELLWIRE_MASTER_KEY", new.as_str())], &LOCAL));
}

#[test]
fn a_key_that_is_kept_next_to_the_database_is_replaced_there() {
    let home = Home::new();
    let server = home.start();
    let (file, kept) = (home.path("bellwire.db.master-key"), home.path("bellwire.db.master-key.new"));
    Platform::set_up(&server.api, "silver");
    let before = fs::read_to_string(&file).unwrap();
    refused(&rotate(&home, &[]), &["restart it", "bellwire.db.master-key.new", "run this again"]);
    let drawn = fs::read_to_string(&kept).unwrap();
    drop(server);
    let server = home.start();
    let done = rotate(&home, &[]);
    assert!(ended(&done).contains("bellwire.db.master-key holds the new master key"), "{done:?}");
    assert_eq!((fs::read_to_string(&file).unwrap(), kept.exists()), (drawn.clone(), false));
    assert_ne!(before, drawn);
    server.api.get("/v1/accounts").expect(200);
    drop(server);
    let server = home.start();
    server.api.get("/v1/accounts").expect(200);
    drop(server);
    assert_sound(&home, &[]);
    let new = new_key();
    ended(&rotate(&home, &[("BELLWIRE_NEW_MASTER_KEY", &new)]));
    assert_eq!(fs::read_to_string(&file).unwrap(), new, "a configured one is put there too");
    assert_sound(&home, &[]);
}

#[test]
fn a_key_that_a_command_prints() {
    let home = Home::new();
    let prints = format!("echo {OLD}");
    drop(home.start_in(&[("BELLWIRE_MASTER_KEY_COMMAND", &prints)], &LOCAL));
    assert!(!Path::new(&home.path("bellwire.db.master-key")).exists());
    assert_sound(&home, &[OLD_KEY]);
    assert_sound(&home, &[("BELLWIRE_MASTER_KEY_COMMAND", &prints)]);
    let doctor = |command_line: &str| run(&mut command(&home, &["doctor", "--master-key-command", command_line], &[]));
    let begun = Instant::now();
    let wrong = doctor("echo s3cret");
    refused(&wrong, &["--master-key-command", "32 bytes in base64"]);
    assert!(!wrong.stderr.contains("s3cret"));
    refused(&doctor("exit 3"), &["--master-key-command", "exit status: 3"]);
    let two = run(&mut command(&home, &["doctor", "--master-key-command", &prints], &[OLD_KEY]));
    refused(&two, &["--master-key-command", "cannot be used with", "--master-key"]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    let made = run(&mut command(&home, &["keys", "create", "--role", "auditor"], &[("BELLWIRE_MASTER_KEY_COMMAND", &prints)]));
    assert_eq!(made.code, Some(0), "{made:?}");
}
