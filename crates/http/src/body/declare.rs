//! The declaration of a body.

use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Type};

use super::fields::Fields;
use super::rules::Rule;
use super::value::Field;

/// A body that was declared with [`body!`].
pub trait Body<'a>: Sized {
    /// The names of its fields.
    const NAMES: &'static [&'static str];

    /// Takes its fields. `None`: `fields` has faults.
    fn read(fields: &mut Fields<'a>) -> Option<Self>;
}

/// Declares a body once: the struct, its OpenAPI schema and its reader. A field's type says what it may contain and whether it is
/// required ([`Field`]); its doc comment becomes the description in the schema. `as` names a [rule](super::rules) that the use-case
/// holds the value to.
#[macro_export]
macro_rules! body {
    ($(#[doc = $doc:literal])* $visibility:vis struct $name:ident<$life:lifetime> $fields:tt) => {
        $crate::body!(@declare [$($doc)*] [$visibility $name] [$life] [<$life>] $fields);
    };
    ($(#[doc = $doc:literal])* $visibility:vis struct $name:ident $fields:tt) => {
        $crate::body!(@declare [$($doc)*] [$visibility $name] ['body] [] $fields);
    };
    (@declare [$($doc:literal)*] [$visibility:vis $name:ident] [$life:lifetime] [$($generics:tt)*]
        { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty $(as $rule:ident)?,)+ }) => {
        $(#[doc = $doc])*
        $visibility struct $name $($generics)* {
            $($(#[doc = $field_doc])* $field: $type,)+
        }

        impl<$life> $crate::body::Body<$life> for $name $($generics)* {
            const NAMES: &'static [&'static str] = &[$($crate::body::name_of(stringify!($field))),+];

            fn read(fields: &mut $crate::body::Fields<$life>) -> Option<Self> {
                // Reads all fields before it gives up on any, so that all faults are found.
                $(let $field = $crate::body::Field::read(const { $crate::body::name_of(stringify!($field)) }, fields);)+
                Some(Self { $($field: $field?,)+ })
            }
        }

        impl<$life> utoipa::PartialSchema for $name $($generics)* {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let object = $crate::body::object(&[$($doc),*]);
                $(let object = $crate::body::with_field::<$type>(
                    object, stringify!($field), &[$($field_doc),*], $crate::body!(@rule $($rule)?));)+
                object.build().into()
            }
        }

        impl<$life> utoipa::ToSchema for $name $($generics)* {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
    (@rule) => { $crate::body::rules::anything };
    (@rule $rule:ident) => { $crate::body::rules::$rule };
}

/// The name of a field on the wire: `r#type` is `type` there.
pub const fn name_of(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// The schema of a body without fields; `doc` are the lines of its documentation.
pub fn object(doc: &[&str]) -> ObjectBuilder {
    let closed = AdditionalProperties::FreeForm(false);
    ObjectBuilder::new().schema_type(Type::Object).description(text(doc)).additional_properties(Some(closed))
}

/// Adds a field to the schema.
pub fn with_field<'a, F: Field<'a>>(object: ObjectBuilder, field: &'static str, doc: &[&str], rule: Rule) -> ObjectBuilder {
    let name = name_of(field);
    let mut schema = F::schema();
    rule(&mut schema);
    match &mut schema {
        Schema::Object(Object { description, .. }) => *description = text(doc),
        Schema::Array(array) => array.description = text(doc),
        Schema::OneOf(any) => any.description = text(doc),
        _ => {}
    }
    let object = object.property(name, schema);
    if F::REQUIRED { object.required(name) } else { object }
}

/// The lines of a documentation as one text.
fn text(doc: &[&str]) -> Option<String> {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
