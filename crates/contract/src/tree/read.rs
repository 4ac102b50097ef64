//! Reads trees: which keys are directives, and which names their expressions may use.

use super::{Each, Let, Member, Tree, When};
use crate::diagnostic::{At, Report, suggestion};
use crate::expression::Expression;
use crate::json;
use crate::reader::{entries, join};
use crate::template::{Part, Template};
use crate::yaml::{Kind, Meaning, Node};

const DIRECTIVES: &[&str] = &["$when", "$then", "$else", "$each", "$as", "$let", "$merge"];
/// The most names that one `$let` gives: rendering goes one call deeper for each.
const NAMES_MAX: usize = 16;
const LET_HELP: &str = "write names and what they stand for: `$let: { total: \"{{ event.data.lines | length }}\" }`";

impl Tree {
    /// Compiles the tree in `node`; reports what is wrong with it.
    pub(crate) fn read(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        match &node.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Text(_) => Self::read_text(node, path, locals, report),
                Meaning::Null | Meaning::Bool(_) | Meaning::Number(_) => Some(Self::Constant(node.to_json())),
            },
            Kind::List(items) => {
                let items: Vec<Option<Self>> = (0..)
                    .zip(items)
                    .map(|(index, item): (usize, _)| Self::read(item, &format!("{path}[{index}]"), locals, report))
                    .collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Self::List)
            }
            Kind::Map(entries) => {
                let has = |name: &str| entries.iter().any(|(key, _)| key.text == name);
                if has("$each") {
                    return Self::read_each(node, path, locals, report);
                }
                if has("$let") {
                    return Self::read_let(node, path, "$let", locals, report);
                }
                if has("$when") {
                    return Self::read_when(node, path, locals, report);
                }
                Self::read_object(node, path, locals, report)
            }
        }
    }

    fn read_text(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let mut template = Template::read(node, path, locals, report)?;
        if let Some(text) = template.constant() {
            let mut encoded = String::new();
            json::write_string(&mut encoded, text);
            return Some(Self::Constant(encoded));
        }
        if template.single().is_some()
            && let Some(Part::Expression(expression)) = template.parts.pop()
        {
            return Some(Self::Value(expression));
        }
        Some(Self::Text(template))
    }

    fn read_object(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else { return None };
        let mut members = Vec::with_capacity(entries.len());
        let mut clean = true;
        for (key, value) in entries {
            let place = join(path, &key.text);
            if key.text == "$merge" {
                match expression(value, &place, locals, report) {
                    Some(merged) => members.push(Member::Merge(merged)),
                    None => clean = false,
                }
                continue;
            }
            if matches!(key.text.as_str(), "$then" | "$else" | "$as" | "$let") {
                continue;
            }
            if key.text.starts_with('$') && !key.text.starts_with("$$") {
                report.add(
                    key.at,
                    &place,
                    "unknown directive",
                    format!("{}; a literal `$` is `$$`", suggestion(&key.text, DIRECTIVES)),
                );
                clean = false;
                continue;
            }
            let (name, optional) = key_of(&key.text);
            match Self::read(value, &place, locals, report) {
                Some(value) => {
                    let mut encoded = String::new();
                    json::write_string(&mut encoded, &name);
                    members.push(Member::Field { name, encoded, optional, value });
                }
                None => clean = false,
            }
        }
        clean.then_some(Self::Object(members))
    }

    fn read_when(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else { return None };
        let entry = |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value);
        let condition = expression(entry("$when")?, &join(path, "$when"), locals, report);
        let otherwise = match entry("$else") {
            Some(node) => Some(Self::read(node, &join(path, "$else"), locals, report)?),
            None => None,
        };
        let then = Self::read_then(node, path, "$when", locals, report);
        Some(Self::When(Box::new(When { condition: condition?, then: then?, otherwise })))
    }

    fn read_each(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else { return None };
        let entry = |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value);
        let list = expression(entry("$each")?, &join(path, "$each"), locals, report);
        let name = match entry("$as") {
            Some(node) => local_name(node, &join(path, "$as"), report)?,
            None => "item".to_owned(),
        };
        let mut inner = locals.to_vec();
        inner.extend([name.clone(), "index".to_owned()]);
        let without: Vec<_> = entries.iter().filter(|(key, _)| key.text != "$each").cloned().collect();
        let rest = Node { at: node.at, kind: Kind::Map(without) };
        let then = Self::read_let(&rest, path, "$each", &inner, report);
        Some(Self::Each(Box::new(Each { list: list?, name, then: then? })))
    }

    /// The names that `$let` gives, around what the mapping stands for otherwise.
    fn read_let(node: &Node, path: &str, directive: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(members) = &node.kind else { return None };
        let entry = |name: &str| members.iter().find(|(key, _)| key.text == name).map(|(_, value)| value);
        let mut inner = locals.to_vec();
        let names = match entry("$let") {
            Some(given) => read_names(given, &join(path, "$let"), &mut inner, report)?,
            None => Vec::new(),
        };
        let then = if entry("$when").is_some() {
            Self::read_when(node, path, &inner, report)?
        } else {
            Self::read_then(node, path, directive, &inner, report)?
        };
        Some(if names.is_empty() { then } else { Self::Let(Box::new(Let { names, then })) })
    }

    /// The value of a directive: `$then`, or else its other keys as an object.
    fn read_then(node: &Node, path: &str, directive: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else { return None };
        let plain: Vec<_> =
            entries.iter().filter(|(key, _)| !DIRECTIVES.contains(&key.text.as_str()) || key.text == "$merge").cloned().collect();
        match entries.iter().find(|(key, _)| key.text == "$then") {
            Some((key, _)) if !plain.is_empty() => {
                report.add(
                    key.at,
                    &join(path, "$then"),
                    "`$then` cannot have other keys beside it",
                    "put them inside `$then`, or leave `$then` out",
                );
                None
            }
            Some((_, then)) => Self::read(then, &join(path, "$then"), locals, report),
            None if plain.is_empty() => {
                report.add(node.at, path, format!("`{directive}` without a value"), "add the keys of the value, or `$then`");
                None
            }
            None => Self::read_object(&Node { at: node.at, kind: Kind::Map(plain) }, path, locals, report),
        }
    }
}

