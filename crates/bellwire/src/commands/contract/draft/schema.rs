//! A document's schema, taken over into a contract: references go to `$defs`, older spellings become those of JSON Schema 2020-12.

use std::collections::HashMap;

use super::document::{Content, Fault, Node, shortened};
use super::references;

/// The deepest nesting of one schema. A contract holds no more.
const DEPTH_MAX: usize = 48;
/// The most values in one event's schema, with all that it refers to.
const NODES_MAX: usize = 5_000;

/// Which spelling of JSON Schema a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAPI 3.0: `nullable`, and limits that are flags.
    OpenApi30,
    /// Draft 7: AsyncAPI.
    Draft07,
    /// 2020-12: OpenAPI 3.1.
    Draft2020,
}

/// Keys that mean nothing to whoever checks data, or that would change where a reference leads.
const DROPPED: &[&str] = &[
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "discriminator",
    "xml",
    "externalDocs",
    "nullable",
    "dependencies",
    "contentSchema",
];
/// Keys whose value is a mapping from names to schemas.
const NAMED: &[&str] = &["properties", "patternProperties", "dependentSchemas"];
/// Keys whose value is a schema, or a list of schemas.
const NESTED: &[&str] = &[
    "allOf",
    "anyOf",
    "oneOf",
    "prefixItems",
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
];
/// Those that speak of the very value that the schema is about.
const IN_PLACE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// Takes a schema over, with all that it refers to.
pub(super) fn take(root: &Node, schema: &Node, dialect: Dialect) -> Result<Node, Fault> {
    let (schema, _) =
        references::follow(root, schema).or_else(|fault| if fault.is_fatal { Err(fault) } else { Ok((schema, None)) })?;
    let mut taking = Taking { root, dialect, names: HashMap::new(), waiting: Vec::new(), nodes: 0 };
    let mut taken = taking.schema(schema, 0)?;
    let mut defs = Vec::new();
    while let Some((name, node)) = taking.waiting.pop() {
        defs.push((name, taking.schema(node, 0)?));
    }
    defs.sort_by(|(one, _), (other, _)| one.cmp(other));
    refuse_endless(&defs, schema.line)?;
    if let (Content::Map(members), false) = (&mut taken.content, defs.is_empty()) {
        members.push(("$defs".to_owned(), Node::made(Content::Map(defs))));
    }
    Ok(taken)
}

struct Taking<'d> {
    root: &'d Node,
    dialect: Dialect,
    /// What each reference is called in `$defs`.
    names: HashMap<String, String>,
    /// What has a name and is not taken over yet.
    waiting: Vec<(String, &'d Node)>,
    nodes: usize,
}

impl<'d> Taking<'d> {
    fn schema(&mut self, node: &'d Node, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(node.line, format!("the schema is nested deeper than {DEPTH_MAX}")));
        }
        self.count(node, 1)?;
        match &node.content {
            Content::Bool(_) => Ok(node.clone()),
            Content::Map(members) => self.members(node, members, depth),
            _ => Err(Fault::new(node.line, "a schema must be a mapping")),
        }
    }

    fn members(&mut self, node: &'d Node, members: &'d [(String, Node)], depth: usize) -> Result<Node, Fault> {
        let alone = self.dialect != Dialect::Draft2020 && node.get("$ref").is_some();
        let mut out = Vec::new();
        for (key, value) in members {
            let name = key.as_str();
            if name == "$ref" {
                let Some(reference) = value.text() else { return Err(Fault::new(value.line, "`$ref` must be text")) };
                out.push((key.clone(), Node::text_made(self.refer(reference, value.line)?)));
            } else if alone || DROPPED.contains(&name) || name.starts_with("x-") {
                // Beside a reference nothing counted before 2020-12.
            } else if name.starts_with("$dynamic") || name.starts_with("$recursive") {
                return Err(Fault::new(value.line, format!("`{name}` cannot be taken over; write a plain `$ref`")));
            } else if NAMED.contains(&name) {
                let mut inner = Vec::new();
                for (property, schema) in value.members() {
                    inner.push((property.clone(), self.schema(schema, depth + 1)?));
                }
                out.push((key.clone(), Node::made(Content::Map(inner))));
            } else if NESTED.contains(&name) {
                let inner = match &value.content {
                    Content::List(items) => {
                        let items: Result<Vec<_>, _> = items.iter().map(|item| self.schema(item, depth + 1)).collect();
                        Node::made(Content::List(items?))
                    }
                    _ => self.schema(value, depth + 1)?,
                };
                out.push((key.clone(), inner));
            } else if name == "example" {
                out.push(("examples".to_owned(), Node::made(Content::List(vec![value.clone()]))));
            } else {
                self.count(value, value.count())?;
                out.push((key.clone(), value.clone()));
            }
        }
        modernise(node, &mut out);
        Ok(Node { line: node.line, content: Content::Map(out) })
    }

    fn count(&mut self, node: &Node, more: usize) -> Result<(), Fault> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return Err(Fault::new(node.line, format!("the schema has more than {NODES_MAX} values with all that it refers to")));
        }
        Ok(())
    }

    /// The reference as the contract writes it.
    fn refer(&mut self, reference: &str, line: usize) -> Result<String, Fault> {
        if let Some(name) = self.names.get(reference) {
            return Ok(format!("#/$defs/{name}"));
        }
        let node = references::find(self.root, reference, line)?;
        let last = reference.rsplit('/').next().unwrap_or_default();
        let plain: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(64).collect();
        let plain = if plain.is_empty() { "schema".to_owned() } else { plain };
        let is_free = |name: &String| !self.names.values().any(|taken| taken == name);
        let name = std::iter::once(plain.clone()).chain((2..NODES_MAX).map(|number| format!("{plain}-{number}"))).find(is_free);
        let name = name.unwrap_or(plain);
        self.names.insert(reference.to_owned(), name.clone());
        self.waiting.push((name.clone(), node));
        Ok(format!("#/$defs/{name}"))
    }
}

