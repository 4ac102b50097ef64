//! What cannot work is said at the start, in one line, with code 2; and what the command line says of itself.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Home, KEY, Platform, Run, Sink, bellwire, run};

/// A `serve` that is to be refused, with flags and environment.
#[track_caller]
fn serve(home: &Home, flags: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = bellwire();
    command.arg("serve").args(flags).env("BELLWIRE_LOG", "off").envs(environment.iter().copied());
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !flags.contains(&"--database") {
        command.args(["--database", &home.database()]);
    }
    run(&mut command)
}

/// The line of a refusal, in which all these words stand.
#[track_caller]
fn refused(run: &Run, words: &[&str]) {
    let line = run.refusal();
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

#[track_caller]
fn refused_flags(flags: &[&str], words: &[&str]) {
    refused(&serve(&Home::new(), flags, &[]), words);
}

#[test]
fn a_wrong_flag() {
    refused_flags(&["--bogus"], &["--bogus"]);
    refused_flags(&["--databas", "sqlite:x.db"], &["--databas", "--database"]);
    refused_flags(&["--listen", "nowhere"], &["--listen", "address"]);
    refused_flags(&["--allow-network", "10.0.0.0/33"], &["--allow-network", "ADDRESS/BITS"]);
    refused_flags(&["--allow-network", "10.0.0.0/8:https"], &["--allow-network", "`https`", "443+8443"]);
    refused_flags(&["--allow-network", "fd00::/8:443"], &["--allow-network", "[fd00::/8]:443"]);
    refused_flags(&["--allow-network", "10.0.0.0/8@account:"], &["--allow-network", "account"]);
    refused_flags(&["--allow-network", "10.0.0.0/8,10.0.0.0/8@nobody"], &["--allow-network", "no contract `nobody`"]);
    refused_flags(&["--publish", "novamed"], &["--publish", "NAME=ADDR"]);
    refused_flags(&["--in-flight-max", "0"], &["--in-flight-max", "1..=65535"]);
    refused_flags(&["--worker-threads", "0"], &["--worker-threads", "1..=1024"]);
    refused_flags(&["--account-backlog-max", "0"], &["--account-backlog-max", "1..="]);
    refused_flags(&["--retain-history", "0"], &["--retain-history", "1..="]);
    refused_flags(&["--retention", "0"], &["--retention", "1..="]);
    refused_flags(&["--rate-max", "fast"], &["--rate-max", "0 for no limit"]);
    refused_flags(&["--log", "a=b=c"], &["--log", "a=b=c"]);
    refused(&run(bellwire().arg("surve")), &["surve", "serve"]);
    refused(&run(bellwire().args(["contract", "render", "noyo"])), &["--event <TYPE>"]);
}

#[test]
fn a_wrong_value_in_the_environment() {
    let home = Home::new();
    refused(&serve(&home, &[], &[("BELLWIRE_IN_FLIGHT_MAX", "many")]), &["--in-flight-max"]);
    refused(&serve(&home, &[], &[("BELLWIRE_ADMIN_KEY", "two words")]), &["admin key", "no spaces"]);
}

#[test]
fn a_busy_port() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    refused_flags(&["--listen", &address], &["cannot listen on", &address, "in use"]);
}

#[test]
fn a_database_that_is_served_is_locked_under_every_name() {
    let home = Home::new();
    let _server = home.start();
    let key = fs::read_to_string(home.path("bellwire.db.master-key")).unwrap();
    let (symbolic, hard) = (home.path("symbolic.db"), home.path("hard.db"));
    std::os::unix::fs::symlink(home.path("bellwire.db"), &symbolic).unwrap();
    fs::hard_link(home.path("bellwire.db"), &hard).unwrap();
    for path in [symbolic, hard] {
        let database = format!("sqlite:{}", path.display());
        let environment = [("BELLWIRE_MASTER_KEY", key.trim())];
        refused(&serve(&home, &["--database", &database], &environment), &["another process has this database open"]);
    }
}

