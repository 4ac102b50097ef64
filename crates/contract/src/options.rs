//! Reads `subscription.options`: what an endpoint may choose for itself, each with a JSON Schema.
//!
//! What was chosen is known as `endpoint.options.name` in requests, in `delivery` and in `subscription.filter`. An option that was not
//! chosen has its default, if it has one.
//!
//! `subscription.credentials` is read here as well: values of an endpoint that are secret. They are texts, they have no defaults, and
//! only requests know them, as `endpoint.credentials.name`.

use bellwire_domain::escape_pointer;
use bellwire_schema::DataError;
use serde_json::{Map, Value};

use crate::diagnostic::{Report, suggestion};
use crate::expression::Expression;
use crate::grammar::{Definition, Shape};
use crate::reader::{entries, join};
use crate::schema::{self, DataSchema};
use crate::variables::{Builtin, Variable};
use crate::yaml::Node;

/// The value of `subscription.options`.
pub(crate) const OPTIONS: Shape = Shape::Named(&Definition {
    name: "options",
    about: "What an endpoint may choose for itself: names, each with a JSON Schema of the value.",
    shape: Shape::MapOf(&Shape::Types(&["object"])),
    examples: &[],
});
/// The value of `subscription.credentials`.
pub(crate) const CREDENTIALS: Shape = Shape::Named(&Definition {
    name: "credentials",
    about: "Secret values that an endpoint gives: names, each with a JSON Schema of the text.",
    shape: Shape::MapOf(&Shape::Types(&["object"])),
    examples: &[],
});
/// The most bytes of what one endpoint chooses.
const CHOSEN_BYTES_MAX: usize = 16 << 10;
/// The most values of an option that are tried when a contract is loaded.
const TRIED_MAX: usize = 16;

/// What is declared: what an endpoint chooses in the open, or what it gives in secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Option,
    Credential,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Credential => "credential",
        }
    }

    /// Its key of the contract.
    const fn path(self) -> &'static str {
        match self {
            Self::Option => "subscription.options",
            Self::Credential => "subscription.credentials",
        }
    }

    /// The most of them that a contract declares.
    const fn max(self) -> usize {
        match self {
            Self::Option => 32,
            Self::Credential => 16,
        }
    }

    const fn variable(self) -> Builtin {
        match self {
            Self::Option => Builtin::EndpointOptions,
            Self::Credential => Builtin::EndpointCredentials,
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Option => {
                "write names with schemas: `options: { retries: { type: integer, minimum: 0, maximum: 10, default: 3 } }`"
            }
            Self::Credential => "write names with schemas: `credentials: { client_id: { type: string, required: true } }`",
        }
    }
}

/// One thing that an endpoint may choose, or a credential that it gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct EndpointOption {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The JSON Schema of its value, as written.
    pub schema: Value,
    /// What it is where an endpoint chooses nothing.
    pub default: Option<Value>,
    /// Whether every endpoint has to choose.
    pub is_required: bool,
    check: DataSchema,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct EndpointOptions {
    pub(crate) all: Vec<EndpointOption>,
    kind: Kind,
}

/// Reads `options` or `credentials`; none where there is no node.
pub(crate) fn read(kind: Kind, node: Option<&Node>, report: &mut Report) -> Option<EndpointOptions> {
    let Some(node) = node else { return Some(EndpointOptions { all: Vec::new(), kind }) };
    let path = kind.path();
    let entries = entries(node, path, kind.help(), report)?;
    if entries.len() > kind.max() {
        report.add(node.at, path, format!("more than {} {}s", kind.max(), kind.word()), "");
    }
    let all: Vec<Option<EndpointOption>> =
        entries.iter().map(|(key, node)| read_option(kind, &key.text, node, &join(path, &key.text), report)).collect();
    Some(EndpointOptions { all: all.into_iter().collect::<Option<_>>()?, kind })
}

