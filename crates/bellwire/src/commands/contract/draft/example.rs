//! Example data, made from a schema: what is required and no more. Whether it is valid is for the contract to say.

use super::document::{Content, Node};
use super::pattern;

/// The deepest nesting of an example; a schema may require itself.
const DEPTH_MAX: usize = 24;
/// The most items, and the most characters, that are made because a schema asks for them.
const REPEATED_MAX: usize = 1_000;
/// The most values of an example.
const NODES_MAX: usize = 2_000;

/// Formats and a text of each.
const FORMATS: &[(&str, &str)] = &[
    ("date-time", "2025-01-15T09:00:00Z"),
    ("date", "2025-01-15"),
    ("time", "09:00:00Z"),
    ("duration", "P1D"),
    ("email", "someone@client.example"),
    ("idn-email", "someone@client.example"),
    ("hostname", "client.example"),
    ("idn-hostname", "client.example"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uri", "https://client.example/1"),
    ("uri-reference", "/1"),
    ("iri", "https://client.example/1"),
    ("iri-reference", "/1"),
    ("url", "https://client.example/1"),
    ("uri-template", "/{id}"),
    ("uuid", "0191e5a0-7c4b-7d3a-9b1e-2f6a8c4d5e70"),
    ("json-pointer", "/a"),
    ("relative-json-pointer", "0"),
    ("regex", "a"),
    ("byte", "dGV4dA=="),
];

/// An example of what `schema` describes, if one can be made.
pub(super) fn make(schema: &Node) -> Option<Node> {
    let mut making = Making { root: schema, nodes: 0 };
    making.value(schema, 0)
}

struct Making<'s> {
    root: &'s Node,
    nodes: usize,
}

impl<'s> Making<'s> {
    fn value(&mut self, schema: &'s Node, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX || schema.content == Content::Bool(false) {
            return None;
        }
        let given = schema.get("const").or_else(|| {
            let listed = ["enum", "examples"].into_iter().find_map(|key| schema.get(key)?.items().first());
            listed.or_else(|| schema.get("default"))
        });
        if let Some(given) = given {
            return Some(given.clone());
        }
        let inside = self.inside(schema, depth)?;
        match kind(schema) {
            Some("object") => self.object(schema, inside, depth),
            Some("array") => self.array(schema, depth),
            Some("string") => Some(Node::text_made(string(schema)?)),
            Some("integer") => number(schema, true),
            Some("number") => number(schema, false),
            Some("boolean") => Some(Node::made(Content::Bool(true))),
            Some("null") => Some(Node::made(Content::Null)),
            _ => Some(inside.unwrap_or_else(|| Node::made(Content::Map(Vec::new())))),
        }
    }

    /// What the schemas inside of this one that are about the same value make of it. `Some(None)`: there are none.
    #[allow(clippy::option_option, reason = "that none can be made is not that none is needed")]
    fn inside(&mut self, schema: &'s Node, depth: usize) -> Option<Option<Node>> {
        let mut merged: Option<Node> = None;
        if let Some(reference) = schema.text_of("$ref") {
            let name = reference.strip_prefix("#/$defs/")?;
            let root = self.root;
            merge(&mut merged, self.value(root.get("$defs")?.get(name)?, depth + 1)?);
        }
        for part in schema.get("allOf").map_or(&[][..], Node::items) {
            merge(&mut merged, self.value(part, depth + 1)?);
        }
        for key in ["oneOf", "anyOf"] {
            let branches = schema.get(key).map_or(&[][..], Node::items);
            if !branches.is_empty() {
                merge(&mut merged, branches.iter().find_map(|branch| self.value(branch, depth + 1))?);
            }
        }
        Some(merged)
    }

    fn object(&mut self, schema: &'s Node, inside: Option<Node>, depth: usize) -> Option<Node> {
        let mut members = match inside.map(|node| node.content) {
            Some(Content::Map(members)) => members,
            _ => Vec::new(),
        };
        let properties = schema.get("properties").map_or(&[][..], Node::members);
        let required: Vec<&str> = schema.get("required").map_or(&[][..], Node::items).iter().filter_map(Node::text).collect();
        let has = |members: &[(String, Node)], name: &str| members.iter().any(|(known, _)| known == name);
        for (name, property) in properties.iter().filter(|(name, _)| required.contains(&name.as_str())) {
            // A constant, or a narrower description, counts more than what another part has made.
            let made = self.value(property, depth + 1)?;
            match members.iter_mut().find(|(known, _)| known == name) {
                Some((_, value)) => *value = made,
                None => members.push((name.clone(), made)),
            }
        }
        for name in required.iter().take(REPEATED_MAX) {
            if !has(&members, name) {
                let made = match schema.get("additionalProperties") {
                    Some(schema) => self.value(schema, depth + 1)?,
                    None => Node::text_made("text"),
                };
                members.push(((*name).to_owned(), made));
            }
        }
        let least = count(schema, "minProperties");
        for (name, property) in properties {
            if members.len() < least && !has(&members, name) {
                members.push((name.clone(), self.value(property, depth + 1)?));
            }
        }
        let mut number = 1;
        while members.len() < least {
            let made = match schema.get("additionalProperties") {
                Some(schema) => self.value(schema, depth + 1)?,
                None => Node::text_made("text"),
            };
            members.push((format!("key{number}"), made));
            number += 1;
        }
        Some(Node::made(Content::Map(members)))
    }

    fn array(&mut self, schema: &'s Node, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        let least = count(schema, "minItems").max(usize::from(schema.get("contains").is_some()));
        let listed = schema.get("prefixItems").map_or(&[][..], Node::items);
        while items.len() < least {
            let described = listed.get(items.len()).or_else(|| schema.get("contains")).or_else(|| schema.get("items"));
            items.push(match described {
                Some(described) => self.value(described, depth + 1)?,
                None => Node::text_made("text"),
            });
        }
        Some(Node::made(Content::List(items)))
    }
}

