//! The names that an expression may use.
//!
//! To add a value: a variant with its name in [`Builtin`], its arm in `render`, a row in `docs/contract/values.md`, and an arm in
//! `captured` where a captured request shows it in some other way than the contract does.

use std::sync::Arc;

use crate::diagnostic::{Mistake, list, suggestion};
use crate::meter::Meter;
use crate::piece::Piece;

/// A name that an expression uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Variable {
    Builtin(Builtin),
    Header(String),
    Signature(String),
    /// A loop variable, or a name that only this part of a contract knows.
    Local(String),
}

bellwire_domain::words! {
    /// The values with fixed names, as the documentation lists them.
    pub(crate) enum Builtin {
        EventId = "event.id",
        EventType = "event.type",
        EventTitle = "event.title",
        EventDescription = "event.description",
        EventOccurredAt = "event.occurred_at",
        EventSeq = "event.seq",
        EventData = "event.data",
        EventFields = "event.fields",
        EventIsTest = "event.is_test",
        Events = "events",
        AttemptAt = "attempt.at",
        AttemptNumber = "attempt.number",
        AttemptTraceId = "attempt.trace_id",
        AttemptSpanId = "attempt.span_id",
        AttemptTraceparent = "attempt.traceparent",
        AttemptNonce = "attempt.nonce",
        AttemptPrevious = "attempt.previous",
        AttemptTrigger = "attempt.trigger",
        ActivationToken = "activation.token",
        DeliveryId = "delivery.id",
        DeliveryNumber = "delivery.number",
        DeliveryCreatedAt = "delivery.created_at",
        DeliveryFirstAttemptAt = "delivery.first_attempt_at",
        EndpointId = "endpoint.id",
        EndpointUrl = "endpoint.url",
        EndpointName = "endpoint.name",
        EndpointExpiresAt = "endpoint.expires_at",
        EndpointOptions = "endpoint.options",
        EndpointCredentials = "endpoint.credentials",
        AccountId = "account.id",
        AccountName = "account.name",
        RequestMethod = "request.method",
        RequestUrl = "request.url",
        RequestHost = "request.host",
        RequestPath = "request.path",
        RequestQuery = "request.query",
        PublishedUrl = "published.url",
        AccessToken = "access_token",
        Body = "body",
        Secret = "secret",
        KeyId = "key.id",
        KeyVersion = "key.version",
        KeyPublic = "key.public",
        KeySpki = "key.spki",
        KeyPem = "key.pem",
        KeyJwk = "key.jwk",
        KeyX509 = "key.x509",
    }
}

const PUBLISHED: &str = "published";
/// The names whose fields the contract defines.
const OPEN_ROOTS: [&str; 2] = ["header", "signature"];

impl Variable {
    /// When the attempt is made, which a receiver compares with its clock.
    pub(crate) const ATTEMPT_AT: Self = Self::Builtin(Builtin::AttemptAt);
    pub(crate) const KEY_VERSION: Self = Self::Builtin(Builtin::KeyVersion);
    pub(crate) const SECRET: Self = Self::Builtin(Builtin::Secret);
    pub(crate) const ACTIVATION_TOKEN: Self = Self::Builtin(Builtin::ActivationToken);

    /// Whether it has fields of its own.
    pub(crate) fn has_inside(&self) -> bool {
        matches!(
            self,
            Self::Local(_)
                | Self::Builtin(
                    Builtin::EventData
                        | Builtin::EventFields
                        | Builtin::Events
                        | Builtin::EndpointOptions
                        | Builtin::EndpointCredentials
                        | Builtin::AttemptPrevious
                        | Builtin::KeyJwk
                )
        )
    }

    /// Whether it is a value of the private key that signs, or which secret that is.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::Builtin(
                Builtin::KeyId
                    | Builtin::KeyVersion
                    | Builtin::KeyPublic
                    | Builtin::KeySpki
                    | Builtin::KeyPem
                    | Builtin::KeyJwk
                    | Builtin::KeyX509
            )
        )
    }

    /// The name by which an expression calls it: `root`, or `root.field`.
    pub(crate) fn names(&self) -> (&str, Option<&str>) {
        let name = match self {
            Self::Header(name) => return ("header", Some(name)),
            Self::Signature(name) => return ("signature", Some(name)),
            Self::Local(name) => name.as_str(),
            Self::Builtin(builtin) => builtin.as_str(),
        };
        name.split_once('.').map_or((name, None), |(root, field)| (root, Some(field)))
    }
}

