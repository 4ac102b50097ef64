//! Which events a message stands for. What programs see is a field of the body, where there is one with fixed values.

use std::collections::HashSet;
use std::rc::Rc;

use bellwire_domain::EventType;

use super::document::{Content, Node};

/// The fields that hold an event's type in most bodies.
const TYPE_FIELDS: [&str; 6] = ["type", "event", "event_type", "eventType", "event_name", "topic"];

/// The most events that one message stands for. A field with more values is not one that names events.
const TYPES_MAX: usize = 100;

/// An event that a schema describes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typed {
    pub(super) event_type: String,
    /// The field that holds it.
    pub(super) field: &'static str,
    /// The branch of the schema that describes it, if the schema has branches.
    pub(super) schema: Rc<Node>,
}

/// The events that a schema fixes the types of, in its order; none if it fixes none.
pub(super) fn fixed(schema: &Node) -> Vec<Typed> {
    let defs = schema.get("$defs");
    for key in ["oneOf", "anyOf"] {
        let branches = schema.get(key).map_or(&[][..], Node::items);
        // A branch stands alone only where nothing stands beside the branches.
        let is_all = schema
            .members()
            .iter()
            .all(|(name, _)| name == key || ["$defs", "title", "description", "examples", "type"].contains(&name.as_str()));
        if branches.is_empty() || branches.len() > TYPES_MAX || !is_all {
            continue;
        }
        let mut found = Vec::new();
        for branch in branches {
            let described = Rc::new(inlined(branch, defs));
            match types(&described, defs) {
                Some((field, names)) => {
                    found.extend(names.into_iter().map(|event_type| Typed { event_type, field, schema: Rc::clone(&described) }));
                }
                None => return Vec::new(),
            }
        }
        return found;
    }
    let Some((field, names)) = types(schema, defs) else { return Vec::new() };
    let schema = Rc::new(schema.clone());
    names.into_iter().map(|event_type| Typed { event_type, field, schema: Rc::clone(&schema) }).collect()
}

/// The branch itself, or what it refers to, with the definitions that it needs.
fn inlined(branch: &Node, defs: Option<&Node>) -> Node {
    let mut branch = referred(branch, defs).clone();
    let mut needed = HashSet::new();
    let mut waiting = vec![&branch];
    while let Some(node) = waiting.pop() {
        for reference in references(node) {
            if let Some(name) = reference.strip_prefix("#/$defs/")
                && let Some(definition) = defs.and_then(|defs| defs.get(name))
                && needed.insert(name.to_owned())
            {
                waiting.push(definition);
            }
        }
    }
    let kept = defs.map_or(&[][..], Node::members).iter().filter(|(name, _)| needed.contains(name)).cloned();
    let kept: Vec<_> = kept.collect();
    if let (Content::Map(members), false) = (&mut branch.content, kept.is_empty()) {
        members.push(("$defs".to_owned(), Node::made(Content::Map(kept))));
    }
    branch
}

/// Every reference inside of a schema.
fn references(schema: &Node) -> Vec<&str> {
    let own = schema.text_of("$ref");
    let inside = schema.items().iter().chain(schema.members().iter().map(|(_, value)| value));
    own.into_iter().chain(inside.flat_map(references)).collect()
}

fn referred<'s>(schema: &'s Node, defs: Option<&'s Node>) -> &'s Node {
    let name = schema.text_of("$ref").and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.and_then(|name| defs?.get(name)).unwrap_or(schema)
}

/// The field that holds the type, and its values.
fn types(schema: &Node, defs: Option<&Node>) -> Option<(&'static str, Vec<String>)> {
    let parts = || std::iter::once(schema).chain(schema.get("allOf").map_or(&[][..], Node::items));
    TYPE_FIELDS.iter().find_map(|field| {
        parts().find_map(|part| {
            let property = referred(referred(part, defs).get("properties")?.get(field)?, defs);
            let values = match property.get("const") {
                Some(only) => std::slice::from_ref(only),
                None => property.get("enum")?.items(),
            };
            let names: Option<Vec<_>> = values.iter().map(|value| value.text().map(ToOwned::to_owned)).collect();
            let names = names.filter(|names| {
                (1..=TYPES_MAX).contains(&names.len()) && names.iter().all(|name| EventType::try_new(name).is_ok())
            })?;
            Some((*field, names))
        })
    })
}

/// A name as a type that an event can have: what a type cannot hold becomes `-`.
pub(super) fn as_type(name: &str) -> String {
    const LENGTH_MAX: usize = 200;
    let allowed = |character: char| character.is_ascii_graphic() && !matches!(character, ',' | '"' | '\'');
    let mut out: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).take(LENGTH_MAX).collect();
    // `*` would stand for all events.
    if out.is_empty() || out == "*" {
        "event".clone_into(&mut out);
    }
    out
}

/// An example with the type in its field, if it has the field.
pub(super) fn with_type(example: &Node, field: &str, event_type: &str) -> Node {
    let mut example = example.clone();
    if let Content::Map(members) = &mut example.content
        && let Some((_, value)) = members.iter_mut().find(|(name, _)| name == field)
    {
        *value = Node::text_made(event_type);
    }
    example
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    fn names(schema: &str) -> Vec<String> {
        fixed(&document::read(schema).unwrap()).into_iter().map(|typed| typed.event_type).collect()
    }

    #[test]
    fn types_stand_in_the_body() {
        for (schema, expected) in [
            ("{ properties: { type: { const: a.b } } }", &["a.b"][..]),
            ("{ properties: { event: { enum: [a, b] } } }", &["a", "b"][..]),
            ("{ properties: { type: { type: string } } }", &[][..]),
            ("{ properties: { type: { const: 1 } } }", &[][..]),
            ("{ properties: { type: { const: 'a b' } } }", &[][..]),
            ("{ allOf: [{ $ref: '#/$defs/A' }], $defs: { A: { properties: { type: { const: a } } } } }", &["a"][..]),
            (
                "{ oneOf: [{ $ref: '#/$defs/A' }, { properties: { type: { $ref: '#/$defs/T' } } }], \
                 $defs: { A: { properties: { type: { const: a } } }, T: { const: t } } }",
                &["a", "t"][..],
            ),
            ("{ oneOf: [{ properties: { type: { const: a } } }, { type: integer }] }", &[][..]),
            ("true", &[][..]),
        ] {
            assert_eq!(names(schema), expected, "{schema}");
        }
    }

    #[test]
    fn names_become_types() {
        for (name, event_type) in [
            ("order.created", "order.created"),
            ("New order, \"x\"", "New-order---x-"),
            ("", "event"),
            ("*", "event"),
            ("é", "-"),
        ] {
            assert_eq!(as_type(name), event_type);
            assert!(EventType::try_new(&as_type(name)).is_ok());
        }
        assert!(EventType::try_new(&as_type(&"x".repeat(1_000))).is_ok());
    }
}
