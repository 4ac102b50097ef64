//! `bellwire listen` shows a consumer what arrives, and passes it on as it came.

use std::net::TcpListener;

use crate::harness::{Home, Listener, Platform, Sink, bellwire, now, old_request, run, send, shipped};

const ALL: [&str; 6] = ["b.well", "develop-health", "novamed", "noyo", "silver", "standard-webhooks"];

#[test]
fn every_delivery_of_every_contract_is_shown_as_genuine() {
    let home = Home::new();
    let server = home.start();
    for (index, name) in ALL.into_iter().enumerate() {
        let account = format!("550e8400-e29b-41d4-a716-44665544000{index}");
        let mut platform = Platform::set_up_as(&server.api, name, &account);
        // A generated secret is known only once there is an endpoint, and an endpoint needs its URL first.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        platform.add_endpoint(&format!("http://127.0.0.1:{free}/in"));
        let listener = Listener::start(name, &platform.secret, &["--port", &free.to_string(), "--hide-body"]);
        let catalogue = platform.catalogue();
        for (event_type, data) in &catalogue {
            let id = platform.publish(event_type, data);
            let delivery = platform.attempted(&id, 1);
            assert_eq!(delivery["state"], "delivered", "{name}: {delivery}");
            let line = listener.line();
            assert!(line.contains(event_type.as_str()) && line.contains("bytes  genuine  (answered 200)"), "{name}: {line}");
            let shows_id = !matches!(name, "develop-health");
            assert_eq!(line.contains(&id), shows_id, "{name}: {line}");
        }
        let (rest, ended) = listener.stop("TERM");
        let count = catalogue.len();
        assert_eq!(rest, [format!("stopped; requests: {count}, genuine: {count}, not genuine: 0")], "{name}");
        assert_eq!(ended.code(), Some(0), "{name}");
    }
}