fn read_option(kind: Kind, name: &str, node: &Node, path: &str, report: &mut Report) -> Option<EndpointOption> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || name.starts_with(|first: char| first.is_ascii_digit()) {
        report.add(node.at, path, format!("`{name}` is not the name of {}", a(kind)), "write letters, digits and `_`");
        return None;
    }
    let Ok(mut schema) = serde_json::from_str::<Map<String, Value>>(&node.to_json()) else {
        let example = if kind == Kind::Option { "{ type: integer, minimum: 0 }" } else { "{ type: string }" };
        report.add(node.at, path, format!("{} is described by a JSON Schema", a(kind)), format!("write for example `{example}`"));
        return None;
    };
    // As a flag, it is this language's; a schema has a list there.
    let is_required = schema.get("required") == Some(&Value::Bool(true));
    if schema.get("required").is_some_and(Value::is_boolean) {
        schema.remove("required");
    }
    let default = schema.get("default").cloned();
    let text = |key: &str| schema.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let (title, description) = (text("title"), text("description"));
    let schema = Value::Object(schema);
    let check = match schema::compile(&schema, false) {
        Ok(check) => check,
        Err(error) => {
            report.add(node.at, path, format!("this is not a JSON Schema: {error}"), "");
            return None;
        }
    };
    let option = EndpointOption { name: name.to_owned(), title, description, schema, default, is_required, check };
    if kind == Kind::Credential {
        return option.checked_as_credential(node, path, report);
    }
    if let Some(error) = option.default.iter().flat_map(|default| option.mistakes(default)).next() {
        report.add(node.at, &join(path, "default"), format!("the default does not fit: {}", error.message), "");
    }
    if option.sample().is_some_and(|sample| !option.mistakes(&sample).is_empty()) {
        let help = "give a value that fits: `examples: [ … ]`";
        report.add(node.at, path, "no value of this option could be guessed to try the contract with", help);
    }
    Some(option)
}

/// A kind with its article.
fn a(kind: Kind) -> String {
    let article = if kind == Kind::Option { "an" } else { "a" };
    format!("{article} {}", kind.word())
}

impl EndpointOption {
    /// A credential is a text that everyone gives for themselves.
    fn checked_as_credential(self, node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        if self.kind().is_some_and(|kind| kind != "string") {
            report.add(node.at, &join(path, "type"), "a credential is text", "write `type: string`");
            return None;
        }
        if self.default.is_some() {
            report.add(node.at, &join(path, "default"), "a credential has no default: it would be known to everyone", "");
            return None;
        }
        if !self.mistakes(&self.example()).is_empty() {
            let help = "give a value that fits: `examples: [ … ]`";
            report.add(node.at, path, "no value of this credential could be guessed to try the contract with", help);
        }
        Some(self)
    }

    /// A value to try a contract with.
    fn example(&self) -> Value {
        self.tried().next().unwrap_or_else(|| "example".into())
    }

    fn mistakes(&self, value: &Value) -> Vec<DataError> {
        schema::check(&self.check, value)
    }

    fn keyword(&self, name: &str) -> Option<&Value> {
        self.schema.get(name)
    }

    /// The words that it is one of, if the schema lists them.
    pub fn choices(&self) -> Option<&[Value]> {
        self.keyword("enum").and_then(Value::as_array).map(Vec::as_slice)
    }

    /// The type of its value, if the schema names one.
    pub fn kind(&self) -> Option<&str> {
        self.keyword("type").and_then(Value::as_str)
    }

    /// A value to try a contract with, where every endpoint has to choose one.
    fn sample(&self) -> Option<Value> {
        if self.default.is_some() || !self.is_required {
            return None;
        }
        Some(self.tried().next().unwrap_or_else(|| match self.kind() {
            Some("integer" | "number") => 1.into(),
            Some("boolean") => true.into(),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => Value::Object(Map::new()),
            _ => "example".into(),
        }))
    }

    /// Values at its bounds.
    fn tried(&self) -> impl Iterator<Item = Value> {
        let bounds = ["minimum", "maximum"].into_iter().filter_map(|name| self.keyword(name));
        let examples = self.keyword("examples").and_then(Value::as_array).into_iter().flatten();
        let flags = if self.kind() == Some("boolean") { vec![Value::Bool(true), Value::Bool(false)] } else { Vec::new() };
        self.choices().into_iter().flatten().chain(examples).chain(bounds).take(TRIED_MAX).cloned().chain(flags)
    }
}