/// Where the values of variables come from: an outgoing request, or a captured one.
pub(crate) trait Values {
    /// The value of a variable; `Absent` when there is none.
    fn get(&self, variable: &Variable) -> Piece<'_>;

    /// What rendering with these values may still cost.
    fn meter(&self) -> &Arc<Meter>;

    /// What may be said of a private key or of its public half.
    fn key(&self, _builtin: Builtin, _key: &str) -> Piece<'_> {
        Piece::Absent
    }

    /// What a captured request shows for a whole expression.
    fn shown(&self, _expression: &str) -> Option<Piece<'_>> {
        None
    }
}

/// The values, and the variables of the surrounding `$each` loops.
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

    /// What the rendering may still cost.
    pub(crate) fn meter(&self) -> &'a Arc<Meter> {
        self.values.meter()
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

/// Finds the variable that a chain of names starts with, and how many of the names it takes.
///
/// `locals` are the loop variables and the names that only this part of a contract knows. If some have the form `root.field`, the
/// template does not belong to a customer's request, and the only other name it knows is `published.url`.
pub(crate) fn resolve(chain: &[&str], locals: &[String]) -> Result<(Variable, usize), Mistake> {
    let Some(root) = chain.first().copied() else { return Err(Mistake::new("a name is missing", "")) };
    if locals.iter().any(|local| local == root) {
        return Ok((Variable::Local(root.to_owned()), 1));
    }
    let own: Vec<&str> = locals.iter().filter_map(|local| local.strip_prefix(root)?.strip_prefix('.')).collect();
    if !own.is_empty() {
        return resolve_own(root, chain.get(1).copied(), &own);
    }
    if root != PUBLISHED && locals.iter().any(|local| local.contains('.')) {
        let mut roots: Vec<&str> = locals.iter().map(|local| root_of(local)).collect();
        roots.dedup();
        return Err(Mistake::new(format!("there is no `{root}` here"), suggestion(root, &roots)));
    }
    if let Some(builtin) = Builtin::parse(root) {
        return Ok((Variable::Builtin(builtin), 1));
    }
    let Some(field) = chain.get(1).copied() else { return Err(unknown_alone(root, locals)) };
    match root {
        "header" => return Ok((Variable::Header(field.to_ascii_lowercase()), 2)),
        "signature" => return Ok((Variable::Signature(field.to_owned()), 2)),
        _ => {}
    }
    if let Some(builtin) = Builtin::parse(&format!("{root}.{field}")) {
        return Ok((Variable::Builtin(builtin), 2));
    }
    let fields: Vec<&str> = fields_of(root);
    if fields.is_empty() {
        return Err(unknown_alone(root, locals));
    }
    Err(Mistake::new(format!("`{root}` has no `{field}`"), suggestion(field, &fields)))
}

fn resolve_own(root: &str, field: Option<&str>, own: &[&str]) -> Result<(Variable, usize), Mistake> {
    match field {
        Some(field) if own.contains(&field) => Ok((Variable::Local(format!("{root}.{field}")), 2)),
        Some(field) => Err(Mistake::new(format!("`{root}` has no `{field}` here"), suggestion(field, own))),
        None => Err(incomplete(root, own)),
    }
}

fn root_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn fields_of(root: &str) -> Vec<&'static str> {
    Builtin::WORDS.iter().filter_map(|name| name.strip_prefix(root)?.strip_prefix('.')).collect()
}

fn incomplete(root: &str, fields: &[&str]) -> Mistake {
    Mistake::new(format!("`{root}` alone is not a value"), format!("write `{root}.` and one of {}", list(fields)))
}

fn unknown_alone(root: &str, locals: &[String]) -> Mistake {
    let fields = fields_of(root);
    if !fields.is_empty() {
        return incomplete(root, &fields);
    }
    if OPEN_ROOTS.contains(&root) {
        return Mistake::new(format!("`{root}` alone is not a value"), format!("write `{root}['name']`"));
    }
    let mut roots: Vec<&str> = Builtin::WORDS.iter().map(|name| root_of(name)).chain(OPEN_ROOTS).collect();
    roots.dedup();
    roots.extend(locals.iter().map(String::as_str));
    Mistake::new(format!("unknown variable `{root}`"), suggestion(root, &roots))
}