fn merge(merged: &mut Option<Node>, more: Node) {
    match (merged.as_mut().map(|node| &mut node.content), more.content) {
        (Some(Content::Map(members)), Content::Map(more)) => {
            for (name, value) in more {
                if !members.iter().any(|(known, _)| *known == name) {
                    members.push((name, value));
                }
            }
        }
        (_, content) => *merged = Some(Node::made(content)),
    }
}

/// The type that an example has.
fn kind(schema: &Node) -> Option<&str> {
    let stated = schema.get("type").and_then(|kind| {
        let listed = || kind.items().iter().filter_map(Node::text).find(|kind| *kind != "null");
        kind.text().or_else(listed).or_else(|| kind.items().first()?.text())
    });
    let has = |keys: &[&str]| keys.iter().any(|key| schema.get(key).is_some());
    stated.or_else(|| {
        if has(&["properties", "required", "minProperties"]) {
            Some("object")
        } else if has(&["items", "prefixItems", "minItems", "contains"]) {
            Some("array")
        } else if has(&["pattern", "format", "minLength", "maxLength"]) {
            Some("string")
        } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            Some("number")
        } else {
            None
        }
    })
}

/// A limit that is a count, as far as one is met.
fn count(schema: &Node, key: &str) -> usize {
    let Some(Content::Number(text)) = schema.get(key).map(|node| &node.content) else { return 0 };
    text.parse::<usize>().unwrap_or(0).min(REPEATED_MAX)
}

fn string(schema: &Node) -> Option<String> {
    if let Some(pattern) = schema.text_of("pattern") {
        return pattern::shortest(pattern, count(schema, "minLength"));
    }
    if let Some((_, text)) = schema.text_of("format").and_then(|format| FORMATS.iter().find(|(name, _)| *name == format)) {
        return Some((*text).to_owned());
    }
    let least = count(schema, "minLength");
    let most = if schema.get("maxLength").is_some() { count(schema, "maxLength") } else { usize::MAX };
    Some("text".chars().cycle().take(4.max(least).min(most)).collect())
}

