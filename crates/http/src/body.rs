//! JSON bodies. Each is declared once, with [`body!`](crate::body!): its type, its schema and its reader come from there.
//!
//! The reader is not derived, for three reasons: all faults are reported at once, with JSON pointers; unknown and repeated
//! fields are refused by name; and a field's value stays the raw text that was posted until more is needed.

mod declare;
mod fields;
mod members;
mod retention;
pub mod rules;
mod value;

pub use declare::{Body, name_of, object, with_field};
pub use fields::Fields;
pub use value::{Change, Field, InFlightMax, Posted, Value, payload_schema};

use bellwire_app::Fault;

use crate::problem::Problem;

/// Reads a body.
pub fn read<'a, B: Body<'a>>(bytes: &'a [u8]) -> Result<B, Problem> {
    whole(read_fields(Fields::read(bytes)?))
}

/// Reads an object that is already split into members. Returns it and its faults.
pub fn read_fields<'a, B: Body<'a>>(mut fields: Fields<'a>) -> (Option<B>, Vec<Fault>) {
    let body = B::read(&mut fields);
    (body, fields.end(B::NAMES))
}

/// The body, if it has no faults.
pub fn whole<B>((body, faults): (Option<B>, Vec<Fault>)) -> Result<B, Problem> {
    body.filter(|_| faults.is_empty()).ok_or_else(|| Problem::invalid(faults))
}

#[cfg(test)]
mod tests;