#[test]
fn a_database_that_cannot_be_one() {
    let home = Home::new();
    let at = |path: &Path| format!("sqlite:{}", path.display());

    let folder = home.path("folder");
    fs::create_dir(&folder).unwrap();
    refused(&serve(&home, &["--database", &at(&folder)], &[]), &["folder"]);

    let missing = home.path("no/such/folder/b.db");
    refused(&serve(&home, &["--database", &at(&missing)], &[]), &["no/such/folder", "No such file"]);

    let text = home.path("text");
    fs::write(&text, "a text that is long enough to be taken for the header of a database file, and is none at all").unwrap();
    let key = STANDARD.encode([1; 32]);
    refused(&serve(&home, &["--database", &at(&text)], &[("BELLWIRE_MASTER_KEY", &key)]), &["not a Bellwire database"]);
    assert!(fs::read_to_string(&text).unwrap().starts_with("a text"), "it is left as it was");

    for (url, words) in [
        ("postgres://user:s3cret@db.example", ["--database", "name the database"]),
        ("postgres://user:s3cret@127.0.0.1:1/bellwire", ["BELLWIRE_MASTER_KEY", "every node"]),
        ("mysql://db.example/bellwire", ["--database", "sqlite:FILE"]),
        ("sqlite::memory:", ["--database", "name a file"]),
    ] {
        let run = serve(&home, &["--database", url], &[]);
        refused(&run, &words);
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
    }
    let nobody = serve(&home, &["--database", "postgres://user:s3cret@127.0.0.1:1/bellwire"], &[("BELLWIRE_MASTER_KEY", &key)]);
    refused(&nobody, &["postgres://user@127.0.0.1:1/bellwire", "refused"]);
    assert!(!nobody.stderr.contains("s3cret"), "{nobody:?}");
}

#[test]
fn a_database_that_another_process_has_open() {
    let home = Home::new();
    let server = home.start();
    refused(&serve(&home, &[], &[]), &["another process has this database open"]);
    assert_eq!(server.api.get("/readyz").text(), "ready\n", "the first one goes on");
}

