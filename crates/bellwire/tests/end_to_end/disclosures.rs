//! Who was told about somebody, as FHIR has it: read by a library that knows the specification.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Home, Sink, until};

/// How many AuditEvents the library finds in a Bundle.
#[track_caller]
fn audit_events(bundle: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".tools/venv/bin/python");
    let mut reading = Command::new(python)
        .arg(root.join("tests/fhir/validate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reading.stdin.take().unwrap().write_all(bundle.as_bytes()).unwrap();
    let read = reading.wait_with_output().unwrap();
    assert!(read.status.success(), "{bundle}");
    String::from_utf8(read.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn a_library_for_fhir_reads_disclosures_of_every_outcome() {
    let home = Home::new();
    let server = home.start();
    let sinks = [200, 500].map(|status| Sink::start(move |_| status));
    let api = &server.api;
    api.put("/v1/accounts/clinic", &json!({ "contract": "standard-webhooks" })).expect(201);
    for sink in &sinks {
        api.post("/v1/accounts/clinic/endpoints", &json!({ "url": sink.url("/in?token=a") })).expect(201);
    }
    let event = json!({ "type": "order.shipped", "data": { "note": "well" }, "subjects": ["patient:1", "patient:2"] });
    api.post("/v1/accounts/clinic/events", &event).expect(201);
    let path = "/v1/accounts/clinic/disclosures?subject=patient:1";
    until("both attempts are told", || {
        let told = api.get(path).expect(200);
        (told["items"].as_array().unwrap().len() >= 2).then_some(())
    });
    let told = api.get_as(path, "application/fhir+json");
    assert!(audit_events(&told) >= 2, "{told}");
    let nothing = api.get_as("/v1/accounts/clinic/disclosures?subject=patient:3", "application/fhir+json");
    assert_eq!(audit_events(&nothing), 0, "an empty Bundle is one, too");
}