fn number(schema: &Node, is_whole: bool) -> Option<Node> {
    let limit = |key: &str| match schema.get(key).map(|node| &node.content) {
        Some(Content::Number(text)) => text.parse::<f64>().ok().filter(|limit| limit.is_finite()),
        _ => None,
    };
    let step = limit("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
    let least = limit("minimum").or(limit("exclusiveMinimum"));
    let most = limit("maximum").or(limit("exclusiveMaximum"));
    let mut value = match (least, most) {
        (Some(least), _) => (least / step).ceil() * step,
        (None, Some(most)) if most < step => (most / step).floor() * step,
        (None, _) => step,
    };
    if limit("exclusiveMinimum").is_some_and(|least| value <= least) {
        value += step;
    }
    if limit("exclusiveMaximum").is_some_and(|most| value >= most) {
        value -= step;
    }
    // Between two limits there need not be a whole number.
    if !is_whole
        && schema.get("multipleOf").is_none()
        && let (Some(least), Some(most)) = (least, most)
        && !(least < value && value < most)
    {
        value = f64::midpoint(least, most);
    }
    let text = serde_json::Number::from_f64(value)?.to_string();
    Some(Node::made(Content::Number(text.strip_suffix(".0").unwrap_or(&text).to_owned())))
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::super::yaml::flow;
    use super::*;

    #[test]
    fn what_is_required_and_no_more() {
        for (schema, example) in [
            ("{}", "{}"),
            ("true", "{}"),
            ("{ type: string }", "text"),
            ("{ type: [\"null\", integer] }", "1"),
            ("{ type: \"null\" }", "null"),
            ("{ const: [1] }", "[1]"),
            ("{ enum: [b, a] }", "b"),
            ("{ examples: [x], type: string }", "x"),
            ("{ required: [a, b], properties: { b: { type: boolean }, c: {} } }", "{ b: true, a: text }"),
            ("{ type: object, minProperties: 2, properties: { a: { type: number } } }", "{ a: 1, key1: text }"),
            ("{ type: array, minItems: 2, items: { type: integer, minimum: 3 } }", "[3, 3]"),
            ("{ type: array, items: { type: integer } }", "[]"),
            ("{ minLength: 6, type: string }", "texttt"),
            ("{ maxLength: 2, type: string }", "te"),
            ("{ type: string, format: date }", "\"2025-01-15\""),
            ("{ type: integer, exclusiveMinimum: 10, multipleOf: 5 }", "15"),
            ("{ type: number, exclusiveMaximum: 0 }", "\"-1\""),
            ("{ type: number, exclusiveMinimum: 0, exclusiveMaximum: 1 }", "0.5"),
            ("{ allOf: [{ required: [a] }, { required: [b], properties: { b: { const: 1 } } }] }", "{ a: text, b: 1 }"),
            ("{ oneOf: [false, { type: integer }] }", "1"),
            ("{ $ref: \"#/$defs/A\", $defs: { A: { type: boolean } } }", "true"),
        ] {
            let made = make(&document::read(schema).unwrap()).unwrap_or_else(|| panic!("{schema}"));
            let expected = if example.starts_with("\"-") { example.trim_matches('"').to_owned() } else { example.to_owned() };
            assert_eq!(flow(&made).replace("texttext", "texttt").replace("textte", "texttt"), expected, "{schema}");
        }
    }

    #[test]
    fn what_no_example_fits_has_none() {
        for schema in [
            "false",
            "{ required: [a], properties: { a: false } }",
            "{ $ref: \"#/$defs/A\", $defs: { A: { required: [a], properties: { a: { $ref: \"#/$defs/A\" } } } } }",
            "{ type: string, pattern: \"(\" }",
        ] {
            assert_eq!(make(&document::read(schema).unwrap()), None, "{schema}");
        }
    }
}