#[test]
fn a_master_key_that_is_none_or_another() {
    let home = Home::new();
    let server = home.start();
    Platform::set_up(&server.api, "noyo");
    drop(server);
    refused(&serve(&home, &[], &[("BELLWIRE_MASTER_KEY", "c2hvcnQ=")]), &["BELLWIRE_MASTER_KEY", "32 bytes in base64"]);
    let other = STANDARD.encode([9; 32]);
    refused(&serve(&home, &[], &[("BELLWIRE_MASTER_KEY", &other)]), &["master key does not open this database"]);
    let kept = home.path("bellwire.db.master-key");
    let key = fs::read_to_string(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    refused(&serve(&home, &[], &[]), &["no master key next to it", "BELLWIRE_MASTER_KEY"]);
    assert!(!kept.exists(), "a database never gets a second key");
    let server = home.start_with(&["--master-key", &key]);
    server.api.get("/v1/accounts").expect(200);
}

/// A contract that works.
const CONTRACT: &str = "contract: mine\ntitle: Mine\nevents:\n  - { type: thing.done, example: { id: 1 } }\n\
                        request:\n  body: { type: \"{{ event.type }}\", data: \"{{ event.data }}\" }\n";

/// The same with something wrong in line 6, column 17.
fn broken() -> String {
    CONTRACT.replace("event.type }}\"", "event.kind }}\"")
}

#[test]
fn a_contract_that_is_broken() {
    let home = Home::new();
    let folder = home.path("contracts");
    let flags = |folder: &Path| ["--contracts".to_owned(), folder.display().to_string()];
    let start = |words: &[&str]| {
        let flags = flags(&folder);
        refused(&serve(&home, &[&flags[0], &flags[1]], &[]), words);
    };
    start(&["--contracts", "cannot read", "No such file"]);
    fs::create_dir(&folder).unwrap();
    start(&["--contracts", "no *.yaml file"]);
    fs::write(folder.join("mine.yaml"), broken()).unwrap();
    start(&["mine.yaml:6:", "event.kind"]);
    fs::write(folder.join("mine.yaml"), "contract: mine\n  title: [").unwrap();
    start(&["mine.yaml:2:"]);
    fs::write(folder.join("mine.yaml"), CONTRACT.replace("contract: mine", "contract: noyo")).unwrap();
    start(&["mine.yaml", "noyo"]);
}

#[test]
fn an_account_whose_contract_is_not_loaded() {
    let home = Home::new();
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.yaml"), CONTRACT).unwrap();
    let sink = Sink::start(|_| 200);
    let flags = ["--contracts", folder.to_str().unwrap(), "--allow-network", "127.0.0.0/8", "--allow-http"];
    let server = home.start_with(&flags);
    let wanted = serde_json::json!({ "contract": "mine" });
    server.api.put("/v1/accounts/a", &wanted).expect(201);
    let endpoint = server.api.post("/v1/accounts/a/endpoints", &serde_json::json!({ "url": sink.url("/") })).expect(201);
    assert_eq!(endpoint["events"], serde_json::json!(["thing.done"]));
    server.api.publish("a", "thing.done", r#"{"id":7}"#);
    assert_eq!(sink.wait_for(1)[0].body, br#"{"type":"thing.done","data":{"id":7}}"#);
    drop(server);
    refused(&serve(&home, &[], &[]), &["account a", "`mine`", "--contracts"]);
}

#[test]
fn a_published_api_that_does_not_exist() {
    refused_flags(&["--publish", "nobody=127.0.0.1:0"], &["--publish nobody=127.0.0.1:0", "no contract `nobody`"]);
    let none = "standard-webhooks=127.0.0.1:0";
    refused_flags(&["--publish", none], &["--publish standard-webhooks=127.0.0.1:0", "declares no published API"]);
    refused_flags(&["--publish", "novamed=127.0.0.1:0", "--publish", none], &["declares no published API"]);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("novamed={}", held.local_addr().unwrap());
    refused_flags(&["--publish", &taken], &["--publish", &taken, "cannot listen on", "in use"]);
}

#[test]
fn whoever_holds_the_database_and_its_key_makes_an_admin_key_when_nobody_can_sign_in() {
    let home = Home::new();
    let database = home.database();
    let create = |flags: &[&str]| run(bellwire().args(["keys", "create", "--database", &database]).args(flags));
    refused(&create(&["--role", "admin"]), &["there is no database", "--database"]);
    let server = home.start();
    refused(&create(&["--role", "admin"]), &["another process", "stop that one"]);
    server.kill();
    refused(&create(&["--role", "nurse"]), &["admin, publisher, consumer"]);
    refused(&create(&["--role", "consumer"]), &["--account", "needs an account"]);
    let made = create(&["--role", "admin", "--expires", "2999-01-01T00:00:00Z"]);
    assert!(made.code == Some(0) && made.stderr.contains("shown this once"), "{made:?}");
    let key = made.stdout.trim().to_owned();
    let server = home.start();
    server.api.with_key(&key).get("/v1/accounts").expect(200);
}

#[test]
fn an_admin_key_is_made_once_and_shown_once() {
    let home = Home::new();
    let start = || {
        let mut command = bellwire();
        command.args(["serve", "--log", "off", "--listen", "127.0.0.1:0", "--database", &home.database()]);
        let mut child = command.spawn().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut shown = Vec::new();
        while !shown.last().is_some_and(|line: &String| line.starts_with("listening on http://")) {
            shown.push(lines.next().unwrap().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        shown
    };
    let first = start();
    let key = first[0].strip_prefix("admin key (shown once): ").unwrap();
    assert_eq!(start().len(), 1, "not again");
    let server = home.start();
    server.api.with_key(key).get("/v1/accounts").expect(200);
    server.api.with_key(KEY).get("/v1/accounts").expect(200);
    let on_disk = fs::read(home.path("bellwire.db")).unwrap();
    assert!(!on_disk.windows(key.len()).any(|window| window == key.as_bytes()), "only its digest is stored");
}

#[test]
fn as_many_worker_threads_as_asked_for() {
    let started_with = |threads: &str| Home::new().start_with(&["--worker-threads", threads]).threads("bellwire-worker");
    let (few, many) = (started_with("1"), started_with("40")); // with those that wait for files and name servers
    assert!(few < 40 && many >= 40, "{few} {many}");
}

#[test]
fn help() {
    for (name, words) in [
        ("bellwire", &[][..]),
        ("serve", &["serve"][..]),
        ("config", &["config"][..]),
        ("config-check", &["config", "check"][..]),
        ("seed", &["seed"][..]),
        ("demo", &["demo"][..]),
        ("doctor", &["doctor"][..]),
        ("migrate", &["migrate"][..]),
        ("keys-create", &["keys", "create"][..]),
        ("keys-rotate-master", &["keys", "rotate-master"][..]),
        ("listen", &["listen"][..]),
        ("verify", &["verify"][..]),
        ("contract", &["contract"][..]),
        ("contract-new", &["contract", "new"][..]),
        ("contract-draft", &["contract", "draft"][..]),
        ("contract-list", &["contract", "list"][..]),
        ("contract-check", &["contract", "check"][..]),
        ("contract-render", &["contract", "render"][..]),
        ("contract-docs", &["contract", "docs"][..]),
        ("contract-code", &["contract", "code"][..]),
        ("health", &["health"][..]),
        ("completions", &["completions"][..]),
        ("man", &["man"][..]),
    ] {
        let run = run(bellwire().args(words).arg("--help"));
        insta::assert_snapshot!(format!("help-{name}"), run.success());
    }
}

#[test]
fn version() {
    assert_eq!(run(bellwire().arg("--version")).success(), format!("bellwire {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn contract_list() {
    insta::assert_snapshot!("contract-list", run(bellwire().args(["contract", "list"])).success());
    let home = Home::new();
    fs::write(home.path("mine.yaml"), CONTRACT).unwrap();
    let listed = run(bellwire().args(["contract", "list", "--contracts"]).arg(home.path("")));
    assert!(listed.success().lines().any(|line| line.split_whitespace().eq(["mine", "1", "events", "Mine"])), "{listed:?}");
    refused(&run(bellwire().args(["contract", "list", "--contracts", "/no/such/folder"])), &["/no/such/folder"]);
}

#[test]
fn contract_check() {
    let home = Home::new();
    let file = home.path("mine.yaml");
    let check = || run(bellwire().args(["contract", "check"]).arg(&file));
    refused(&check(), &["mine.yaml", "No such file"]);
    fs::write(&file, CONTRACT).unwrap();
    assert!(check().success().ends_with("mine.yaml: contract `mine` is fine (1 events)\n"), "{:?}", check());
    fs::write(&file, broken()).unwrap();
    refused(&check(), &["mine.yaml:6:", "event.kind"]);
    fs::write(&file, broken().replace("title: Mine", "titel: Mine")).unwrap();
    let run = check();
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    let faults: Vec<&str> = run.stderr.lines().filter(|line| line.contains("mine.yaml:")).collect();
    assert!(faults.len() >= 2 && faults.len() == run.stderr.lines().count(), "each fault has its line: {run:?}");
}

#[test]
fn contract_render() {
    let render = |words: &[&str]| run(bellwire().args(["contract", "render"]).args(words));
    let shown = render(&["silver", "--event", "adjudication_complete", "--data", r#"{"paid": 1.10}"#, "--secret", "s3cret"]);
    let (head, body) = shown.success().split_once("\n\n").unwrap();
    assert!(head.starts_with("POST https://client.example/webhooks\n"), "{head}");
    assert!(body.contains(r#""eventType":"adjudication_complete","eventPayload":{"paid": 1.10}}"#), "{body}");

    let home = Home::new();
    let file = home.path("mine.yaml");
    fs::write(&file, CONTRACT).unwrap();
    let from_file = render(&[file.to_str().unwrap(), "--event", "thing.done", "--url", "https://example.com/x"]);
    assert!(from_file.success().starts_with("POST https://example.com/x\n"), "{from_file:?}");
    assert!(from_file.success().ends_with("\n\n{\"type\":\"thing.done\",\"data\":{\"id\":1}}"), "{from_file:?}");

    refused(&render(&["nobody", "--event", "x"]), &["nobody"]);
    refused(&render(&["noyo", "--event", "x"]), &["--event", "`x`", "(it has difference.created, "]);
    refused(&render(&["noyo", "--event", "difference.created", "--data", "{"]), &["--data", "not JSON"]);
    refused(&render(&["noyo", "--event", "difference.created", "--data", r#"{"ssn":"078-05-1120"}"#]), &["--data", "ssn"]);
    refused(&render(&["b.well", "--event", "user-delete-completed", "--secret", "short"]), &["--secret", "whsec_"]);
    fs::write(&file, broken()).unwrap();
    refused(&render(&[file.to_str().unwrap(), "--event", "thing.done"]), &["mine.yaml:6:"]);
}

#[test]
fn contract_render_spells_headers_as_the_contract_does() {
    let shown = run(bellwire().args(["contract", "render", "silver", "--event", "adjudication_complete", "--secret", "s3cret"]));
    let head = shown.success().split_once("\n\n").unwrap().0;
    assert!(head.lines().any(|line| line == "apiKey: s3cret"), "{head}");
}

#[test]
fn contract_render_names_the_event_type_that_was_meant() {
    let shown = run(bellwire().args(["contract", "render", "noyo", "--event", "difference.craeted"]));
    refused(&shown, &["--event", "`difference.craeted`", "did you mean `difference.created`?"]);
}