impl EndpointOptions {
    /// What is wrong with what an endpoint chooses, as JSON pointers into the object.
    pub(crate) fn check(&self, chosen: &Map<String, Value>) -> Vec<DataError> {
        let mut found = Vec::new();
        let mut add = |pointer: String, message: String| found.push(DataError { pointer, message });
        for (name, value) in chosen {
            let place = format!("/{}", escape_pointer(name));
            match self.find(name) {
                Some(_) if self.kind == Kind::Credential && !value.is_string() => add(place, "a credential is text".to_owned()),
                Some(option) => {
                    option.mistakes(value).into_iter().for_each(|error| add(format!("{place}{}", error.pointer), error.message));
                }
                None => add(place, format!("the contract has no such {}{}", self.kind.word(), self.instead(name))),
            }
        }
        for option in self.all.iter().filter(|option| option.is_required && option.default.is_none()) {
            if !chosen.contains_key(&option.name) {
                add(format!("/{}", option.name), "under this contract every endpoint has this: give a value".to_owned());
            }
        }
        if serde_json::to_string(chosen).map_or(0, |text| text.len()) > CHOSEN_BYTES_MAX {
            add(String::new(), format!("at most {} KiB in all", CHOSEN_BYTES_MAX >> 10));
        }
        found
    }

    fn find(&self, name: &str) -> Option<&EndpointOption> {
        self.all.iter().find(|option| option.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.all.iter().map(|option| option.name.as_str()).collect()
    }

    fn instead(&self, name: &str) -> String {
        let names = self.names();
        if names.is_empty() { String::new() } else { format!("; {}", suggestion(name, &names)) }
    }

    /// All of an endpoint's options as a JSON object: what it chose, and defaults.
    pub(crate) fn merged(&self, chosen: Option<&str>) -> String {
        let mut all: Map<String, Value> = chosen.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        all.retain(|name, _| self.find(name).is_some());
        for option in &self.all {
            if let (Some(default), false) = (&option.default, all.contains_key(&option.name)) {
                all.insert(option.name.clone(), default.clone());
            }
        }
        Value::Object(all).to_string()
    }

    /// What endpoints may choose, as far as it is tried when a contract is loaded: nothing, and each value of each option by itself.
    pub(crate) fn tried(&self) -> Vec<String> {
        let least: Map<String, Value> =
            self.all.iter().filter_map(|option| Some((option.name.clone(), option.sample()?))).collect();
        let with = |name: &str, value: Value| {
            let mut chosen = least.clone();
            chosen.insert(name.to_owned(), value);
            Value::Object(chosen).to_string()
        };
        let each = self.all.iter().flat_map(|option| option.tried().map(|value| with(&option.name, value)));
        std::iter::once(Value::Object(least.clone()).to_string()).chain(each).collect()
    }

    /// Credentials as far as they are tried when a contract is loaded: all of them, and only those that every endpoint has.
    pub(crate) fn tried_credentials(&self) -> Vec<Option<String>> {
        let of = |wanted: &dyn Fn(&EndpointOption) -> bool| {
            let chosen = self.all.iter().filter(|option| wanted(option));
            let chosen: Map<String, Value> = chosen.map(|option| (option.name.clone(), option.example())).collect();
            (!chosen.is_empty()).then(|| Value::Object(chosen).to_string())
        };
        let mut tried = vec![of(&|_| true)];
        if self.all.iter().any(|option| !option.is_required) {
            tried.push(of(&|option| option.is_required));
        }
        tried
    }

    /// The same with the defaults of the others.
    pub(crate) fn tried_in_full(&self) -> Vec<String> {
        self.tried().iter().map(|chosen| self.merged(Some(chosen))).collect()
    }

    /// Reports an option or credential that there is not.
    pub(crate) fn check_use(&self, expression: &Expression, path: &str, report: &mut Report) {
        let is_theirs = |variable: &Variable| *variable == Variable::Builtin(self.kind.variable());
        for used in expression.paths.iter().filter(|used| is_theirs(&used.variable)) {
            let Some(name) = used.names_inside().first().copied() else {
                if self.kind == Kind::Credential {
                    let help = "write the name of one: `endpoint.credentials.name`";
                    report.add(expression.at, path, "credentials are used one by one", help);
                }
                continue;
            };
            if self.find(name).is_none() {
                let names = self.names();
                let help =
                    if names.is_empty() { format!("declare it under `{}`", self.kind.path()) } else { suggestion(name, &names) };
                report.add(expression.at, path, format!("there is no {} `{name}`", self.kind.word()), help);
            }
        }
    }
}
