//! JSON trees with expressions in them: the body, the claims of a token, constants of an event.
//!
//! A leaf that is exactly one `{{ expression }}` keeps the type of its value; text around it makes a string. Keys that start
//! with `$` are directives.

mod render;

use crate::diagnostic::{At, Report, suggestion};
use crate::expression::Expression;
use crate::grammar::{Definition, Shape};
use crate::json;
use crate::path::Path;
use crate::reader::{entries, join};
use crate::template::{TEMPLATE, Template};
use crate::variables::{Builtin, Variable};
use crate::yaml::{Kind, Meaning, Node};

/// The value of a key that holds a tree.
pub(crate) const TREE: Shape = Shape::Named(&Definition {
    name: "tree",
    about: "Any value; a text that is exactly one {{ expression }} keeps the type of its value.",
    shape: Shape::Any,
    examples: &[],
});
/// The value of a key that holds names with templates.
pub(crate) const PAIRS: Shape = Shape::MapOf(&TEMPLATE);

/// A tree, compiled.
#[derive(Debug)]
pub(crate) enum Tree {
    /// JSON text that never changes.
    Constant(String),
    Value(Expression),
    Text(Template),
    Object(Vec<Member>),
    List(Vec<Tree>),
    When(Box<When>),
    Each(Box<Each>),
}

/// A member of an object.
#[derive(Debug)]
pub(crate) enum Member {
    Field {
        name: String,
        encoded: String,
        optional: bool,
        value: Tree,
    },
    /// The members of another object, merged in here.
    Merge(Expression),
}

/// `$when`: a value that is there only if a condition holds.
#[derive(Debug)]
pub(crate) struct When {
    condition: Expression,
    then: Tree,
    otherwise: Option<Tree>,
}

/// `$each`: a value for each item of a list.
#[derive(Debug)]
pub(crate) struct Each {
    list: Expression,
    name: String,
    then: Tree,
}

const DIRECTIVES: &[&str] = &["$when", "$then", "$else", "$each", "$as", "$merge"];

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
            && let Some(crate::template::Part::Expression(expression)) = template.parts.pop()
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
            if matches!(key.text.as_str(), "$then" | "$else" | "$as") {
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
        let then = if entry("$when").is_some() {
            Self::read_when(&rest, path, &inner, report)
        } else {
            Self::read_then(&rest, path, "$each", &inner, report)
        };
        Some(Self::Each(Box::new(Each { list: list?, name, then: then? })))
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

    /// The members, when the tree is an object.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, bool, &Tree)> {
        let members: &[Member] = if let Self::Object(members) = self { members } else { &[] };
        members.iter().filter_map(|member| match member {
            Member::Field { name, optional, value, .. } => Some((name.as_str(), *optional, value)),
            Member::Merge(_) => None,
        })
    }

    /// Every expression of the tree.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.visit(&mut |expression| found.push(expression));
        found
    }

    /// Shows every expression of the tree.
    pub(crate) fn visit<'t>(&'t self, visitor: &mut dyn FnMut(&'t Expression)) {
        match self {
            Self::Constant(_) => {}
            Self::Value(expression) => visitor(expression),
            Self::Text(template) => template.expressions().for_each(visitor),
            Self::List(items) => items.iter().for_each(|item| item.visit(visitor)),
            Self::Object(members) => {
                for member in members {
                    match member {
                        Member::Field { value, .. } => value.visit(visitor),
                        Member::Merge(expression) => visitor(expression),
                    }
                }
            }
            Self::When(when) => {
                visitor(&when.condition);
                when.then.visit(visitor);
                if let Some(otherwise) = &when.otherwise {
                    otherwise.visit(visitor);
                }
            }
            Self::Each(each) => {
                visitor(&each.list);
                each.then.visit(visitor);
            }
        }
    }
}

/// How a loop can make far more than it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// It stands in another loop, and goes through a list that is not of the outer item.
    Product,
    /// It repeats all of the event's data.
    Whole,
}

impl Tree {
    /// Shows the expressions by which loops grow. `loops` is how many stand around this tree.
    pub(crate) fn visit_growth(&self, loops: usize, visitor: &mut dyn FnMut(&Expression, Growth)) {
        let whole = |expression: &Expression| {
            let is_whole = |path: &Path| path.inside.is_empty() && path.variable == Variable::Builtin(Builtin::EventData);
            loops > 0 && expression.paths.iter().any(is_whole)
        };
        match self {
            Self::Value(expression) if whole(expression) => visitor(expression, Growth::Whole),
            Self::Constant(_) | Self::Value(_) => {}
            Self::Text(template) => {
                template.expressions().filter(|expression| whole(expression)).for_each(|found| visitor(found, Growth::Whole));
            }
            Self::Object(members) => {
                for member in members {
                    match member {
                        Member::Field { value, .. } => value.visit_growth(loops, visitor),
                        Member::Merge(expression) if whole(expression) => visitor(expression, Growth::Whole),
                        Member::Merge(_) => {}
                    }
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.visit_growth(loops, visitor)),
            Self::When(when) => {
                when.then.visit_growth(loops, visitor);
                if let Some(otherwise) = &when.otherwise {
                    otherwise.visit_growth(loops, visitor);
                }
            }
            Self::Each(each) => {
                if loops > 0 && !each.list.uses(|variable| matches!(variable, Variable::Local(_))) {
                    visitor(&each.list, Growth::Product);
                }
                each.then.visit_growth(loops + 1, visitor);
            }
        }
    }
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
        && let Some(crate::template::Part::Expression(expression)) = template.parts.pop()
    {
        return Some(expression);
    }
    report.add(node.at, path, "this is not one expression", "write exactly one `{{ expression }}`");
    None
}

fn local_name(node: &Node, path: &str, report: &mut Report) -> Option<String> {
    let text = crate::reader::text(node, path, report)?;
    let plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_');
    if !plain || crate::lexer::is_keyword(&text) {
        report.add(node.at, path, format!("`{text}` cannot be a name"), "write a word in lower case, such as `line`");
        return None;
    }
    Some(text)
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

/// The place of a tree's first expression, for messages.
pub(crate) fn first_place(tree: &Tree) -> Option<At> {
    let mut place = None;
    tree.visit(&mut |expression| place = place.or(Some(expression.at)));
    place
}