#[test]
fn the_consumers_own_server_gets_what_was_sent_and_its_answer_goes_back() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "novamed");
    let consumer = Sink::start(|_| 200);
    let directly = Sink::start(|_| 200);
    let listener = Listener::start("novamed", &platform.secret, &["--forward", &consumer.url("/own/hook")]);
    platform.add_endpoint(&listener.url("/in"));
    platform.add_endpoint(&directly.url("/in"));
    let id = platform.publish("order:shipped", r#"{"b": 1.10, "a":"\u00e9 é"}"#);
    let (passed, sent) = (consumer.wait_for(1).remove(0), directly.wait_for(1).remove(0));
    assert_eq!(passed.path, "/own/hook");
    assert_eq!(passed.body, sent.body);
    let without_host = |headers: &[(String, String)]| {
        let mut headers = headers.to_vec();
        headers.retain(|(name, _)| name != "host");
        headers.sort();
        headers
    };
    assert_eq!(without_host(&passed.headers), without_host(&sent.headers), "nothing is added, nothing is lost");
    assert_eq!(passed.header("host"), Some(listener.address.to_string().as_str()));
    let line = listener.line();
    assert!(line.contains(&id) && line.contains("genuine  (forwarded, answered 200)"), "{line}");
    let shown: Vec<_> = std::iter::from_fn(|| Some(listener.line()).filter(|line| !line.is_empty())).collect();
    assert!(shown.contains(&r#"    "event_type": "order:shipped","#.to_owned()), "{shown:#?}");
    assert!(
        shown.contains(&r#"      "b": 1.10,"#.to_owned()) && shown.contains(&r#"      "a": "\u00e9 é""#.to_owned()),
        "{shown:#?}"
    );

    consumer.answer(|_| 503);
    let refused = platform.publish("order:created", "{}");
    let line = listener.line();
    assert!(line.contains(&refused) && line.contains("(forwarded, answered 503)"), "{line}");
    let delivery = server.api.get("/v1/deliveries?limit=200").expect(200);
    assert!(delivery["items"].as_array().unwrap().iter().any(|delivery| delivery["event"] == refused.as_str()));
}

#[test]
fn what_is_not_genuine_is_shown_with_the_reason_and_passed_on_all_the_same() {
    let consumer = Sink::start(|_| 401);
    let secret = shipped("noyo").draw_secret([1; 32]).expose().clone();
    let listener = Listener::start("noyo", &secret, &["--forward", &consumer.url("/"), "--hide-body"]);
    let post = |headers: &[(String, String)], body: &[u8]| send(listener.address, "PUT", "/in?x=1", headers, body).unwrap();
    assert_eq!(
        post(
            &[("x-other".into(), "1".into()), ("connection".into(), "x-mine".into()), ("x-mine".into(), "2".into())],
            b"\x1b[2J"
        )
        .status,
        401
    );
    let line = listener.line();
    assert!(line.contains("PUT /in?x=1  4 bytes  not genuine: the header `x-noyo-signature` is missing"), "{line}");
    let seen = consumer.wait_for(1).remove(0);
    assert_eq!((seen.path.as_str(), seen.body.as_slice()), ("/in?x=1", &b"\x1b[2J"[..]));
    assert_eq!((seen.header("x-other"), seen.header("x-mine"), seen.header("connection")), (Some("1"), None, None));

    let headers = [
        ("x-noyo-signature".to_owned(), "00".repeat(32)),
        ("x-noyo-timestamp".to_owned(), "2025-01-01T00:00:00.000000+00:00".to_owned()),
    ];
    post(&headers, br#"{"event":{"type":"a\u001b[2J","id":"1"}}"#);
    let line = listener.line();
    assert!(line.contains(r"a\u{1b}[2J  1  ") && line.contains("`x-noyo-signature` does not fit"), "{line}");
    assert!(!line.contains(&secret), "{line}");
    let (rest, ended) = listener.stop("INT");
    assert_eq!(
        (rest.last().map(String::as_str), ended.code()),
        (Some("stopped; requests: 2, genuine: 0, not genuine: 2"), Some(0))
    );
}

#[test]
fn old_deliveries_and_other_secrets_are_told_apart() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "b.well");
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let listener = Listener::start("b.well", &platform.secret, &["--hide-body"]);
    let old = old_request(&platform, &listener.url("/in"), now().minus(std::time::Duration::from_secs(3_600)));
    assert_eq!(send(listener.address, "POST", "/in", &old.headers, &old.body).unwrap().status, 200);
    let line = listener.line();
    assert!(line.contains("not genuine: too old: the time in the header `webhook-timestamp` is 3"), "{line}");

    let other = Listener::start("b.well", shipped("b.well").draw_secret([9; 32]).expose(), &["--hide-body"]);
    let fresh = old_request(&platform, &other.url("/in"), now());
    send(other.address, "POST", "/in", &fresh.headers, &fresh.body).unwrap();
    assert!(other.line().contains("`webhook-signature` does not fit"));
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = Listener::start("silver", "k", &["--forward", &format!("http://{nobody}"), "--hide-body"]);
    assert_eq!(send(listener.address, "POST", "/", &[], b"{}").unwrap().status, 502);
    let line = listener.line();
    assert!(line.contains("not forwarded: the server cannot be reached") && line.contains("answered 502"), "{line}");

    let hanging_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hanging_up.local_addr().unwrap();
    std::thread::spawn(move || hanging_up.incoming().for_each(drop));
    let listener = Listener::start("silver", "k", &["--forward", &format!("http://{address}"), "--hide-body"]);
    assert_eq!(send(listener.address, "POST", "/", &[], b"{}").unwrap().status, 502);
    assert!(listener.line().contains("gave no complete answer"));
}

#[test]
fn the_answer_can_be_chosen_and_bodies_are_bounded() {
    let listener = Listener::start("silver", "k", &["--status", "503"]);
    assert_eq!(send(listener.address, "POST", "/", &[("apikey".into(), "k".into())], b"").unwrap().status, 503);
    let line = listener.line();
    assert!(line.ends_with("POST /  0 bytes  genuine  (answered 503)"), "{line}");
    let large = vec![b' '; 16 * 1_024 * 1_024 + 1];
    assert_eq!(send(listener.address, "POST", "/large", &[], &large).unwrap().status, 413);
    assert!(listener.line().contains("POST /large"));
}

#[test]
fn what_cannot_be_listened_to_is_one_line_and_exit_code_2() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let silver = ["--contract", "silver", "--secret", "k"];
    for (flags, words) in [
        (&["--contract", "nobody", "--secret", "k"][..], "no contract `nobody`"),
        (&["--contract", "silver"], "--secret"),
        (&["--secret", "k"], "--contract"),
        (&[&silver[..], &["--port", &port]].concat(), "cannot listen on"),
        (&[&silver[..], &["--forward", "https://localhost"]].concat(), "--forward"),
        (&[&silver[..], &["--status", "99"]].concat(), "--status"),
        (&[&silver[..], &["--status", "500", "--forward", "http://localhost"]].concat(), "--forward"),
    ] {
        let run = run(bellwire().arg("listen").args(flags));
        assert!(run.refusal().contains(words), "{flags:?}: {run:?}");
    }
}