/// Turns older spellings into today's.
fn modernise(node: &Node, members: &mut Vec<(String, Node)>) {
    if node.get("nullable").is_some_and(|nullable| nullable.content == Content::Bool(true)) {
        allow_null(members);
    }
    for (flag, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        let Some(place) = members.iter().position(|(key, value)| key == flag && matches!(value.content, Content::Bool(_))) else {
            continue;
        };
        let (_, value) = members.remove(place);
        if value.content == Content::Bool(true)
            && let Some((key, _)) = members.iter_mut().find(|(key, _)| key == limit)
        {
            flag.clone_into(key);
        }
    }
    if members.iter().any(|(key, value)| key == "items" && matches!(value.content, Content::List(_))) {
        for (key, _) in members.iter_mut() {
            match key.as_str() {
                "items" => "prefixItems".clone_into(key),
                "additionalItems" => "items".clone_into(key),
                _ => {}
            }
        }
    } else {
        members.retain(|(key, _)| key != "additionalItems");
    }
    // Two spellings of one key would be a key that is given twice.
    let mut seen = std::collections::HashSet::new();
    members.retain(|(key, _)| seen.insert(key.clone()));
}

fn allow_null(members: &mut [(String, Node)]) {
    for (key, value) in members {
        match (key.as_str(), &mut value.content) {
            ("type", Content::Text(_)) => {
                let only = std::mem::replace(value, Node::made(Content::Null));
                *value = Node::made(Content::List(vec![only, Node::text_made("null")]));
            }
            ("enum", Content::List(items)) if !items.iter().any(|item| item.content == Content::Null) => {
                items.push(Node::made(Content::Null));
            }
            _ => {}
        }
    }
}

/// Refuses definitions that come back to themselves without a step into the data: checking would never end.
fn refuse_endless(defs: &[(String, Node)], line: usize) -> Result<(), Fault> {
    let mut edges: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, node) in defs {
        let mut found = Vec::new();
        in_place(node, &mut found);
        edges.insert(name, found);
    }
    // Definitions that refer to nothing left are taken away, again and again; what stays is in a circle or leads to one.
    loop {
        let done: Vec<&str> =
            edges.iter().filter(|(_, to)| to.iter().all(|to| !edges.contains_key(to))).map(|(name, _)| *name).collect();
        if done.is_empty() {
            break;
        }
        for name in done {
            edges.remove(name);
        }
    }
    match edges.keys().min() {
        Some(name) => Err(Fault::new(line, format!("the schema `{}` is defined by itself", shortened(name)))),
        None => Ok(()),
    }
}

