//! How the parts of the language declare their keys.
//!
//! Each part has a `const` table of the keys that it reads. The reader checks a contract by that table, and `json_schema` is made
//! from it, so everything about a key is in one place: its name, whether it is required, what it holds and what it is for.

use serde_json::Value;

/// One key that a mapping may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySpec {
    pub(crate) name: &'static str,
    /// What to write when the key is missing; `None`: it may be left out.
    pub(crate) required: Option<&'static str>,
    pub(crate) shape: Shape,
    /// What it is for, in a line.
    pub(crate) about: &'static str,
}

/// What a key holds, as far as a JSON Schema can say it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Any value.
    Any,
    /// A value of one of these JSON types.
    Types(&'static [&'static str]),
    /// Text that fits a regular expression.
    Pattern(&'static str),
    /// An absolute URL.
    Url,
    /// A whole number.
    Whole { min: u32, max: Option<u32> },
    /// A number that may have a fraction.
    Number { min: u32, max: Option<u32> },
    /// One of a few words.
    Words(&'static [&'static str]),
    /// A mapping with these keys and no others.
    Keys(&'static [KeySpec]),
    /// A mapping with exactly one of these keys.
    OneKey(&'static [KeySpec]),
    /// A mapping with the keys of exactly one variant, and those that all variants have.
    Variants { of: fn() -> Vec<Variant>, common: &'static [KeySpec] },
    /// A mapping from free names to values of one shape.
    MapOf(&'static Shape),
    /// A list.
    List { of: &'static Shape, min: Option<usize>, max: Option<usize> },
    /// One value, or a list of such values.
    OneOrMany { of: &'static Shape, min: Option<usize> },
    /// One of several shapes.
    Either(&'static [Shape]),
    /// A shape with a name.
    Named(&'static Definition),
    /// A schema that a constant cannot hold.
    Computed(fn() -> Value),
}

/// A shape with a name, so that it is described once.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) shape: Shape,
    pub(crate) examples: &'static [&'static str],
}

/// One of several forms of a mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    /// The key by which the form is known.
    pub(crate) chosen_by: KeySpec,
    pub(crate) keys: &'static [KeySpec],
}

impl KeySpec {
    /// A key that may be left out.
    pub(crate) const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, required: None, shape, about }
    }

    /// A key that must be there; `help` says what to write.
    pub(crate) const fn required(name: &'static str, shape: Shape, about: &'static str, help: &'static str) -> Self {
        Self { name, required: Some(help), shape, about }
    }

    /// The same key where it must be there.
    pub(crate) const fn or_else(self, help: &'static str) -> Self {
        Self { required: Some(help), ..self }
    }
}

impl Shape {
    pub(crate) const TEXT: Self = Self::Types(&["string"]);
    pub(crate) const FLAG: Self = Self::Types(&["boolean"]);
    pub(crate) const MAP: Self = Self::Types(&["object"]);
    /// A name, which YAML may take for a number.
    pub(crate) const NAME: Self = Self::Types(&["string", "number"]);
    pub(crate) const SCALAR: Self = Self::Types(&["string", "number", "boolean"]);
    pub(crate) const DURATION: Self = Self::Named(&DURATION);
    /// A value that follows from what an endpoint has chosen.
    pub(crate) const CHOSEN: Self = Self::Pattern(r"\{\{.*endpoint\.options");
    pub(crate) const CHOSEN_DURATION: Self = Self::Either(&[Self::DURATION, Self::CHOSEN]);
}

/// Spans of time.
const DURATION: Definition = Definition {
    name: "duration",
    about: "A whole number and a unit.",
    shape: Shape::Pattern("^[0-9]+(ms|s|m|h|d)$"),
    examples: &["200ms", "5s", "1m", "2h", "3d"],
};

/// The names of keys, in order.
pub(crate) fn names(keys: &[KeySpec]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The keys of all variants, each once: first those that choose one, last those that all have.
pub(crate) fn union(variants: &[Variant], common: &'static [KeySpec]) -> Vec<KeySpec> {
    let mut union: Vec<KeySpec> = variants.iter().map(|variant| variant.chosen_by).collect();
    for key in variants.iter().flat_map(|variant| variant.keys).chain(common) {
        if !union.iter().any(|known| known.name == key.name) {
            union.push(*key);
        }
    }
    union
}
