//! What the commands that ask a server say of themselves.

use crate::harness::{bellwire, run};

/// Every command that asks a server, as it is typed.
const COMMANDS: [&str; 41] = [
    "login",
    "logout",
    "accounts",
    "accounts list",
    "accounts show",
    "accounts put",
    "accounts delete",
    "endpoints",
    "endpoints list",
    "endpoints show",
    "endpoints create",
    "endpoints update",
    "endpoints delete",
    "endpoints enable",
    "endpoints disable",
    "endpoints resume",
    "endpoints rotate-secret",
    "endpoints test",
    "events",
    "events list",
    "events show",
    "events publish",
    "events tail",
    "deliveries",
    "deliveries list",
    "deliveries show",
    "deliveries retry",
    "replays",
    "replays start",
    "replays list",
    "replays show",
    "replays cancel",
    "incidents",
    "incidents list",
    "incidents show",
    "incidents acknowledge",
    "trigger",
    "open",
    "audit",
    "audit list",
    "audit export",
];

#[test]
fn help_of_each_command() {
    for command in COMMANDS {
        let shown = run(bellwire().args(command.split(' ')).arg("--help"));
        insta::assert_snapshot!(format!("help-{}", command.replace(' ', "-")), shown.success());
    }
}

#[test]
fn every_command_tells_its_exit_codes() {
    for command in
        ["login", "accounts", "endpoints", "events", "deliveries", "replays", "incidents", "trigger", "open", "audit list"]
    {
        let shown = run(bellwire().args(command.split(' ')).arg("--help"));
        assert!(shown.success().contains("Exit codes: 0 done; 1 "), "{command}");
    }
}