/// Names with what they stand for. Each is added to the locals, for those after it.
fn read_names(node: &Node, path: &str, locals: &mut Vec<String>, report: &mut Report) -> Option<Vec<(String, Expression)>> {
    let given = entries(node, path, LET_HELP, report)?;
    if given.len() > NAMES_MAX {
        report.add(node.at, path, format!("there are {} names", given.len()), format!("write at most {NAMES_MAX}"));
        return None;
    }
    let mut names = Vec::with_capacity(given.len());
    for (key, value) in given {
        let place = join(path, &key.text);
        let name = plain_name(&key.text, key.at, &place, report)?;
        names.push((name.clone(), expression(value, &place, locals, report)?));
        locals.push(name);
    }
    Some(names)
}

/// A key without its marks. `$$` at the start stands for `$`; `?` at the end makes it optional; `??` stands for `?`.
fn key_of(text: &str) -> (String, bool) {
    let text = text.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(text);
    match text.strip_suffix('?') {
        Some(rest) if rest.ends_with('?') => (rest.to_owned(), false),
        Some(rest) => (rest.to_owned(), true),
        None => (text.to_owned(), false),
    }
}

/// Reads a scalar that is exactly one `{{ expression }}`.
pub(crate) fn expression(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Expression> {
    let mut template = Template::read(node, path, locals, report)?;
    if template.single().is_some()
        && let Some(Part::Expression(expression)) = template.parts.pop()
    {
        return Some(expression);
    }
    report.add(node.at, path, "this is not one expression", "write exactly one `{{ expression }}`");
    None
}

fn local_name(node: &Node, path: &str, report: &mut Report) -> Option<String> {
    plain_name(&crate::reader::text(node, path, report)?, node.at, path, report)
}

fn plain_name(text: &str, at: At, path: &str, report: &mut Report) -> Option<String> {
    let plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_');
    if !plain || crate::lexer::is_keyword(text) {
        report.add(at, path, format!("`{text}` cannot be a name"), "write a word in lower case, such as `line`");
        return None;
    }
    Some(text.to_owned())
}

/// Reads the names with templates that `$form` and `request.query` hold.
pub(crate) fn read_pairs(node: &Node, path: &str, report: &mut Report) -> Option<Vec<(String, bool, Template)>> {
    let pairs: Vec<Option<_>> = entries(node, path, "write a mapping from names to templates", report)?
        .iter()
        .map(|(key, value)| {
            if key.text.starts_with('$') && !key.text.starts_with("$$") {
                let message = format!("`{}` cannot stand here: a form or a query has names, each with its template", key.text);
                let help = "write each name with its value: `amount: \"{{ event.data.amount }}\"`; a literal `$` is `$$`";
                report.add(key.at, &join(path, &key.text), message, help);
                return None;
            }
            let (name, optional) = key_of(&key.text);
            let template = Template::read(value, &join(path, &key.text), &[], report)?;
            Some((name, optional, template))
        })
        .collect();
    pairs.into_iter().collect()
}
