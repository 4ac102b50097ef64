//! What is posted is what arrives: `data` is never parsed and printed again, in no spelling that JSON has for it.

use crate::harness::{Home, Platform, Sink};

/// Everything that a parser and a printer would change.
const ODDITIES: &str = r#""zebra":1,"apple":2, "amount" : 1.10 ,"tiny":1E-7,"huge":1e400,"minus":-0.0,"big":1234567890123456789012345678901234567890,
	"name":"Zo\u00eb Zoë \ud83d\ude00","path":"a\/b","tab":"\t","none":null,"empty":{ },"list":[ 1 ,  2.50,[ ] ],"twice":1,"twice":2"#;

#[test]
fn develop_health_sends_the_posted_bytes() {
    arrives_as_posted(
        "develop-health",
        "prior_authorization.message",
        &format!(r#"{{"status":"processing","object":"prior_authorization","id":"pa_req_1", {ODDITIES} }}"#),
    );
}

#[test]
fn silver_sends_the_posted_bytes() {
    arrives_as_posted("silver", "adjudication_complete", &format!("{{ {ODDITIES} }}"));
}

#[test]
fn novamed_sends_the_posted_bytes() {
    arrives_as_posted("novamed", "order:shipped", &format!("{{ {ODDITIES} }}"));
}

#[test]
fn standard_webhooks_sends_the_posted_bytes() {
    arrives_as_posted("standard-webhooks", "anything.at_all", &format!("{{ {ODDITIES} }}"));
}

#[test]
fn data_need_not_be_an_object_where_anything_goes() {
    for data in ["[1.10, 2]", r#""\u00e9""#, "1.0", "true", "null"] {
        arrives_as_posted("standard-webhooks", "anything.at_all", data);
    }
}

#[test]
fn noyo_sends_the_posted_bytes_of_its_one_field() {
    // The escaped letter is an `e`: another spelling of a valid id.
    arrives_as_posted("noyo", "difference.created", r#"{  "id" : "\u0065b73184b-ae3c-4411-aa82-3c3bd877cf78"	}"#);
}

/// Posts `data` with white space around it, and finds it whole in what arrives and in the account's log.
#[track_caller]
fn arrives_as_posted(contract: &str, event_type: &str, data: &str) {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, contract);
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    platform.publish(event_type, &format!("\n  {data}\t"));
    let request = sink.wait_for(1).remove(0);
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.contains(data), "posted:\n{data}\narrived:\n{body}");
    let log = server.api.get(&platform.path("/events"));
    assert!(log.text().contains(&format!(r#""data":{data}}}"#)), "posted:\n{data}\nin the log:\n{}", log.text());
}
