//! Publishing events: the hot path. One event costs a lookup in the account cache (done by the authorisation), one in the
//! catalogue, a digest, and passing the posted bytes to the store.

use std::borrow::Cow;
use std::sync::Arc;

use bellwire_contract::{Contract, EventDefinition};
use bellwire_domain::{AuditAction, EndpointId, EventId, EventType, IdFormat, InvalidEventType, Timestamp, unseen_reason};
use bellwire_store::{Account, EventReceipt, NewEvent, PublishError, StoreError};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::endpoint_rules::{ANY, entitled};
use crate::error::no_faults;
use crate::{AccountAccess, App, AppError, Conflict, Fault, Limits, Resource};

/// An event as posted.
#[derive(Debug, Clone)]
pub struct EventInput<'a> {
    /// Its place in the body, as a JSON pointer; empty for a single event.
    pub pointer: String,
    /// Its type.
    pub event_type: Cow<'a, str>,
    /// The posted bytes of its data: valid JSON. They may be a slice of a larger buffer, which they keep in memory.
    pub data: Bytes,
    /// The id that the publisher chose.
    pub id: Option<Cow<'a, str>>,
    /// When it happened; left out: now.
    pub occurred_at: Option<Timestamp>,
    /// Whom it is about.
    pub subjects: Vec<String>,
    /// If the event exists, send it again.
    pub redeliver: bool,
}

/// How often to decide again because the account has changed before the commit. Then the caller is asked to retry.
pub(crate) const DECISIONS_MAX: usize = 5;

