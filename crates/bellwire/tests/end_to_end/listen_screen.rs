//! The screen of `bellwire listen` on a terminal: it draws, keys do what they say, and the terminal is as before.

use std::fs;
use std::net::SocketAddr;

use serde_json::json;

use crate::harness::{Home, KEY, Sink, Terminal, bellwire, send, until};

/// Where it listens, as the screen says.
fn address(terminal: &Terminal) -> SocketAddr {
    until("it listens", || {
        let written = terminal.written();
        let (_, rest) = written.split_once("http://").filter(|(_, rest)| rest.contains("silver"))?;
        rest.split(|character: char| !(character.is_ascii_digit() || ".:".contains(character))).next()?.parse().ok()
    })
}

#[test]
fn it_draws_and_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    let own = Sink::start(|_| 202);
    let mut command = bellwire();
    command.args(["listen", "--contract", "silver", "--port", "0", "--forward", &own.url("/in")]);
    command.env("BELLWIRE_SECRET", "a-secret").env("NO_COLOR", "1").current_dir(home.path(""));
    let mut terminal = Terminal::start(&command);
    let address = address(&terminal);
    let headers = [("apikey".to_owned(), "a-secret".to_owned())];
    assert_eq!(send(address, "POST", "/hook?x=1", &headers, br#"{"n":1}"#).unwrap().status, 202);
    terminal.shows(&["genuine", "/hook?x=1", "202", "\"n\":"]);
    terminal.types("r");
    own.wait_for(2);
    terminal.types("s");
    let saved = until("the body is in a file", || {
        let files = fs::read_dir(home.path("")).unwrap().map(|file| file.unwrap().path());
        files
            .into_iter()
            .find(|path| path.extension().is_some_and(|ending| ending == "json") && fs::metadata(path).unwrap().len() > 0)
    });
    assert_eq!(fs::read_to_string(saved).unwrap(), r#"{"n":1}"#);
    let coloured = terminal.written().contains("\u{1b}[32m") || terminal.written().contains("\u{1b}[38;5;2m");
    assert!(!coloured, "NO_COLOR is heeded");
    terminal.types("q");
    assert_eq!(terminal.end().code(), Some(0));
    terminal.shows(&["stopped; requests: 1, genuine: 1, not genuine: 0"]);
    terminal.is_as_before();
}

#[test]
fn a_signal_or_a_server_that_refuses_leaves_the_terminal_as_it_was_too() {
    let home = Home::new();
    let server = home.start();
    server.api.put("/v1/accounts/clinic-7", &json!({ "contract": "standard-webhooks" })).expect(201);
    let url = format!("http://{}", server.api.address);
    let listen = |key: &str| {
        let mut command = bellwire();
        command.args(["listen", "--server", &url, "--account", "clinic-7"]).env("BELLWIRE_KEY", key);
        command.env("XDG_CONFIG_HOME", home.path("settings")).current_dir(home.path(""));
        Terminal::start(&command)
    };
    let mut terminal = listen(KEY);
    terminal.shows(&["clinic-7", "standard-webhooks", "whsec_"]);
    server.api.publish("clinic-7", "order.created", "{}");
    terminal.shows(&["order.created", "genuine"]);
    terminal.signal("TERM");
    assert_eq!(terminal.end().code(), Some(0));
    terminal.is_as_before();

    let mut refused = listen("wrong");
    assert_eq!(refused.end().code(), Some(4));
    refused.shows(&["No valid API key"]);
    refused.is_as_before();
}
