//! Each contract against a receiver written from its document: everything in the catalogue arrives and is verified, and what
//! is not genuine is refused by the very same receiver.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Home, Platform, Receiver, Seen, now, old_request, starting};

/// A contract, who receives it, and what its scheme can tell.
struct Case {
    contract: &'static str,
    receiver: &'static str,
    /// The header without which nothing is genuine.
    proof: &'static str,
    /// Whether a changed body is noticed.
    protects_body: bool,
    /// Whether an old request is noticed.
    protects_time: bool,
    /// Whether a request states the event's id.
    shows_id: bool,
    /// What a refusal is answered with.
    refusal: u16,
}

const CASE: Case =
    Case { contract: "", receiver: "", proof: "", protects_body: true, protects_time: true, shows_id: true, refusal: 401 };

#[test]
fn develop_health() {
    prove(&Case {
        contract: "develop-health",
        receiver: "develop_health.py",
        proof: "x-webhook-secret",
        shows_id: false, // the document gives events no id
        ..CASE
    });
}

#[test]
fn b_well() {
    prove(&Case { contract: "b.well", receiver: "bwell.js", proof: "webhook-signature", ..CASE });
}

#[test]
fn silver() {
    prove(&Case {
        contract: "silver",
        receiver: "silver.py",
        proof: "apikey",
        // The document sends the secret itself: whoever has seen one request can make another, at any time.
        protects_body: false,
        protects_time: false,
        refusal: 403,
        ..CASE
    });
}

#[test]
fn noyo() {
    prove(&Case { contract: "noyo", receiver: "noyo.js", proof: "x-noyo-signature", ..CASE });
}

#[test]
fn novamed_in_node() {
    prove(&NOVAMED);
}

#[test]
fn novamed_in_python() {
    prove(&Case { receiver: "novamed.py", ..NOVAMED });
}

const NOVAMED: Case = Case {
    contract: "novamed",
    receiver: "novamed.js",
    proof: "x-api-key",
    // As with Silver, the document sends the secret itself.
    protects_body: false,
    protects_time: false,
    ..CASE
};

#[test]
fn standard_webhooks() {
    prove(&Case { contract: "standard-webhooks", receiver: "standard_webhooks.py", proof: "webhook-signature", ..CASE });
}

fn prove(case: &Case) {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, case.contract);
    // The secret may be drawn when the endpoint is made, so the receiver's port is not known before.
    let endpoint = platform.add_endpoint("http://127.0.0.1:9/not-up-yet");
    let receiver = starting(case.receiver, &platform.secret);
    let stranger = starting(case.receiver, platform.contract.draw_secret([9; 32]).expose());
    let (receiver, stranger) = (receiver.ready(), stranger.ready());
    platform.api.patch(&platform.path(&format!("/endpoints/{endpoint}")), &json!({ "url": receiver.url() })).expect(200);

    let captured = everything_arrives(case, &platform, &receiver);
    for genuine in &captured {
        let again = receiver.replay(genuine);
        assert!(again.verified, "it is genuine a second time too: {again:?}");
        assert_eq!(again.duplicate, case.shows_id, "{again:?}");
        refused(case, &receiver.replay(&genuine.without(case.proof)));
        refused(case, &stranger.replay(genuine));
        if case.protects_body {
            refused(case, &receiver.replay(&genuine.tampered()));
        }
    }
    for age in [0, 600, 3_600] {
        let request = old_request(&platform, &receiver.url(), now().minus(Duration::from_secs(age)));
        let seen = receiver.replay(&request);
        if age > 0 && case.protects_time {
            refused(case, &seen);
        } else {
            assert!(seen.verified, "{age} s old: {seen:?}");
        }
    }
}

/// Publishes the whole catalogue; what the receiver saw of it.
fn everything_arrives(case: &Case, platform: &Platform, receiver: &Receiver) -> Vec<Seen> {
    let mut captured = Vec::new();
    for (number, (event_type, data)) in (1..).zip(platform.catalogue()) {
        let event = platform.publish(&event_type, &data);
        let seen = receiver.next();
        assert!(seen.verified && !seen.duplicate && seen.status == 200, "{event_type}: {seen:?}");
        assert_eq!(seen.event_type.as_ref(), Some(&event_type));
        assert_eq!(seen.event_id.as_ref(), case.shows_id.then_some(&event), "{event_type}");
        assert_eq!(seen.header("content-type"), Some("application/json"));

        let delivery = platform.attempted(&event, 1);
        assert_eq!((&delivery["state"], &delivery["number"]), (&json!("delivered"), &json!(number)), "{delivery}");
        assert_eq!((&delivery["event_type"], &delivery["due_at"]), (&json!(event_type), &json!(null)));
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{delivery}");
        let attempt = &attempts[0];
        assert_eq!((&attempt["number"], &attempt["outcome"], &attempt["status"]), (&json!(1), &json!("response"), &json!(200)));
        captured.push(seen);
    }
    captured
}

#[track_caller]
fn refused(case: &Case, seen: &Seen) {
    assert!(!seen.verified && seen.status == case.refusal && seen.reason.is_some(), "{seen:?}");
}