impl App {
    /// Publishes events of one account, all or none.
    pub async fn publish(&self, access: &AccountAccess, inputs: &[EventInput<'_>]) -> Result<Vec<EventReceipt>, AppError> {
        let max = self.limits().batch_events_max;
        if inputs.len() > max {
            return Err(AppError::TooLarge(Fault::new("/events", format!("a request has at most {max} events"))));
        }
        let conflict = |index: usize| inputs.get(index).map(|input| (format!("{}/id", input.pointer), input.id.as_deref()));
        let decide = |account: &Account, contract: &Contract| self.check_events(account, contract, inputs);
        let receipts = self.decide_and_commit(access, decide).await.map_err(|error| match error {
            PublishFailure::App(error) => error,
            PublishFailure::AccountChanged => AppError::from(StoreError::Busy),
            PublishFailure::Conflict(index) => {
                let (pointer, id) = conflict(index).unwrap_or_default();
                Conflict::EventExists { pointer, id: id.unwrap_or_default().to_owned() }.into()
            }
        })?;
        self.count_published(&access.by, AuditAction::EventsPublished, &access.account.id, receipts.len());
        Ok(receipts)
    }

    /// Publishes a test event to one endpoint: the contract's, or the one that is given.
    pub(crate) async fn publish_test(
        &self,
        access: &AccountAccess,
        endpoint: EndpointId,
        input: Option<&EventInput<'_>>,
    ) -> Result<EventReceipt, AppError> {
        let to_endpoint = |event| NewEvent { is_test: true, only_endpoint: Some(endpoint.clone()), ..event };
        let decide = |account: &Account, contract: &Contract| {
            if let Some(input) = input {
                let events = self.check_events(account, contract, std::slice::from_ref(input))?;
                return Ok(events.into_iter().map(to_endpoint).collect());
            }
            let test = contract.test_event().ok_or(Conflict::NoTestEvent)?;
            let now = self.clock().now();
            let data = Bytes::copy_from_slice(test.data.get().as_bytes());
            let event = NewEvent {
                id: self.draw_event_id(&contract.ids().event, now)?,
                id_chosen: false,
                event_type: test.event_type.clone(),
                occurred_at: now,
                fingerprint: fingerprint(test.event_type.as_str(), &data, None, &[]),
                data,
                subjects: Vec::new(),
                redeliver: false,
                is_test: true,
                only_endpoint: None,
                wanted: None,
                order: None,
            };
            Ok(vec![to_endpoint(event)])
        };
        let receipts = self.decide_and_commit(access, decide).await.map_err(|error| match error {
            PublishFailure::App(error) => error,
            PublishFailure::Conflict(_) | PublishFailure::AccountChanged => StoreError::Busy.into(),
        })?;
        receipts.into_iter().next().ok_or_else(|| StoreError::Busy.into())
    }

    /// Decides by the current account, and commits. If the account has changed in between, decides again.
    async fn decide_and_commit(
        &self,
        access: &AccountAccess,
        decide: impl Fn(&Account, &Contract) -> Result<Vec<NewEvent>, AppError>,
    ) -> Result<Vec<EventReceipt>, PublishFailure> {
        let mut account = Arc::clone(&access.account);
        for _ in 0..DECISIONS_MAX {
            let contract = self.contract(&account)?;
            let mut events = decide(&account, &contract)?;
            self.filter_events(&account, &contract, &mut events).await?;
            let traced = self.trace().map(|traced| (traced, types(&events)));
            match self.records().commit_events(&account, events).await {
                Ok(receipts) => {
                    count_accepted(contract.name(), &receipts);
                    if let Some((traced, types)) = traced {
                        traced.published(&account, self.clock().now(), receipts.iter().zip(&types));
                    }
                    return Ok(receipts);
                }
                Err(PublishError::AccountChanged) => {}
                Err(error) => return Err(error.into()),
            }
            let found = self.find_account(&account.id).await.map_err(AppError::from)?;
            account = found.ok_or(AppError::NotFound(Resource::Account))?;
        }
        Err(PublishFailure::AccountChanged)
    }

    fn check_events(&self, account: &Account, contract: &Contract, inputs: &[EventInput<'_>]) -> Result<Vec<NewEvent>, AppError> {
        let mut faults = Vec::new();
        let mut events = Vec::with_capacity(inputs.len());
        for input in inputs {
            check_size(input, self.limits())?;
            if let Some(definition) = check_event(account, contract, input, self.limits(), &mut faults) {
                events.push(self.new_event(contract, definition, input)?);
            }
        }
        no_faults(faults)?;
        Ok(events)
    }

    fn new_event(&self, contract: &Contract, definition: &EventDefinition, input: &EventInput<'_>) -> Result<NewEvent, AppError> {
        let now = self.clock().now();
        let id = match input.id.as_deref() {
            Some(id) => {
                EventId::try_new(id).map_err(|error| AppError::invalid(format!("{}/id", input.pointer), error.to_string()))?
            }
            None => self.draw_event_id(&contract.ids().event, now)?,
        };
        let event_type = event_type(definition, input)?;
        Ok(NewEvent {
            id,
            id_chosen: input.id.is_some(),
            occurred_at: input.occurred_at.unwrap_or(now),
            fingerprint: fingerprint(event_type.as_str(), &input.data, input.occurred_at, &input.subjects),
            event_type,
            data: input.data.clone(),
            subjects: input.subjects.clone(),
            redeliver: input.redeliver,
            is_test: false,
            only_endpoint: None,
            wanted: None,
            order: None,
        })
    }

    pub(crate) fn draw_event_id(&self, format: &IdFormat, now: Timestamp) -> Result<EventId, AppError> {
        EventId::try_new(&format.draw(now, self.entropy().bytes())).map_err(|error| AppError::invalid("", error.to_string()))
    }
}

fn types(events: &[NewEvent]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type.clone()).collect()
}

/// The type from the catalogue, or the publisher's, if the definition stands for any type.
fn event_type(definition: &EventDefinition, input: &EventInput<'_>) -> Result<EventType, AppError> {
    if definition.event_type.as_str() != ANY {
        return Ok(definition.event_type.clone());
    }
    let wrong = |error: InvalidEventType| AppError::invalid(format!("{}/type", input.pointer), error.to_string());
    EventType::try_new(&input.event_type).map_err(wrong)
}

/// Why nothing was published.
pub(crate) enum PublishFailure {
    App(AppError),
    /// The event at this index has the id of another event.
    Conflict(usize),
    /// The account has changed since the decision.
    AccountChanged,
}

impl From<PublishError> for PublishFailure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::AccountChanged => Self::AccountChanged,
            PublishError::AccountNotFound => Self::App(AppError::NotFound(Resource::Account)),
            PublishError::BacklogFull { pending } => {
                metrics::counter!("bellwire_backlog_refused_total").increment(1);
                Self::App(AppError::BacklogFull { pending })
            }
            PublishError::Conflict { index } => Self::Conflict(index),
            PublishError::DataRemoved { .. } => Self::App(Conflict::DataRemoved.into()),
            PublishError::Store(error) => Self::App(error.into()),
        }
    }
}

impl From<AppError> for PublishFailure {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

fn check_size(input: &EventInput<'_>, limits: &Limits) -> Result<(), AppError> {
    let max = limits.data_bytes_max;
    if input.data.len() > max {
        let detail = format!("the data of an event has at most {max} bytes, and here are {}", input.data.len());
        return Err(AppError::TooLarge(Fault::new(format!("{}/data", input.pointer), detail)));
    }
    Ok(())
}

/// The event's definition, if the contract and the account allow it; otherwise `faults` say why.
fn check_event<'c>(
    account: &Account,
    contract: &'c Contract,
    input: &EventInput<'_>,
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Option<&'c EventDefinition> {
    let at = |place: &str| format!("{}{place}", input.pointer);
    let before = faults.len();
    if let Some(Err(error)) = input.id.as_deref().map(EventId::try_new) {
        faults.push(Fault::new(at("/id"), error.to_string()));
    }
    check_subjects(input, limits, faults);
    let Some(definition) = contract.event(&input.event_type).filter(|_| input.event_type != ANY) else {
        faults.push(Fault::new(at("/type"), contract.no_such_event(&input.event_type)));
        return None;
    };
    if !entitled(account, definition) {
        faults.push(Fault::new(at("/type"), format!("the account is not entitled to `{}`", input.event_type)));
    }
    if !is_nested_at_most(limits.data_depth_max, &input.data) {
        faults.push(Fault::new(at("/data"), format!("data is nested at most {} levels deep", limits.data_depth_max)));
    } else if let Err(errors) = contract.check_data(definition, &input.data) {
        faults.extend(errors.into_iter().map(|error| Fault::new(format!("{}{}", at("/data"), error.pointer), error.message)));
    }
    (faults.len() == before).then_some(definition)
}

