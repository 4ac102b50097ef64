//! What a field's value may be: how it is read, and its schema.

use std::borrow::Cow;

use bellwire_app::PayloadInput;
use bellwire_domain::{PAYLOAD_FIELDS_MAX, POINTER_LENGTH_MAX, PayloadLevel, Secret, Timestamp, escape_pointer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Schema, SchemaFormat};

use super::fields::Fields;
use super::members::Members;

/// A kind of value.
pub trait Value<'a>: Sized {
    /// Its schema.
    fn schema() -> Schema;

    /// Reads it from the member `name`. `None`: it does not fit, and `fields` has the fault.
    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self>;
}

/// A field of a body: a value that must be there, or one that may be left out.
pub trait Field<'a>: Sized {
    /// Whether leaving it out is a fault.
    const REQUIRED: bool;

    /// Its schema.
    fn schema() -> Schema;

    /// Reads the member `name`. `None`: there is a fault.
    fn read(name: &str, fields: &mut Fields<'a>) -> Option<Self>;
}

impl<'a, T: Value<'a>> Field<'a> for T {
    const REQUIRED: bool = true;

    fn schema() -> Schema {
        T::schema()
    }

    fn read(name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        match not_null(name, fields) {
            Some(value) => T::read(value, name, fields),
            None => missing(name, fields),
        }
    }
}

/// For these, `null` means the same as leaving the field out.
impl<'a, T: Value<'a>> Field<'a> for Option<T> {
    const REQUIRED: bool = false;

    fn schema() -> Schema {
        nullable(T::schema())
    }

    fn read(name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        match not_null(name, fields) {
            Some(value) => T::read(value, name, fields).map(Some),
            None => Some(None),
        }
    }
}

/// Any JSON, as posted.
impl<'a> Field<'a> for &'a RawValue {
    const REQUIRED: bool = true;

    fn schema() -> Schema {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }

    fn read(name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        fields.take(name).or_else(|| missing(name, fields))
    }
}

/// Any JSON but null, as posted, where it may be left out.
pub struct Posted<'a>(pub &'a RawValue);

impl<'a> Value<'a> for Posted<'a> {
    fn schema() -> Schema {
        <&RawValue as Field<'_>>::schema()
    }

    fn read(value: &'a RawValue, _name: &str, _fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self(value))
    }
}

/// What a body says about something that can be removed: nothing (keep it), `null` (remove it) or a value.
pub enum Change<T> {
    /// It stays as it is.
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    To(T),
}

impl<T> Change<T> {
    /// For the use-cases.
    pub fn into_option(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Remove => Some(None),
            Self::To(value) => Some(Some(value)),
        }
    }
}

impl<'a, T: Value<'a>> Field<'a> for Change<T> {
    const REQUIRED: bool = false;

    fn schema() -> Schema {
        nullable(T::schema())
    }

    fn read(name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        match fields.take(name) {
            None => Some(Self::Keep),
            Some(value) if value.get() == "null" => Some(Self::Remove),
            Some(value) => T::read(value, name, fields).map(Self::To),
        }
    }
}

fn not_null<'a>(name: &str, fields: &mut Fields<'a>) -> Option<&'a RawValue> {
    fields.take(name).filter(|value| value.get() != "null")
}

fn missing<T>(name: &str, fields: &mut Fields<'_>) -> Option<T> {
    fields.fault(name, "missing");
    None
}

fn nullable(schema: Schema) -> Schema {
    let or_null = |schema_type: SchemaType| match schema_type {
        SchemaType::Type(one) => SchemaType::from_iter([one, Type::Null]),
        SchemaType::Array(_) | SchemaType::AnyValue => schema_type,
    };
    match schema {
        Schema::Object(mut object) => {
            object.schema_type = or_null(object.schema_type);
            object.into()
        }
        Schema::Array(mut array) => {
            array.schema_type = or_null(array.schema_type);
            array.into()
        }
        Schema::OneOf(mut any) => {
            any.items.push(Schema::from(of_type(Type::Null)).into());
            any.into()
        }
        other => other,
    }
}

fn of_type(schema_type: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(schema_type)
}

/// Adds the fault and returns `None`.
fn unfit<T>(fields: &mut Fields<'_>, name: &str, detail: impl Into<String>) -> Option<T> {
    fields.fault(name, detail);
    None
}

impl<'a> Value<'a> for Cow<'a, str> {
    fn schema() -> Schema {
        of_type(Type::String).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        string(value).or_else(|| unfit(fields, name, "must be a string"))
    }
}

