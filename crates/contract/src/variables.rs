//! The names that an expression may use.

use crate::diagnostic::suggestion;
use crate::piece::Piece;

/// A value that a request can be made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Variable {
    Event(EventField),
    AttemptAt,
    AttemptNumber,
    AttemptTraceId,
    AttemptSpanId,
    AttemptNonce,
    DeliveryId,
    DeliveryNumber,
    EndpointId,
    EndpointUrl,
    EndpointName,
    AccountId,
    AccountName,
    RequestMethod,
    RequestUrl,
    RequestHost,
    RequestPath,
    RequestQuery,
    PublishedUrl,
    Body,
    Secret,
    Header(String),
    Signature(String),
    Local(String),
}

/// The parts of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventField {
    Id,
    Type,
    Title,
    Description,
    OccurredAt,
    Seq,
    Data,
    Fields,
    IsTest,
}

/// Every plain name with what it is, as the documentation lists them.
pub(crate) const NAMES: &[(&str, Variable)] = &[
    ("event.id", Variable::Event(EventField::Id)),
    ("event.type", Variable::Event(EventField::Type)),
    ("event.title", Variable::Event(EventField::Title)),
    ("event.description", Variable::Event(EventField::Description)),
    ("event.occurred_at", Variable::Event(EventField::OccurredAt)),
    ("event.seq", Variable::Event(EventField::Seq)),
    ("event.data", Variable::Event(EventField::Data)),
    ("event.fields", Variable::Event(EventField::Fields)),
    ("event.is_test", Variable::Event(EventField::IsTest)),
    ("attempt.at", Variable::AttemptAt),
    ("attempt.number", Variable::AttemptNumber),
    ("attempt.trace_id", Variable::AttemptTraceId),
    ("attempt.span_id", Variable::AttemptSpanId),
    ("attempt.nonce", Variable::AttemptNonce),
    ("delivery.id", Variable::DeliveryId),
    ("delivery.number", Variable::DeliveryNumber),
    ("endpoint.id", Variable::EndpointId),
    ("endpoint.url", Variable::EndpointUrl),
    ("endpoint.name", Variable::EndpointName),
    ("account.id", Variable::AccountId),
    ("account.name", Variable::AccountName),
    ("request.method", Variable::RequestMethod),
    ("request.url", Variable::RequestUrl),
    ("request.host", Variable::RequestHost),
    ("request.path", Variable::RequestPath),
    ("request.query", Variable::RequestQuery),
    ("published.url", Variable::PublishedUrl),
    ("body", Variable::Body),
    ("secret", Variable::Secret),
];

const PUBLISHED: &str = "published";
const ROOTS: &[&str] =
    &["event", "attempt", "delivery", "endpoint", "account", "request", PUBLISHED, "header", "signature", "body", "secret"];

/// Where the values of variables come from: an outgoing request, or a captured one.
pub(crate) trait Values {
    /// The value of a variable; `Absent` when there is none.
    fn get(&self, variable: &Variable) -> Piece<'_>;

    /// The text that a captured request shows for a whole expression.
    fn shown(&self, _expression: &str) -> Option<&str> {
        None
    }
}

/// The values, and the variables of the `$each` loops around.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) values: &'a dyn Values,
    pub(crate) locals: Option<&'a Local<'a>>,
}

/// A variable of a `$each` loop.
pub(crate) struct Local<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Piece<'a>,
    pub(crate) outer: Option<&'a Local<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn of(values: &'a dyn Values) -> Self {
        Self { values, locals: None }
    }

    pub(crate) fn get(&self, variable: &Variable) -> Piece<'a> {
        let Variable::Local(name) = variable else { return self.values.get(variable) };
        let mut local = self.locals;
        while let Some(candidate) = local {
            if candidate.name == name {
                return candidate.value.clone();
            }
            local = candidate.outer;
        }
        self.values.get(variable)
    }
}

/// Finds the variable that a chain of names starts with, and how many of them it takes. `locals` are the loop variables and what
/// only this part of a contract knows. Where some of those are named `root.field`, there is nothing of a request for a customer:
/// all that is known beside them is where the API is published.
pub(crate) fn resolve(chain: &[&str], locals: &[String]) -> Result<(Variable, usize), (String, String)> {
    let Some(root) = chain.first().copied() else { return Err(("a name is missing".into(), String::new())) };
    if locals.iter().any(|local| local == root) {
        return Ok((Variable::Local(root.to_owned()), 1));
    }
    let own: Vec<&str> = locals.iter().filter_map(|local| local.strip_prefix(root)?.strip_prefix('.')).collect();
    if !own.is_empty() {
        return resolve_own(root, chain.get(1).copied(), &own);
    }
    if root != PUBLISHED && locals.iter().any(|local| local.contains('.')) {
        let mut roots: Vec<&str> = locals.iter().map(|local| local.split('.').next().unwrap_or_default()).collect();
        roots.dedup();
        return Err((format!("there is no `{root}` here"), suggestion(root, &roots)));
    }
    if let Some((_, variable)) = NAMES.iter().find(|(name, _)| *name == root) {
        return Ok((variable.clone(), 1));
    }
    let Some(field) = chain.get(1).copied() else { return Err(unknown_alone(root, locals)) };
    match root {
        "header" => return Ok((Variable::Header(field.to_ascii_lowercase()), 2)),
        "signature" => return Ok((Variable::Signature(field.to_owned()), 2)),
        _ => {}
    }
    let name = format!("{root}.{field}");
    if let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok((variable.clone(), 2));
    }
    let fields: Vec<&str> = fields_of(root);
    if fields.is_empty() {
        return Err(unknown_alone(root, locals));
    }
    Err((format!("`{root}` has no `{field}`"), suggestion(field, &fields)))
}

fn resolve_own(root: &str, field: Option<&str>, own: &[&str]) -> Result<(Variable, usize), (String, String)> {
    match field {
        Some(field) if own.contains(&field) => Ok((Variable::Local(format!("{root}.{field}")), 2)),
        Some(field) => Err((format!("`{root}` has no `{field}` here"), suggestion(field, own))),
        None => {
            Err((format!("`{root}` alone is no value"), format!("write `{root}.` and one of {}", crate::diagnostic::list(own))))
        }
    }
}

fn fields_of(root: &str) -> Vec<&'static str> {
    NAMES.iter().filter_map(|(name, _)| name.strip_prefix(root)?.strip_prefix('.')).collect()
}

fn unknown_alone(root: &str, locals: &[String]) -> (String, String) {
    let fields = fields_of(root);
    if !fields.is_empty() {
        return (
            format!("`{root}` alone is no value"),
            format!("write `{root}.` and one of {}", crate::diagnostic::list(&fields)),
        );
    }
    if matches!(root, "header" | "signature") {
        return (format!("`{root}` alone is no value"), format!("write `{root}['name']`"));
    }
    let mut names = ROOTS.to_vec();
    names.extend(locals.iter().map(String::as_str));
    (format!("unknown variable `{root}`"), suggestion(root, &names))
}
