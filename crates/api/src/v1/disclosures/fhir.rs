//! Disclosures as FHIR AuditEvents, after the profile *Privacy Disclosure at Source* of IHE's Basic Audit Log Patterns (R4).

use axum::http::HeaderValue;
use axum::http::header::GetAll;
use bellwire_store::{Account, Disclosure, Page};
use serde_json::{Value, json};

/// The media type of FHIR in JSON.
pub(super) const MEDIA_TYPE: &str = "application/fhir+json";

const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
/// Of a network address: a URI, and the name of a machine.
const URI: &str = "5";
const MACHINE: &str = "1";

/// Whether a request asks for FHIR.
pub(super) fn is_asked_for(accept: &GetAll<'_, HeaderValue>) -> bool {
    let ranges = accept.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let mut types = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
    types.any(|media| media.eq_ignore_ascii_case(MEDIA_TYPE))
}

/// A Bundle of them. `link` says where the next page begins.
pub(super) fn bundle(account: &Account, subject: &str, page: &Page<Disclosure>) -> Value {
    let entries: Vec<Value> = page.items.iter().map(|found| json!({ "resource": event(account, subject, found) })).collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    if let (Some(next), Some(members)) = (&page.next, bundle.as_object_mut()) {
        members.insert("link".to_owned(), json!([{ "relation": "next", "url": format!("?after={next}") }]));
    }
    if page.items.is_empty()
        && let Some(members) = bundle.as_object_mut()
    {
        members.remove("entry"); // FHIR has no empty lists
    }
    bundle
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn event(account: &Account, subject: &str, found: &Disclosure) -> Value {
    let source = json!({ "display": format!("Bellwire, account {}", account.id) });
    // 8: it may not have arrived, and whoever sent it cannot tell.
    let (outcome, description) = match found.status {
        Some(status) => ("0", format!("answered {status}")),
        None => ("8", format!("sent, and not answered: {}", found.outcome)),
    };
    let fields = found.fields.as_ref().map_or_else(|| "all".to_owned(), |fields| fields.join(" "));
    let details = [
        ("event", found.event.clone()),
        ("contract", found.contract.clone()),
        ("fields", fields),
        ("sha256", hex::encode(&found.digest)),
    ];
    let details: Vec<Value> = details.into_iter().map(|(name, text)| json!({ "type": name, "valueString": text })).collect();
    json!({
        "resourceType": "AuditEvent",
        "id": format!("{}-{}", found.delivery.to_string().replace('_', "-"), found.attempt),
        "meta": { "profile": [PROFILE] },
        "type": coding(DICOM, "110106", "Export"),
        "subtype": [coding(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")],
        "action": "R",
        "recorded": found.at.to_string(),
        "outcome": outcome,
        "outcomeDesc": description,
        "agent": [
            {
                "type": { "coding": [coding(DICOM, "110153", "Source Role ID")] },
                "who": source,
                "requestor": true,
                "network": { "address": "bellwire", "type": MACHINE },
            },
            {
                "type": { "coding": [coding(DICOM, "110152", "Destination Role ID")] },
                "who": { "display": found.endpoint },
                "requestor": false,
                "network": { "address": found.url, "type": URI },
            },
        ],
        "source": { "observer": source, "type": [coding(SOURCE_TYPE, "4", "Application Server")] },
        "entity": [
            {
                "what": { "type": "Patient", "identifier": { "value": subject } },
                "type": coding(ENTITY_TYPE, "1", "Person"),
                "role": coding(ENTITY_ROLE, "1", "Patient"),
            },
            {
                "what": { "identifier": { "value": found.delivery.to_string() } },
                "type": coding(ENTITY_TYPE, "2", "System Object"),
                "role": coding(ENTITY_ROLE, "3", "Report"),
                "name": found.event_type,
                "detail": details,
            },
        ],
    })
}
