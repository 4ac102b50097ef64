//! What a field must be beyond its type, as far as a schema can say it. The use-cases check it; the numbers are theirs.

use std::sync::LazyLock;

use bellwire_app::Limits;
use bellwire_domain::{EVENT_TYPE_LENGTH_MAX, ID_LENGTH_MAX, ReplayCase, Role, URL_LENGTH_MAX};
use utoipa::openapi::schema::{ArrayItems, Object, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

/// Adds what must hold to the schema of a type.
pub type Rule = fn(&mut Schema);

/// The limits that hold if the operator sets no others.
pub static LIMITS: LazyLock<Limits> = LazyLock::new(Limits::default);

/// Nothing.
pub fn anything(_: &mut Schema) {}

/// A name for people.
pub fn name(schema: &mut Schema) {
    length(schema, LIMITS.name_length_max);
    pattern(schema, r"\S");
}

/// Why somebody does something.
pub fn reason(schema: &mut Schema) {
    length(schema, LIMITS.reason_length_max);
    pattern(schema, r"\S");
}

/// An id.
pub fn id(schema: &mut Schema) {
    length(schema, ID_LENGTH_MAX);
    pattern(schema, r"^[A-Za-z0-9._:~@-]+$");
}

/// An event type.
pub fn event_type(schema: &mut Schema) {
    length(schema, EVENT_TYPE_LENGTH_MAX);
    pattern(schema, r"^[!-&(-+.-~-]+$");
}

/// Event types to choose.
pub fn event_types(schema: &mut Schema) {
    items(schema, 1, None, event_type);
}

/// Granted event types.
pub fn entitlements(schema: &mut Schema) {
    items(schema, 0, Some(LIMITS.entitlements_max), anything);
}

/// Whom an event is about.
pub fn subjects(schema: &mut Schema) {
    items(schema, 0, Some(LIMITS.subjects_max), |item| length(item, LIMITS.subject_length_max));
}

/// One of them.
pub fn subject(schema: &mut Schema) {
    length(schema, LIMITS.subject_length_max);
}

/// What became of events.
pub fn replay_cases(schema: &mut Schema) {
    items(schema, 1, None, |item| words(item, ReplayCase::WORDS));
}

/// The accounts of a publisher's key.
pub fn key_accounts(schema: &mut Schema) {
    items(schema, 0, Some(LIMITS.key_accounts_max), id);
}

/// What a key may do.
pub fn role(schema: &mut Schema) {
    words(schema, Role::WORDS);
}

/// Where deliveries go.
pub fn url(schema: &mut Schema) {
    length(schema, URL_LENGTH_MAX);
    pattern(schema, r"^[Hh][Tt][Tt][Pp][Ss]?://");
    if let Schema::Object(object) = schema {
        object.format = Some(SchemaFormat::Custom("uri".to_owned()));
    }
}

/// A span of time.
pub fn duration(schema: &mut Schema) {
    pattern(schema, r"^[0-9]+(ms|s|m|h|d)$");
}

/// A rate limit.
pub fn rate_limit(schema: &mut Schema) {
    pattern(schema, r"^0*([1-9][0-9]{0,5}|1000000)/[smh]$");
}

/// An endpoint's limit on requests in flight.
pub fn in_flight_max(schema: &mut Schema) {
    range(schema, 1, Some(LIMITS.endpoint_in_flight_max));
}

/// An endpoint's own headers.
pub fn headers(schema: &mut Schema) {
    if let Schema::Object(object) = schema {
        object.max_properties = Some(LIMITS.headers_max);
    }
}

/// A number from `min` to `max`.
pub fn range(schema: &mut Schema, min: u32, max: Option<u32>) {
    if let Schema::Object(object) = schema {
        object.minimum = Some(min.into());
        object.maximum = max.map(Into::into);
    }
}

/// An RFC 3339 instant.
pub fn instant(schema: &mut Schema) {
    if let Schema::Object(object) = schema {
        object.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
    }
}

/// From 1 to `length_max` characters.
pub fn length(schema: &mut Schema, length_max: usize) {
    if let Schema::Object(object) = schema {
        object.min_length = Some(1);
        object.max_length = Some(length_max);
    }
}

fn pattern(schema: &mut Schema, form: &str) {
    if let Schema::Object(object) = schema {
        object.pattern = Some(form.to_owned());
    }
}

/// One of these words.
pub fn words(schema: &mut Schema, words: &[&str]) {
    if let Schema::Object(object) = schema {
        let null = may_be_null(object).then_some(serde_json::Value::Null);
        object.enum_values = Some(words.iter().map(|word| (*word).into()).chain(null).collect());
    }
}

fn may_be_null(object: &Object) -> bool {
    matches!(&object.schema_type, SchemaType::Array(types) if types.contains(&Type::Null))
}

fn items(schema: &mut Schema, min: usize, max: Option<usize>, rule: Rule) {
    let Schema::Array(array) = schema else { return };
    array.min_items = (min > 0).then_some(min);
    array.max_items = max;
    if let ArrayItems::RefOrSchema(item) = &mut array.items
        && let RefOr::T(item) = &mut **item
    {
        rule(item);
    }
}
