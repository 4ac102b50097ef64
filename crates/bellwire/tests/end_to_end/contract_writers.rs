//! `bellwire contract new` and `bellwire contract draft` write contracts that the other commands take.

use std::fs;
use std::path::Path;

use crate::harness::{Home, Run, bellwire, run, run_with};

fn new(flags: &[&str]) -> Run {
    run(bellwire().args(["contract", "new"]).args(flags))
}

/// The contract that was written; what was said about it is left.
#[track_caller]
fn written(run: &Run) -> &str {
    assert_eq!(run.code, Some(0), "{run:?}");
    &run.stdout
}

/// The file passes `check` without a warning, and each event is rendered.
#[track_caller]
fn usable(file: &Path, events: &[&str]) {
    let checked = run(bellwire().args(["contract", "check"]).arg(file));
    assert!(checked.success().contains("is fine"), "{checked:?}");
    for event in events {
        let rendered = run(bellwire().args(["contract", "render", "--event", event]).arg(file));
        assert!(rendered.success().contains("POST https://client.example/webhooks\n"), "{rendered:?}");
    }
}

#[test]
fn without_a_terminal_what_no_flag_answers_is_the_default() {
    let home = Home::new();
    let file = home.path("acme-care.yaml");
    let path = file.to_str().unwrap();
    let made = run_with(b"ignored\n", bellwire().args(["contract", "new", path]));
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
    for command in ["check", "render", "code"] {
        assert!(made.stderr.contains(&format!("bellwire contract {command} {path}")), "{made:?}");
    }
    usable(&file, &["order.created"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("contract: acme-care\ntitle: Acme Care\n"), "{text}");
    assert!(run(bellwire().args(["contract", "code", path, "--language", "python"])).success().contains("def verify"));
}

#[test]
fn every_answer_can_be_a_flag() {
    let home = Home::new();
    for (signature, header) in [
        ("hmac-sha256-hex", "x-a-signature: "),
        ("hmac-sha256-base64", "x-a-signature: "),
        ("stripe-like", "x-a-signature: t="),
        ("standard-webhooks", "webhook-signature: v1,"),
        ("token", "authorization: Bearer "),
        ("none", "x-a-id: "),
    ] {
        let flags = "--name mine --event a.b --event c.d --body data --time unix --header-prefix X-A --register operator --secret \
                     account --retry 1m,5m --success 200 --timeout 5s";
        let mut flags: Vec<_> = flags.split(' ').collect();
        flags.extend(["--title", "It is: \"mine\"", "--signature", signature]);
        let made = new(&flags);
        let file = home.path(signature);
        fs::write(&file, written(&made)).unwrap();
        usable(&file, &["a.b", "c.d"]);
        let rendered = run(bellwire().args(["contract", "render", "--event", "c.d"]).arg(&file));
        assert!(rendered.success().contains(header) && rendered.stdout.ends_with("\n\n{\"id\":\"1\"}"), "{rendered:?}");
        assert!(made.stderr.contains("bellwire contract check FILE"), "{made:?}");
    }
}

#[test]
fn a_wrong_answer_is_refused_with_its_flag() {
    for (flag, answer, reason) in [
        ("--name", "Not A Name", "cannot be the name of a contract"),
        ("--title", "", "write the platform's name"),
        ("--event", "a b", "is not an event type"),
        ("--body", "xml", "is not one of envelope, data, merged, list, form"),
        ("--time", "noon", "is not one of"),
        ("--header-prefix", "x acme", "cannot start the name of a header"),
        ("--signature", "md5", "is not one of"),
        ("--register", "nobody", "is not one of consumer, operator"),
        ("--secret", "hunter2", "is not one of"),
        ("--retry", "often", "often"),
        ("--success", "700", "not a status rule"),
        ("--timeout", "1d", "from 1ms to 5m"),
    ] {
        let refused = new(&[flag, answer]);
        let said = refused.refusal();
        assert!(said.starts_with(&format!("{flag}: ")) && said.contains(reason), "{said}");
    }
}

#[test]
fn no_file_is_overwritten_without_force() {
    let home = Home::new();
    let file = home.path("mine.yaml");
    fs::write(&file, "precious").unwrap();
    let path = file.to_str().unwrap();
    assert!(new(&[path]).refusal().contains("exists already; --force replaces it"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(new(&[path, "--force"]).code, Some(0));
    usable(&file, &["order.created"]);
    assert_eq!(written(&new(&["-", "--name", "mine"])), fs::read_to_string(&file).unwrap());
    assert!(new(&[home.path("no/such/folder.yaml").to_str().unwrap()]).refusal().contains("cannot write"));
}