impl<'a> Value<'a> for String {
    fn schema() -> Schema {
        <Cow<'a, str> as Value<'a>>::schema()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        <Cow<'a, str> as Value<'a>>::read(value, name, fields).map(Cow::into_owned)
    }
}

impl<'a> Value<'a> for Secret<String> {
    fn schema() -> Schema {
        <String as Value<'a>>::schema()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        <String as Value<'a>>::read(value, name, fields).map(Secret::new)
    }
}

impl<'a> Value<'a> for bool {
    fn schema() -> Schema {
        of_type(Type::Boolean).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        match value.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => unfit(fields, name, "must be true or false"),
        }
    }
}

/// What an endpoint chooses. The contract decides which names and values are valid.
impl<'a> Value<'a> for serde_json::Map<String, serde_json::Value> {
    fn schema() -> Schema {
        let any = AdditionalProperties::FreeForm(true);
        of_type(Type::Object).additional_properties(Some(any)).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        serde_json::from_str(value.get()).ok().or_else(|| unfit(fields, name, "must be an object"))
    }
}

/// A limit on requests in flight. The use-cases decide which numbers are valid.
pub struct InFlightMax(pub i64);

impl<'a> Value<'a> for InFlightMax {
    fn schema() -> Schema {
        let format = SchemaFormat::KnownFormat(KnownFormat::Int32);
        of_type(Type::Integer).format(Some(format)).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        value.get().parse().ok().map(Self).or_else(|| unfit(fields, name, "must be a whole number"))
    }
}

/// An RFC 3339 instant.
impl<'a> Value<'a> for Timestamp {
    fn schema() -> Schema {
        of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        let text = <Cow<'a, str> as Value<'a>>::read(value, name, fields)?;
        Self::parse_rfc3339(&text).map_err(|error| fields.fault(name, error.to_string())).ok()
    }
}

/// A list of strings.
impl<'a> Value<'a> for Vec<String> {
    fn schema() -> Schema {
        ArrayBuilder::new().items(of_type(Type::String)).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            return unfit(fields, name, "must be a list of strings");
        };
        let mut texts = Self::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match string(item) {
                Some(text) => texts.push(text.into_owned()),
                None => fields.fault(&format!("{name}/{index}"), "must be a string"),
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }
}

/// How much an endpoint is sent: a word, or a list of fields.
impl<'a> Value<'a> for PayloadInput {
    fn schema() -> Schema {
        let words = [PayloadLevel::Full, PayloadLevel::Ids].map(PayloadLevel::as_str);
        let pointer = of_type(Type::String).pattern(Some("^/")).max_length(Some(POINTER_LENGTH_MAX));
        let fields = ArrayBuilder::new().items(pointer).min_items(Some(1)).max_items(Some(PAYLOAD_FIELDS_MAX));
        OneOfBuilder::new().item(of_type(Type::String).enum_values(Some(words))).item(fields).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        if let Some(word) = string(value) {
            return Some(Self::Word(word.into_owned()));
        }
        if !value.get().starts_with('[') {
            return unfit(fields, name, "must be `full`, `ids` or a list of JSON pointers");
        }
        <Vec<String> as Value<'a>>::read(value, name, fields).map(Self::Fields)
    }
}

/// How much an endpoint is sent, in an answer.
pub fn payload_schema() -> Schema {
    nullable(<PayloadInput as Value<'_>>::schema())
}

/// An object with strings as values, in its order.
impl<'a> Value<'a> for Vec<(String, String)> {
    fn schema() -> Schema {
        let text = || Schema::from(of_type(Type::String));
        let values = AdditionalProperties::RefOr(text().into());
        of_type(Type::Object).property_names(Some(text())).additional_properties(Some(values)).into()
    }

    fn read(value: &'a RawValue, name: &str, fields: &mut Fields<'a>) -> Option<Self> {
        let Ok(Members(members)) = serde_json::from_str::<Members<'a>>(value.get()) else {
            return unfit(fields, name, "must be an object with strings as values");
        };
        let (mut texts, count) = (Self::with_capacity(members.len()), members.len());
        for (key, value) in members {
            match string(value) {
                Some(text) => texts.push((key.into_owned(), text.into_owned())),
                None => fields.fault(&format!("{name}/{}", escape_pointer(&key)), "must be a string"),
            }
        }
        (texts.len() == count).then_some(texts)
    }
}

/// The text of a raw string, borrowed if it has no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}
