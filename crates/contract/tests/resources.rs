//! What the shipped contracts say about resources, sentence by sentence of the published documents.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use crate::common::{compile, shipped};
use bellwire_contract::{Contract, ResourceRefusal, StoredResource};
use bytes::Bytes;
use serde_json::{Value, json};

/// A resource as a store keeps it.
struct Kept<'c> {
    contract: &'c Contract,
    kind: &'static str,
    id: &'static str,
    stored: Option<(String, Vec<String>, String)>,
}

impl<'c> Kept<'c> {
    fn new(contract: &'c Contract, kind: &'static str, id: &'static str) -> Self {
        Self { contract, kind, id, stored: None }
    }

    /// Puts a document; the types of the events.
    fn put(&mut self, document: &Value) -> Vec<String> {
        let all = self.try_put(&document.to_string()).unwrap();
        all.into_iter().map(|(event_type, _, _)| event_type).collect()
    }

    /// Puts a document; type, id and data of the events.
    fn try_put(&mut self, document: &str) -> Result<Vec<(String, Option<String>, String)>, ResourceRefusal> {
        let old = self.stored.as_ref().map(|(state, ever, document)| StoredResource { state, states_ever: ever, document });
        let definition = self.contract.resource(self.kind).unwrap();
        let change = definition.decide(self.id, old, &Bytes::copy_from_slice(document.as_bytes()))?;
        if !change.is_same {
            self.stored = Some((change.state, change.states_ever, document.to_owned()));
        }
        let event = |event: &bellwire_contract::ResourceEvent| {
            let data = String::from_utf8(event.data.to_vec()).unwrap();
            self.contract.check_data(self.contract.event(event.event_type.as_str()).unwrap(), &event.data).unwrap();
            vec![(event.event_type.to_string(), event.id.clone(), data); event.count]
        };
        Ok(change.events.iter().flat_map(event).collect())
    }
}

fn rule(refusal: ResourceRefusal) -> String {
    match refusal {
        ResourceRefusal::Transition { rule, detail } => format!("{rule}: {detail}"),
        ResourceRefusal::Invalid(errors) => format!("{errors:?}"),
    }
}

#[test]
fn develop_health_benefit_verification_causes_a_single_event() {
    for last in ["completed", "failed"] {
        let mut kept = Kept::new(shipped("develop-health"), "benefit_verification", "bv_1");
        let document = |status: &str, n: u32| json!({ "id": "bv_1", "object": "benefit_verification", "status": status, "n": n });
        assert!(kept.put(&document("pending", 1)).is_empty());
        assert!(kept.put(&document("pending", 2)).is_empty());
        assert_eq!(kept.put(&document(last, 2)), ["benefit_verification.status_change"]);
        for after in ["completed", "failed", "pending", "completed"] {
            assert!(kept.put(&document(after, 3)).is_empty(), "{last} then {after}");
        }
    }
    let mut kept = Kept::new(shipped("develop-health"), "benefit_verification", "bv_1");
    let spelled = "{ \"status\" : \"completed\", \"cost\": 1.10,\n\"object\":\"benefit_verification\",\"id\":\"bv_1\"}";
    let events = kept.try_put(spelled).unwrap();
    assert_eq!(events, [("benefit_verification.status_change".to_owned(), None, spelled.to_owned())], "byte for byte");
    let mut cancelled = Kept::new(shipped("develop-health"), "benefit_verification", "bv_1");
    assert!(cancelled.put(&json!({ "status": "cancelled" })).is_empty());
}

