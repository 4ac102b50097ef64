//! `bellwire verify` tells a genuine request from any other, and says why.

use std::fs;
use std::time::Duration;

use bellwire_domain::time::Zone;

use crate::harness::{Home, Run, bellwire, now, run, run_with, shipped};

/// Every shipped contract with one of its events.
const ALL: [(&str, &str); 6] = [
    ("b.well", "user-delete-completed"),
    ("develop-health", "benefit_verification.status_change"),
    ("novamed", "order:created"),
    ("noyo", "difference.created"),
    ("silver", "adjudication_complete"),
    ("standard-webhooks", "invoice.paid"),
];
/// Those whose requests prove more than that the sender knows the secret, and what shows when they do not.
const SIGNED: [(&str, &str, &str); 4] = [
    ("b.well", "user-delete-completed", "`webhook-signature`"),
    ("develop-health", "benefit_verification.status_change", "token"),
    ("noyo", "difference.created", "`x-noyo-signature`"),
    ("standard-webhooks", "invoice.paid", "`webhook-signature`"),
];

fn secret(contract: &str, seed: u8) -> String {
    shipped(contract).draw_secret([seed; 32]).expose().clone()
}

/// What the contract sends, as `bellwire contract render` writes it down.
fn rendered(contract: &str, event: &str) -> String {
    let shown = run(bellwire().args(["contract", "render", contract, "--event", event, "--secret", &secret(contract, 1)]));
    shown.success().to_owned()
}

fn verify(contract: &str, capture: &str, flags: &[&str]) -> Run {
    run_with(
        capture.as_bytes(),
        bellwire().args(["verify", "--contract", contract, "--secret", &secret(contract, 1)]).args(flags),
    )
}

#[track_caller]
fn genuine(run: &Run) {
    assert_eq!(run.success(), "genuine\n");
}

/// Not genuine for a reason with these words, which gives nothing away.
#[track_caller]
fn rejected(contract: &str, run: &Run, words: &[&str]) {
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""), "{run:?}");
    let reason = run.stdout.strip_prefix("not genuine: ").unwrap_or_else(|| panic!("{run:?}"));
    assert_eq!(reason.lines().count(), 1, "{run:?}");
    assert!(words.iter().all(|word| reason.contains(word)), "{words:?} in {run:?}");
    for hidden in [secret(contract, 1), secret(contract, 2)] {
        assert!(!reason.contains(&hidden), "{run:?}");
    }
    let long = reason.split(|character: char| !character.is_ascii_alphanumeric()).find(|word| word.len() > 30);
    assert_eq!(long, None, "no signature is printed");
}