/// The definitions that must be checked for the very value that `schema` is about.
fn in_place<'s>(schema: &'s Node, found: &mut Vec<&'s str>) {
    for (key, value) in schema.members() {
        if key == "$ref" {
            found.extend(value.text().and_then(|reference| reference.strip_prefix("#/$defs/")));
        } else if IN_PLACE.contains(&key.as_str()) {
            match &value.content {
                Content::List(items) => items.iter().for_each(|item| in_place(item, found)),
                _ if key == "dependentSchemas" => value.members().iter().for_each(|(_, inner)| in_place(inner, found)),
                _ => in_place(value, found),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::super::yaml::flow;
    use super::*;

    fn taken(source: &str, dialect: Dialect) -> Result<String, Fault> {
        let root = document::read(source).unwrap();
        take(&root, root.get("s").unwrap(), dialect).map(|schema| flow(&schema))
    }

    #[test]
    fn references_become_definitions() {
        let source = "s: { type: object, properties: { a: { $ref: '#/c/A' }, b: { $ref: '#/d/A' }, $ref: { type: string } } }\n\
                      c: { A: { type: array, items: { $ref: '#/c/A' } } }\nd: { A: { type: integer, x-y: 1, xml: {} } }\n";
        assert_eq!(
            taken(source, Dialect::Draft2020).unwrap(),
            "{ type: object, properties: { a: { \"$ref\": \"#/$defs/A\" }, b: { \"$ref\": \"#/$defs/A-2\" }, \"$ref\": { type: string } }, \
             \"$defs\": { A: { type: array, items: { \"$ref\": \"#/$defs/A\" } }, A-2: { type: integer } } }"
        );
        assert_eq!(taken("s: { $ref: '#/t' }\nt: { type: string }\n", Dialect::Draft2020).unwrap(), "{ type: string }");
    }

    #[test]
    fn older_spellings_become_todays() {
        for (dialect, before, after) in [
            (Dialect::OpenApi30, "{ type: string, nullable: true, example: x }", "{ type: [string, \"null\"], examples: [x] }"),
            (Dialect::OpenApi30, "{ enum: [a], nullable: true }", "{ enum: [a, null] }"),
            (Dialect::OpenApi30, "{ type: string, nullable: false }", "{ type: string }"),
            (Dialect::OpenApi30, "{ minimum: 1, exclusiveMinimum: true }", "{ exclusiveMinimum: 1 }"),
            (Dialect::OpenApi30, "{ maximum: 1, exclusiveMaximum: false }", "{ maximum: 1 }"),
            (Dialect::Draft07, "{ exclusiveMinimum: 1 }", "{ exclusiveMinimum: 1 }"),
            (Dialect::Draft07, "{ items: [true], additionalItems: false }", "{ prefixItems: [true], items: false }"),
            (Dialect::Draft07, "{ items: true, additionalItems: false }", "{ items: true }"),
            (Dialect::Draft2020, "{ example: 1, examples: [2] }", "{ examples: [1] }"),
        ] {
            assert_eq!(taken(&format!("s: {before}\n"), dialect).unwrap(), after);
        }
    }

    #[test]
    fn what_cannot_be_taken_over_says_why() {
        let deep = format!("s: {}true{}\n", "{ not: ".repeat(60), " }".repeat(60));
        let wide = format!("s: {{ enum: [{}] }}\n", "1, ".repeat(6_000));
        for (source, words) in [
            ("s: [1]\n", "must be a mapping"),
            ("s: { $dynamicRef: '#a' }\n", "`$dynamicRef`"),
            ("s: { items: { $ref: 1 } }\n", "must be text"),
            ("s: { items: { $ref: '#/nowhere' } }\n", "leads nowhere"),
            ("s: { $ref: '#/s' }\n", "is defined by itself"),
            (
                "s: { allOf: [{ $ref: '#/a' }] }\na: { anyOf: [{ not: { $ref: '#/b' } }] }\nb: { if: { $ref: '#/a' } }\n",
                "defined by itself",
            ),
            (&deep, "deeper than 48"),
            (&wide, "more than 5000 values"),
        ] {
            let fault = taken(source, Dialect::Draft2020).unwrap_err();
            assert!(!fault.is_fatal && fault.message.contains(words), "{source}: {fault:?}");
        }
        let remote = taken("s: { items: { $ref: 'b.yaml#/x' } }\n", Dialect::Draft2020).unwrap_err();
        assert!(remote.is_fatal && remote.line == 1 && remote.message.contains("`$ref: b.yaml#/x`"), "{remote:?}");
    }
}
