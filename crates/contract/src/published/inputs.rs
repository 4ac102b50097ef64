//! Takes a published request apart: which field goes where, and what is wrong, named as the published document names it.

use bellwire_domain::Timestamp;
use http::HeaderMap;
use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::published::bindings::{Bindings, quoted};
use crate::tree::Tree;
use crate::variables::{Scope, Variable};

/// Something that a use-case needs, and the part of the request it comes from.
#[derive(Debug)]
pub(crate) struct Input {
    /// Such as `endpoint.url`.
    pub(crate) name: &'static str,
    pub(crate) tree: Tree,
    pub(crate) is_required: bool,
    /// What the published document calls it.
    pub(crate) field: Option<String>,
}

impl Input {
    /// Whether it says that an endpoint gets no event.
    pub(crate) fn is_no_event(&self) -> bool {
        self.name == "endpoint.events" && matches!(&self.tree, Tree::List(items) if items.is_empty())
    }

    /// Whether a value counts as none: a list that the contract makes from what the request left out. One that the request itself
    /// has is its own word, and so is one that the contract has empty.
    fn leaves_out(&self, value: &Value) -> bool {
        let is_empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        let is_meant = match &self.tree {
            Tree::Value(_) => true,
            Tree::List(items) => items.is_empty(),
            _ => false,
        };
        is_empty && !self.is_required && !is_meant
    }
}

/// A request to a published API, as it was received.
#[derive(Debug, Clone, Copy)]
pub struct PublishedRequest<'a> {
    /// When it arrived.
    pub at: Timestamp,
    /// The values of the `{names}` in the path.
    pub path: &'a [(String, String)],
    /// The query's parameters.
    pub query: &'a [(String, String)],
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body: valid JSON.
    pub body: Option<&'a str>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// The field of the published request.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// What a use-case is given. It takes the values one by one, and faults are collected.
#[derive(Debug)]
pub struct Inputs<'r> {
    declared: &'r [Input],
    values: Vec<Given>,
    faults: Vec<FieldFault>,
}

/// A value, and the JSON that it was read from.
#[derive(Debug)]
struct Given {
    name: &'static str,
    value: Value,
    json: String,
}

impl PublishedRequest<'_> {
    pub(crate) fn bind(&self, names: &mut Bindings) {
        names.set("request.at", quoted(&self.at.to_string()));
        names.set("request.path", pairs_object(self.path.iter().cloned()));
        names.set("request.query", pairs_object(self.query.iter().cloned()));
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<(String, String)> = self.headers.iter().filter_map(text).collect();
        let headers: Map<String, Value> = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        names.set("request.header", Value::Object(headers).to_string());
        if let Some(body) = self.body {
            names.set("request.body", body.to_owned());
        }
    }
}

/// Pairs, such as a query's or a form's, as a JSON object: texts by name, and a list of them where a name comes several times.
pub fn pairs_object<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> String {
    let mut members: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value.into());
        match members.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                one => *one = Value::Array(vec![one.take(), value]),
            },
        }
    }
    Value::Object(members).to_string()
}

/// What null takes away from an endpoint, where the contract writes it without the mark of what may be left out.
const NULLABLE: [&str; 4] = ["endpoint.name", "endpoint.payload", "endpoint.rate_limit", "endpoint.expires_at"];

/// The names by which templates know the request.
pub(crate) const NAMES: [&str; 5] = ["request.at", "request.path", "request.query", "request.header", "request.body"];

/// What the published document calls an input. `None` if it is not a single field of the request.
pub(crate) fn field_of<'i>(declared: &'i [Input], name: &str) -> Option<&'i str> {
    declared.iter().find(|known| known.name == name)?.field.as_deref()
}

impl<'r> Inputs<'r> {
    /// Takes from a request what a route declares.
    pub(crate) fn read(declared: &'r [Input], request: &PublishedRequest<'_>) -> Self {
        let mut names = Bindings::default();
        request.bind(&mut names);
        let mut inputs = Self { declared, values: Vec::new(), faults: Vec::new() };
        for input in declared {
            let mut out = String::new();
            match input.tree.render(Scope::of(&names), &mut out) {
                Ok(true) => match serde_json::from_str(&out) {
                    Ok(Value::Null) if input.is_required && NULLABLE.contains(&input.name) => {
                        inputs.values.push(Given { name: input.name, value: Value::Null, json: out });
                    }
                    Ok(Value::Null) => inputs.left_out(input),
                    Ok(value) if input.leaves_out(&value) => {}
                    Ok(value) => inputs.values.push(Given { name: input.name, value, json: out }),
                    Err(_) => inputs.fault(input.name, "cannot be read"),
                },
                Ok(false) => inputs.left_out(input),
                Err(failure) if failure.absent => inputs.left_out(input),
                Err(_) => inputs.fault(input.name, "cannot be read"),
            }
        }
        inputs
    }
}

