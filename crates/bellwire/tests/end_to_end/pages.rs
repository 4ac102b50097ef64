//! The console and the portal, clicked in a real browser: `tests/console` has the steps.

use std::path::Path;
use std::process::Command;

use bellwire_testkit::process::Process;

use crate::harness::{Home, KEY, LOCAL, Server};

/// Runs the tests of a file against a server of their own.
fn click(file: &str) {
    click_with(file, &[]);
}

/// With these flags, and the contracts of these tests.
fn click_with(file: &str, flags: &[&str]) {
    let home = Home::new();
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/console/contracts");
    click_at(file, &home.start_with(&[&LOCAL[..], &["--contracts", contracts], flags].concat()));
}

fn click_at(file: &str, server: &Server) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A file has its time, and an end whatever happens.
    let mut node = Command::new("timeout");
    node.args(["300", "node", "--test", "--test-reporter=spec", "--test-force-exit", "--test-timeout=240000", file]);
    node.current_dir(root.join("tests/console"));
    node.env("BELLWIRE_URL", format!("http://{}", server.api.address)).env("BELLWIRE_KEY", KEY);
    node.env("CHROMIUM", chromium(&root));
    let run = node.output().unwrap();
    assert!(run.status.success(), "{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

/// Where the browser is: as `scripts/setup` has put it, or else the machine's.
fn chromium(root: &Path) -> String {
    let own = root.join(".tools/bin/chromium");
    if own.exists() { own.to_string_lossy().into_owned() } else { "/usr/bin/chromium".to_owned() }
}

#[test]
fn each_platforms_document_can_be_clicked() {
    click("platforms.test.mjs");
}

/// The document's contract with its days as seconds: what takes a week there can be watched here.
#[test]
fn a_subscription_that_fails_for_seven_days_is_failed_until_it_is_resumed() {
    let (home, root) = (Home::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let contract = std::fs::read_to_string(root.join("contracts/noyo.yaml")).unwrap();
    let mut hurried = contract.clone();
    for (days, seconds) in [
        ("contract: noyo\n", "contract: noyo-hurried\n"),
        ("after_unhealthy_for: 7d", "after_unhealthy_for: 7s"),
        ("retry: { retries: 15, within: 3d, backoff: exponential }", "retry: { every: 1s, retries: 60 }"),
    ] {
        assert!(hurried.contains(days), "{days}");
        hurried = hurried.replacen(days, seconds, 1);
    }
    let folder = home.path("contracts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("noyo-hurried.yaml"), hurried).unwrap();
    let flags = [&LOCAL[..], &["--contracts", folder.to_str().unwrap()]].concat();
    click_at("days.test.mjs", &home.start_with(&flags));
}

#[test]
fn the_operator_mends_what_failed_and_nobody_sees_what_is_not_theirs() {
    click("pages.test.mjs");
}

#[test]
fn an_endpoint_chooses_its_options_and_is_asked_again_for_its_handshake() {
    click("choosing.test.mjs");
}

#[test]
fn the_documentation_is_read_and_a_request_is_tried_in_it() {
    click("docs.test.mjs");
}

#[test]
fn what_fails_is_told_once_seen_to_and_drawn() {
    click("incidents.test.mjs");
}

#[test]
fn people_sign_in_with_an_identity_provider_and_only_those_with_a_role() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/console");
    let provider = Process::start(Command::new("node").arg("provider.mjs").current_dir(folder));
    let issuer = provider.line();
    let sso = ["--oidc-issuer", &issuer, "--oidc-client-id", "bellwire", "--oidc-client-secret", "a secret between the two"];
    click_with("sso.test.mjs", &sso);
}
