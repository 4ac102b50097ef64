//! The console and the portal, clicked in a real browser: `tests/console` has the steps.

use std::path::Path;
use std::process::Command;

use crate::harness::{Home, KEY};

/// Runs the tests of a file against a server of their own.
fn click(file: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let home = Home::new();
    let server = home.start();
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

#[test]
fn the_operator_mends_what_failed_and_nobody_sees_what_is_not_theirs() {
    click("pages.test.mjs");
}