fn check_subjects(input: &EventInput<'_>, limits: &Limits, faults: &mut Vec<Fault>) {
    if input.subjects.len() > limits.subjects_max {
        let detail = format!("an event has at most {} subjects", limits.subjects_max);
        faults.push(Fault::new(format!("{}/subjects", input.pointer), detail));
    }
    for (index, subject) in input.subjects.iter().enumerate() {
        if let Some(detail) = subject_reason(subject, limits) {
            faults.push(Fault::new(format!("{}/subjects/{index}", input.pointer), detail));
        }
    }
}

/// Why nothing may be about this subject; `None`: it may.
pub(crate) fn subject_reason(subject: &str, limits: &Limits) -> Option<String> {
    subject_length_reason(subject, limits).or_else(|| unseen_reason("subject", subject))
}

/// Why a subject has the wrong length, if it has.
pub(crate) fn subject_length_reason(subject: &str, limits: &Limits) -> Option<String> {
    let max = limits.subject_length_max;
    let is_wrong = subject.is_empty() || subject.chars().count() > max;
    is_wrong.then(|| format!("a subject has 1 to {max} characters"))
}

/// Whether `json`, which is valid, is nested at most `max` deep.
pub(crate) fn is_nested_at_most(max: usize, json: &[u8]) -> bool {
    // Most data has fewer brackets than that, and counting them is quick.
    memchr::memchr2_iter(b'{', b'[', json).take(max.saturating_add(1)).count() <= max || depth(json) <= max
}

/// Bytes scanned together.
const STEP: usize = 8;

/// How deep `json`, which is valid, is nested.
fn depth(json: &[u8]) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for bytes in json.chunks(STEP) {
        // Most bytes are text: without brackets and escapes, only quotes count.
        let is_text =
            !escaped && bytes.iter().map(|byte| u8::from(matches!(byte, b'{' | b'[' | b'}' | b']' | b'\\'))).sum::<u8>() == 0;
        if is_text {
            let quotes = bytes.iter().map(|byte| u8::from(*byte == b'"')).sum::<u8>();
            in_string ^= quotes % 2 == 1;
            continue;
        }
        for byte in bytes {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_string,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    open += 1;
                    deepest = deepest.max(open);
                }
                b'}' | b']' if !in_string => open = open.saturating_sub(1),
                _ => {}
            }
        }
    }
    deepest
}

/// A digest of what the publisher sent. Each part is preceded by its length, so that no two events share a digest.
pub(crate) fn fingerprint(event_type: &str, data: &[u8], occurred_at: Option<Timestamp>, subjects: &[String]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(bytes);
    };
    part(event_type.as_bytes());
    part(data);
    match occurred_at {
        Some(at) => part(&at.as_micros().to_be_bytes()),
        None => part(&[]),
    }
    for subject in subjects {
        part(subject.as_bytes());
    }
    digest.finalize().into()
}

pub(crate) fn count_accepted<'r>(contract: &str, receipts: impl IntoIterator<Item = &'r EventReceipt>) {
    let created = receipts.into_iter().filter(|receipt| receipt.created).count();
    let created = u64::try_from(created).unwrap_or(u64::MAX);
    metrics::counter!("bellwire_events_accepted_total", "contract" => contract.to_owned()).increment(created);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_every_part_apart() {
        let at = Some(Timestamp::from_micros(1));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let all = [
            fingerprint("a", b"1", None, &[]),
            fingerprint("a1", b"", None, &[]),
            fingerprint("b", b"1", None, &[]),
            fingerprint("a", b"1.0", None, &[]),
            fingerprint("a", b"1", at, &[]),
            fingerprint("a", b"1", None, &words(&["x"])),
            fingerprint("a", b"1", None, &words(&["x", "y"])),
            fingerprint("a", b"1", None, &words(&["xy"])),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(fingerprint("a", b"1", at, &words(&["x"])), fingerprint("a", b"1", at, &words(&["x"])));
    }

    #[test]
    fn depth_counts_what_is_open_and_no_brackets_in_strings() {
        let long = r#"{"text":"no bracket for a while","and":["a \"quoted\" one: [", "\\", {"\\\"":1}]}"#;
        let table = [("1", 0), ("{}", 1), ("[[],[[]]]", 3), (r#"{"a":"[[[\"[","b":[1]}"#, 2), (r#"["\\",[]]"#, 2), (long, 3)];
        for (json, expected) in table {
            for before in 0..2 * STEP {
                let json = format!("{}{json}", " ".repeat(before));
                assert_eq!(depth(json.as_bytes()), expected, "{json}");
            }
        }
    }
}