impl Inputs<'_> {
    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.take(name)?;
        if let Value::String(text) = value {
            return Some(text);
        }
        self.fault(name, "must be a string");
        None
    }

    /// Something that may be taken away as well: null does that.
    pub fn or_null<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.values.iter().any(|given| given.name == name && given.value.is_null()) {
            return self.take(name).map(|_| None);
        }
        read(self).map(Some)
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let texts = match self.take(name)? {
            Value::Array(items) => items.into_iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.fault(name, "must be a list of strings");
        }
        texts
    }

    /// Pairs of texts: a mapping, a list of `name: value`, or a list of objects with a name and a value.
    pub fn pairs(&mut self, name: &'static str) -> Option<Vec<(String, String)>> {
        let pairs = match self.take(name)? {
            Value::Object(members) => members.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
            Value::Array(items) => items.iter().map(pair).collect(),
            _ => None,
        };
        if pairs.is_none() {
            self.fault(name, "must be an object of strings, or a list such as [\"Name: value\"]");
        }
        pairs
    }

    /// An object.
    pub fn object(&mut self, name: &'static str) -> Option<serde_json::Map<String, Value>> {
        if let Value::Object(members) = self.take(name)? {
            return Some(members);
        }
        self.fault(name, "must be an object");
        None
    }

    /// Any JSON, byte for byte as the request has it.
    pub fn json(&mut self, name: &'static str) -> Option<String> {
        Some(self.take_given(name)?.json)
    }

    /// A text, or a list of texts.
    pub fn text_or_texts(&mut self, name: &'static str) -> Option<Result<String, Vec<String>>> {
        let found = match self.take(name)? {
            Value::String(text) => Some(Ok(text)),
            Value::Array(items) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
                texts.map(Err)
            }
            _ => None,
        };
        if found.is_none() {
            self.fault(name, "must be a string or a list of strings");
        }
        found
    }

    /// A boolean, or its text: a query has only text.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let flag = match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.fault(name, "must be true or false");
        }
        flag
    }

    /// A text or number that `parse` understands.
    pub fn parsed<T>(&mut self, name: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        let parsed = match &value {
            Value::String(text) => parse(text),
            Value::Number(number) => parse(&number.to_string()),
            _ => None,
        };
        if parsed.is_none() {
            self.fault(name, expected);
        }
        parsed
    }

    /// Ends the taking; returns everything that was wrong.
    pub fn finish(self) -> Result<(), Vec<FieldFault>> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        Some(self.take_given(name)?.value)
    }

    fn take_given(&mut self, name: &str) -> Option<Given> {
        let place = self.values.iter().position(|given| given.name == name)?;
        Some(self.values.swap_remove(place))
    }

    fn left_out(&mut self, input: &Input) {
        if input.is_required {
            self.fault(input.name, "is missing");
        }
    }

    fn fault(&mut self, name: &str, message: &str) {
        let field = field_of(self.declared, name).unwrap_or(name).to_owned();
        self.faults.push(FieldFault { field, message: message.to_owned() });
    }
}

/// An item of a list of pairs: `name: value`, or an object of a name (or key) and a value.
fn pair(item: &Value) -> Option<(String, String)> {
    if let Some(text) = item.as_str() {
        let (name, value) = text.split_once(':')?;
        return Some((name.trim().to_owned(), value.trim().to_owned()));
    }
    let member = |name: &str| item.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    Some((member("name").or_else(|| member("key"))?, member("value")?))
}

/// What the published document calls a value: the first field of the request that it uses.
pub(crate) fn first_field(tree: &Tree) -> Option<String> {
    let mut field = None;
    tree.visit(&mut |expression| {
        let named = expression.paths.iter().find_map(|path| {
            let Variable::Local(root) = &path.variable else { return None };
            root.starts_with("request.").then(|| path.names_inside().join(".")).filter(|name| !name.is_empty())
        });
        field = field.take().or(named);
    });
    field
}