#[test]
fn what_a_contract_renders_is_genuine_and_nothing_else_is() {
    for (contract, event) in ALL {
        let capture = rendered(contract, event);
        genuine(&verify(contract, &capture, &[]));
        let (head, body) = capture.split_once("\n\n").unwrap();
        genuine(&verify(contract, &format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")), &[]));
        let (_, headers) = head.split_once('\n').unwrap();
        genuine(&verify(contract, &format!("{headers}\n\n{body}"), &[]));
        let any = verify(contract, &format!("content-type: application/json\n\n{body}"), &[]);
        rejected(contract, &any, &["header", "is missing"]);
        let other = secret(contract, 2);
        let wrong = run_with(capture.as_bytes(), bellwire().args(["verify", "--contract", contract, "--secret", &other]));
        rejected(contract, &wrong, &["does not fit"]);
        genuine(&verify(contract, &capture, &["--secret", &other]));
    }
}

#[test]
fn a_changed_body_is_seen_where_the_body_is_signed() {
    for (contract, event, place) in SIGNED {
        let capture = rendered(contract, event);
        let changed = format!("{}1}}", capture.strip_suffix('}').unwrap());
        let words = if place == "token" { &["body", "the token"][..] } else { &[place][..] };
        rejected(contract, &verify(contract, &changed, &[]), words);
        let longer = format!("{capture}\n");
        rejected(contract, &verify(contract, &longer, &[]), &["without the line break at the end of the body it would be"]);
        let (head, body) = capture.split_once("\n\n").unwrap();
        let cut = format!("{head}\ncontent-length: {}\n\n{}", body.len(), &body[..body.len() - 3]);
        let said = format!("the body has {} bytes, and content-length says {}", body.len() - 3, body.len());
        rejected(contract, &verify(contract, &cut, &[]), &[&said]);
    }
}

#[test]
fn a_time_that_is_not_now_is_seen_where_there_is_one() {
    for (contract, event, _) in SIGNED {
        let capture = rendered(contract, event);
        let at = |minutes: u64| now().plus(Duration::from_secs(minutes * 60)).rfc3339(0, Zone::Zulu);
        let old = if contract == "develop-health" {
            &["the token has expired"][..]
        } else {
            &["too old", "s in the past, more than 300 s"]
        };
        rejected(contract, &verify(contract, &capture, &["--at", &at(10)]), old);
        let before = now().minus(Duration::from_secs(600)).rfc3339(0, Zone::Zulu);
        rejected(contract, &verify(contract, &capture, &["--at", &before]), &["too new", "s in the future, more than 300 s"]);
        genuine(&verify(contract, &capture, &["--at", &at(2)]));
    }
}

#[test]
fn the_body_may_be_a_file_and_the_secret_in_the_environment() {
    let home = Home::new();
    let capture = rendered("noyo", "difference.created");
    let (head, body) = capture.split_once("\n\n").unwrap();
    let file = home.path("body");
    fs::write(&file, body).unwrap();
    let flags = ["--body", file.to_str().unwrap()];
    genuine(&verify("noyo", head, &flags));
    assert!(verify("noyo", &capture, &flags).refusal().contains("a body already"));
    let secret = secret("noyo", 1);
    genuine(&run_with(capture.as_bytes(), bellwire().args(["verify", "--contract", "noyo"]).env("BELLWIRE_SECRET", &secret)));
}

/// A contract whose signature covers the URL.
const URL_SIGNED: &str = r#"
contract: by-url
title: By URL
events:
  - { type: thing.done, example: { id: 1 } }
request:
  headers: { x-signature: "{{ signature.it }}" }
  body: { type: "{{ event.type }}", data: "{{ event.data }}" }
signatures:
  it: { hmac: sha256, over: "{{ request.url }}{{ body }}" }
"#;

#[test]
fn the_url_is_told_where_a_signature_covers_it() {
    let home = Home::new();
    let file = home.path("by-url.yaml");
    fs::write(&file, URL_SIGNED).unwrap();
    let url = "http://10.0.0.1:8080/hooks?a=b";
    let capture = run(bellwire().args([
        "contract",
        "render",
        file.to_str().unwrap(),
        "--event",
        "thing.done",
        "--secret",
        "k",
        "--url",
        url,
    ]));
    let (_, rest) = capture.success().split_once('\n').unwrap();
    let folder = home.path("");
    let verify = |capture: &str, flags: &[&str]| {
        let mut command = bellwire();
        command.args(["verify", "--contract", "by-url", "--secret", "k", "--contracts", folder.to_str().unwrap()]).args(flags);
        run_with(capture.as_bytes(), &mut command)
    };
    genuine(&verify(capture.success(), &[]));
    let seen = format!("POST /hooks?a=b HTTP/1.1\nhost: inside:3000\n{rest}");
    rejected("noyo", &verify(&seen, &[]), &["`x-signature`"]);
    genuine(&verify(&seen, &["--url", url]));
}

#[test]
fn an_unsigned_contract_is_unsigned_for_verify_and_on_its_page() {
    let home = Home::new();
    let file = home.path("open.yaml");
    let contract = "contract: open\ntitle: Open\nevents: any\nrequest: { body: \"{{ event.data }}\" }\n";
    fs::write(&file, contract).unwrap();
    let folder = file.parent().unwrap().to_str().unwrap();
    let verified =
        run_with(b"POST / HTTP/1.1\nhost: here\n\n{}", bellwire().args(["verify", "--contract", "open", "--contracts", folder]));
    assert_eq!((verified.code, verified.stderr.as_str()), (Some(2), ""), "{verified:?}");
    assert!(verified.stdout.starts_with("unsigned: "), "{verified:?}");
    let page = run(bellwire().args(["contract", "docs", file.to_str().unwrap()]));
    assert!(page.success().contains("Requests are unsigned"), "{page:?}");
}

#[test]
fn what_cannot_be_judged_is_one_line_and_exit_code_2() {
    let capture = rendered("noyo", "difference.created");
    for (input, words) in [
        ("", "no request"),
        ("{\"ssn\": \"078-05-1120\"}\n", "line 1"),
        ("POST /x HTTP/1.1\r\ncontent-type: text/plain", "no blank line"),
        ("POST /x HTTP/1.1\r\nno header\r\n\r\n", "line 2"),
    ] {
        let run = verify("noyo", input, &[]);
        assert!(run.refusal().contains(words) && !run.stderr.contains("078"), "{input:?}: {run:?}");
    }
    let of = |words: &[&str]| run_with(capture.as_bytes(), bellwire().arg("verify").args(words));
    assert!(of(&["--contract", "nobody", "--secret", "k"]).refusal().contains("no contract `nobody`"));
    assert!(of(&["--contract", "noyo"]).refusal().contains("--secret"));
    assert!(of(&["--secret", "k"]).refusal().contains("--contract"));
    let short = of(&["--contract", "b.well", "--secret", "hush-hush"]);
    assert!(short.refusal().contains("--secret") && !short.stderr.contains("hush"), "{short:?}");
    assert!(of(&["--contract", "noyo", "--secret", "k", "--at", "yesterday"]).refusal().contains("--at"));
    assert!(of(&["--contract", "noyo", "--secret", "k", "--body", "/no/such/file"]).refusal().contains("--body"));
}

#[test]
fn the_requests_on_a_contracts_page_are_genuine() {
    for (contract, event) in ALL {
        let page = run(bellwire().args(["contract", "docs", contract]));
        let page = page.success();
        for event in shipped(contract).events() {
            assert!(page.contains(&format!("### `{}`: {}\n", event.event_type, event.title)), "{contract}: {event:?}");
        }
        assert!(page.contains(event), "{page}");
        let (_, rest) = page.split_once("made with the secret `").unwrap();
        let (secret, _) = rest.split_once('`').unwrap();
        let requests: Vec<&str> = page.split("```http\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect();
        assert!(requests.len() >= shipped(contract).events().len().max(1), "{page}");
        for request in requests {
            let flags = ["--contract", contract, "--secret", secret, "--at", "2026-01-15T09:00:00Z"];
            genuine(&run_with(request.as_bytes(), bellwire().arg("verify").args(flags)));
        }
    }
    insta::assert_snapshot!("contract-docs", run(bellwire().args(["contract", "docs", "standard-webhooks"])).success());
    assert!(run(bellwire().args(["contract", "docs", "nobody"])).refusal().contains("nobody"));
}