fn prior_authorization(status: &str, more: &Value) -> Value {
    let mut document = json!({ "id": "pa_1", "object": "prior_authorization", "status": status });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

#[test]
fn develop_health_prior_authorization_changes_status_until_completed() {
    let mut kept = Kept::new(shipped("develop-health"), "prior_authorization", "pa_1");
    assert!(kept.put(&prior_authorization("created", &json!({}))).is_empty(), "it starts so");
    let walk = [
        "processing",
        "awaiting_review",
        "awaiting_provider_response",
        "awaiting_outcome",
        "validating_outcome",
        "not_submitted",
        "failed",
        "cancelled",
        "processing",
        "completed",
    ];
    for status in walk {
        assert_eq!(kept.put(&prior_authorization(status, &json!({}))), ["prior_authorization.status_change"], "{status}");
        assert!(kept.put(&prior_authorization(status, &json!({ "note": 1 }))).is_empty(), "{status} again");
    }
    for status in ["processing", "completed", "failed"] {
        assert!(kept.put(&prior_authorization(status, &json!({}))).is_empty(), "{status} after completion");
    }
    let mut late = Kept::new(shipped("develop-health"), "prior_authorization", "pa_1");
    assert_eq!(late.put(&prior_authorization("processing", &json!({}))), ["prior_authorization.status_change"]);
}

#[test]
fn develop_health_messages_and_activity_come_at_any_time() {
    let mut kept = Kept::new(shipped("develop-health"), "prior_authorization", "pa_1");
    kept.put(&prior_authorization("created", &json!({ "message_thread": [], "activity_log": null })));
    let thread = |count: usize| json!({ "message_thread": vec![json!({ "text": "hello" }); count] });
    assert_eq!(kept.put(&prior_authorization("created", &thread(1))), ["prior_authorization.message"]);
    assert_eq!(
        kept.put(&prior_authorization("completed", &thread(3))),
        ["prior_authorization.status_change", "prior_authorization.message", "prior_authorization.message"],
        "a webhook for every message added"
    );
    assert_eq!(kept.put(&prior_authorization("completed", &thread(4))), ["prior_authorization.message"]);
    assert!(kept.put(&prior_authorization("completed", &thread(2))).is_empty(), "fewer are no new ones");
    let log = |text: &str| json!({ "message_thread": thread(2)["message_thread"], "activity_log": [text] });
    for text in ["sent", "read"] {
        assert_eq!(kept.put(&prior_authorization("completed", &log(text))), ["prior_authorization.activity_log_updated"]);
    }
}

#[test]
fn develop_health_transfers_and_benefits_checks_need_a_transferred_prescription() {
    let transfer = |transferred: bool, n: u32| json!({ "prescription": { "transferred": transferred }, "prescription_transfer": { "attempts": n } });
    let change = ["prior_authorization.prescription_transfer_change"];
    let mut kept = Kept::new(shipped("develop-health"), "prior_authorization", "pa_1");
    kept.put(&prior_authorization("created", &json!({})));
    assert!(kept.put(&prior_authorization("created", &transfer(true, 1))).is_empty(), "not before completion");
    kept.put(&prior_authorization("completed", &transfer(true, 1)));
    assert_eq!(kept.put(&prior_authorization("completed", &transfer(true, 2))), change);
    assert!(kept.put(&prior_authorization("completed", &transfer(false, 3))).is_empty(), "no prescription transferred");
    assert_eq!(kept.put(&prior_authorization("failed", &transfer(true, 4))), change, "it was completed once");

    let check = |transferred: bool, check: Value| json!({ "prescription": { "transferred": transferred }, "real_time_benefits_check": check });
    let change = ["prior_authorization.real_time_benefits_check_change"];
    let mut kept = Kept::new(shipped("develop-health"), "prior_authorization", "pa_1");
    assert!(kept.put(&prior_authorization("created", &check(true, json!(null)))).is_empty());
    assert!(kept.put(&prior_authorization("created", &check(false, json!({ "copay": 0 })))).is_empty());
    assert_eq!(kept.put(&prior_authorization("created", &check(true, json!({ "copay": 1 })))), change);
    kept.put(&prior_authorization("completed", &check(true, json!({ "copay": 1 }))));
    assert_eq!(kept.put(&prior_authorization("completed", &check(true, json!({ "copay": 2 })))), change);
    assert!(kept.put(&prior_authorization("completed", &check(true, json!(null)))).is_empty(), "gone is not completed");
}

const DIFFERENCE: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";

#[test]
fn noyo_difference_is_never_reopened_and_only_its_id_leaves() {
    let document = |status: &str| json!({ "id": DIFFERENCE, "status": status, "member": "Jane Doe" });
    let mut kept = Kept::new(shipped("noyo"), "difference", DIFFERENCE);
    let events = kept.try_put(&document("processing").to_string()).unwrap();
    assert_eq!(events, [("difference.created".to_owned(), None, format!(r#"{{"id":"{DIFFERENCE}"}}"#))]);
    assert_eq!(kept.put(&document("discrepancy")), ["difference.discrepancy"]);
    assert_eq!(kept.put(&document("resolved")), ["difference.resolved"]);
    for status in ["processing", "discrepancy", "replaced"] {
        let refusal = rule(kept.try_put(&document(status).to_string()).unwrap_err());
        assert_eq!(refusal, format!("resources.difference.final: `resolved` is final, so it cannot become `{status}`"));
    }
    let noted = json!({ "id": DIFFERENCE, "status": "resolved", "note": "by hand" });
    assert!(kept.put(&noted).is_empty(), "its document may still change");

    let mut found_by_sync = Kept::new(shipped("noyo"), "difference", DIFFERENCE);
    assert_eq!(found_by_sync.put(&document("discrepancy")), ["difference.created", "difference.discrepancy"]);
    assert_eq!(found_by_sync.put(&document("replaced")), ["difference.replaced"]);
    assert!(found_by_sync.try_put(&document("resolved").to_string()).is_err());
}

#[test]
fn novamed_has_an_event_for_each_state_and_nothing_goes_back() {
    let walks: [(&str, &str, &[&str]); 3] = [
        ("order", "order_id", &["created", "processing", "shipped", "delivered"]),
        ("medication_request", "medication_request_id", &["created", "approved", "filled"]),
        ("refill", "refill_id", &["requested", "approved"]),
    ];
    for (kind, id, states) in walks {
        let mut kept = Kept::new(shipped("novamed"), kind, "x_1");
        for state in states {
            let document = json!({ id: "x_1", "status": state, "carrier": "UPS" });
            assert_eq!(kept.try_put(&document.to_string()).unwrap(), [(format!("{kind}:{state}"), None, document.to_string())]);
            assert!(kept.put(&document).is_empty());
        }
    }
    for (kind, state) in [("order", "cancelled"), ("medication_request", "cancelled"), ("refill", "denied")] {
        assert_eq!(Kept::new(shipped("novamed"), kind, "x_1").put(&json!({ "status": state })), [format!("{kind}:{state}")]);
    }
    let mut order = Kept::new(shipped("novamed"), "order", "x_1");
    order.put(&json!({ "status": "shipped" }));
    let refusal = rule(order.try_put(r#"{"status":"created"}"#).unwrap_err());
    assert_eq!(refusal, "resources.order.transitions.shipped: `shipped` can become delivered or cancelled, not `created`");
}

#[test]
fn silver_sends_the_same_event_when_the_task_is_retried() {
    let document = |status: &str, task: &str| json!({ "id": "adj_1", "status": status, "task": { "id": task }, "paid": 42.5 });
    let event =
        |task: &str| ("adjudication_complete".to_owned(), Some("evt_adj_1".to_owned()), document("complete", task).to_string());
    let mut kept = Kept::new(shipped("silver"), "adjudication", "adj_1");
    assert!(kept.put(&document("pending", "t1")).is_empty());
    assert!(kept.put(&document("pending", "t2")).is_empty(), "not complete yet");
    assert_eq!(kept.try_put(&document("complete", "t3").to_string()).unwrap(), [event("t3")]);
    assert!(kept.put(&document("complete", "t3")).is_empty(), "the same document again");
    assert_eq!(kept.try_put(&document("complete", "t4").to_string()).unwrap(), [event("t4")], "the same id");
}

#[test]
fn b_well_tells_whom_it_is_about() {
    let mut user = Kept::new(shipped("b.well"), "user", "789");
    assert!(user.put(&json!({ "status": "active" })).is_empty());
    let deleted = json!({ "id": "789", "status": "deleted", "identifier": "client-specific", "email": "x@example.com" });
    let events = user.try_put(&deleted.to_string()).unwrap();
    let data = r#"{"person":"789","identifier":"client-specific"}"#.to_owned();
    assert_eq!(events, [("user-delete-completed".to_owned(), None, data)]);
    assert!(user.try_put(r#"{"status":"active"}"#).is_err());

    let mut export = Kept::new(shipped("b.well"), "data_export", "exp_1");
    assert!(export.put(&json!({ "status": "requested", "person": "456" })).is_empty());
    let done = r#"{"status":"completed","person":"456","download_url":"https://x.example/1.zip"}"#;
    let data = r#"{"person":"456","download_url":"https://x.example/1.zip"}"#.to_owned();
    assert_eq!(export.try_put(done).unwrap(), [("data-export-completed".to_owned(), None, data)]);
    let mut nobodys = Kept::new(shipped("b.well"), "data_export", "exp_2");
    let refusal = rule(nobodys.try_put(r#"{"status":"completed","download_url":"https://x.example/1.zip"}"#).unwrap_err());
    assert!(refusal.contains("document.person") && !refusal.contains("x.example"), "{refusal}");
}

#[test]
fn documents_that_are_not_the_resource_are_refused_with_a_pointer() {
    let mut kept = Kept::new(shipped("noyo"), "difference", DIFFERENCE);
    for (document, pointer, said) in [
        ("[]", "", "object"),
        ("{}", "/status", "missing"),
        (r#"{"status":null}"#, "/status", "missing"),
        (r#"{"status":{}}"#, "/status", "missing"),
        (r#"{"status":"Jane"}"#, "/status", "must be one of processing, discrepancy, resolved, replaced"),
        (r#"{"id":"other","status":"processing"}"#, "/id", "not the id in the URL"),
    ] {
        let ResourceRefusal::Invalid(errors) = kept.try_put(document).unwrap_err() else { panic!("{document}") };
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, pointer), "{document}");
        assert!(errors[0].message.contains(said) && !errors[0].message.contains("Jane"), "{}", errors[0].message);
    }
    assert!(kept.stored.is_none());
}

#[test]
fn what_is_equal_and_causes_nothing_is_the_same() {
    let contract = compile(
        "contract: t\ntitle: T\nevents: any\nrequest: { body: \"{{ event.data }}\" }\nresources:\n  flag:\n    state: on\n    \
         states: [true, false]\n    events: [{ type: flag.on, when: { reached: true }, id: \"{{ resource.kind }}-{{ document.n }}\" }]\n",
    );
    let mut kept = Kept::new(&contract, "flag", "f");
    let event = ("flag.on".to_owned(), Some("flag-1.0".to_owned()), r#"{"on":true,"n":1.0}"#.to_owned());
    assert_eq!(kept.try_put(r#"{"on":true,"n":1.0}"#).unwrap(), [event]);
    kept.try_put("{ \"n\": 1, \"on\": true }").unwrap();
    assert_eq!(kept.stored.as_ref().unwrap().2, r#"{"on":true,"n":1.0}"#, "equal, so it was not stored");
    kept.try_put(r#"{"on":true,"n":2}"#).unwrap();
    assert_eq!(kept.stored.as_ref().unwrap().2, r#"{"on":true,"n":2}"#);
}

#[test]
fn a_document_is_updated_when_it_is_put_again_and_differs() {
    let contract = compile(
        "contract: t\ntitle: T\nevents: [{ type: a.b, example: { id: x } }]\nresources:\n  order:\n    state: s\n    states: [open, closed]\n    events: [{ type: a.b, when: updated, in: open }]\nrequest: { body: \"{{ event.data }}\" }\n",
    );
    let mut kept = Kept::new(&contract, "order", "1");
    assert!(kept.put(&json!({ "s": "open", "n": 1 })).is_empty(), "it is new");
    assert_eq!(kept.put(&json!({ "s": "open", "n": 2 })), ["a.b"], "its state is the same");
    assert!(kept.try_put("{ \"n\": 2, \"s\": \"open\" }").unwrap().is_empty(), "the order of members does not matter");
    assert!(kept.put(&json!({ "s": "closed", "n": 3 })).is_empty());
    assert_eq!(kept.put(&json!({ "s": "open", "n": 3 })), ["a.b"]);
}
