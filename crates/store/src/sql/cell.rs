//! Which Rust types a column may hold, and how they look there.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use bellwire_domain::{
    AccountId, BulkRetryId, ClientId, DeliveryId, DeliveryState, EndpointId, ErasureId, ErasureState, EventFilter, EventId,
    EventType, HealthStatus, IncidentId, KeyId, OutcomeKind, PayloadChoice, Pointer, RateLimit, ReplayCase, ReplayId,
    ReplayState, ResourceId, Role, Timestamp,
};
use rusqlite::types::Value;

use super::param::Kind;

/// A type that can be bound to a column.
pub(crate) trait Bind {
    /// What the column holds.
    const KIND: Kind;
}

/// A type that can be read from a column. `None`: the cell holds something else.
pub(crate) trait Cell<'r>: Sized {
    /// The value in the cell.
    fn read(cell: &'r Value) -> Option<Self>;
}

impl<T: Bind> Bind for Option<T> {
    const KIND: Kind = T::KIND;
}

impl<'r, T: Cell<'r>> Cell<'r> for Option<T> {
    fn read(cell: &'r Value) -> Option<Self> {
        if *cell == Value::Null { Some(None) } else { T::read(cell).map(Some) }
    }
}

macro_rules! binds {
    ($kind:ident: $($type:ty),+ $(,)?) => { $(impl Bind for $type { const KIND: Kind = Kind::$kind; })+ };
}
binds!(Int: i64, u32, u16, bool, DeliveryId, Timestamp);
binds!(Text: &str);
binds!(Bytes: &[u8]);

fn int(cell: &Value) -> Option<i64> {
    if let Value::Integer(value) = cell { Some(*value) } else { None }
}

fn text(cell: &Value) -> Option<&str> {
    if let Value::Text(value) = cell { Some(value) } else { None }
}

fn bytes(cell: &Value) -> Option<&[u8]> {
    if let Value::Blob(value) = cell { Some(value) } else { None }
}

/// A cell, read as its form and then made into the type.
macro_rules! cells {
    ($($type:ty = |$form:ident| $make:expr;)+) => {
        $(impl<'r> Cell<'r> for $type {
            fn read(cell: &'r Value) -> Option<Self> {
                let $form = $form(cell)?;
                $make
            }
        })+
    };
}
cells! {
    i64 = |int| Some(int);
    u64 = |int| u64::try_from(int).ok();
    u32 = |int| u32::try_from(int).ok();
    u16 = |int| u16::try_from(int).ok();
    usize = |int| usize::try_from(int).ok();
    bool = |int| Some(int != 0);
    Timestamp = |int| Some(Timestamp::from_micros(int));
    DeliveryId = |int| DeliveryId::from_number(int);
    Duration = |int| u64::try_from(int).ok().map(Duration::from_micros);
    String = |text| Some(text.to_owned());
    &'r str = |text| Some(text);
    EventType = |text| EventType::try_new(text).ok();
    Vec<u8> = |bytes| Some(bytes.to_vec());
    &'r [u8] = |bytes| Some(bytes);
    [u8; 32] = |bytes| bytes.try_into().ok();
}

/// A text with a form of its own: an id, or one of an enum's words.
macro_rules! parsed {
    ($($type:ty),+ $(,)?) => { $(cells! { $type = |text| <$type>::from_str(text).ok(); })+ };
}
parsed!(AccountId, BulkRetryId, ClientId, EndpointId, ErasureId, EventId, IncidentId, KeyId, ReplayId, ResourceId);
parsed!(DeliveryState, ErasureState, HealthStatus, OutcomeKind, ReplayState, Role, RateLimit);

/// A list of texts, which a column holds as JSON.
fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

cells! {
    Vec<String> = |text| list(text);
    BTreeSet<String> = |text| list(text).map(|texts| texts.into_iter().collect());
    BTreeSet<ReplayCase> = |text| list(text)?.iter().map(|word| ReplayCase::parse(word)).collect();
}

/// NULL stands for every type, also those that a contract gains later.
impl Cell<'_> for EventFilter {
    fn read(cell: &Value) -> Option<Self> {
        if *cell == Value::Null {
            return Some(Self::All);
        }
        list(text(cell)?)?.iter().map(|word| EventType::try_new(word).ok()).collect::<Option<_>>().map(Self::Only)
    }
}

/// A word, or fields as a list.
impl Cell<'_> for PayloadChoice {
    fn read(cell: &Value) -> Option<Self> {
        let text = text(cell)?;
        let fields = || list(text)?.iter().map(|field| Pointer::try_new(field).ok()).collect::<Option<_>>().map(Self::Fields);
        Self::in_word(text).or_else(fields)
    }
}

/// How much an endpoint is sent as its column holds it.
pub(crate) fn write_payload(choice: &PayloadChoice) -> String {
    match choice {
        PayloadChoice::Full | PayloadChoice::Ids => choice.level().to_string(),
        PayloadChoice::Fields(fields) => write_list(fields.iter().map(Pointer::as_str)),
    }
}

/// A list of texts as a column holds it.
pub(crate) fn write_list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.collect::<serde_json::Value>().to_string()
}

/// An endpoint's choice of events as its column holds it.
pub(crate) fn write_filter(filter: &EventFilter) -> Option<String> {
    match filter {
        EventFilter::All => None,
        EventFilter::Only(types) => Some(write_list(types.iter().map(EventType::as_str))),
    }
}
