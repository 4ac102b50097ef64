//! Reads `activation`: the handshake by which an endpoint shows that it wants to be sent to, before it gets any events.
//!
//! A handshake is one request or several. Each is the contract's own request with what the step changes, as an event's `request` is, and
//! knows a fresh token as `activation.token`. A step is accepted by its answer: the statuses of `delivery.success`, or a condition, which
//! knows everything that the request knows, and the answer. So a signature over the token is declared like any other, and compared.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{EventType, RateLimit, RetrySchedule, Secret};
use http::HeaderName;

use crate::answer_rules::{header_name, header_names};
use crate::diagnostic::{Report, suggestion};
use crate::expression::Expression;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::own_request::{DATA, OwnRequest, REQUEST, TYPE};
use crate::path::Path;
use crate::policy::{RETRY, read_retry};
use crate::reader::{Fields, items, join};
use crate::request::RequestPlan;
use crate::signature::Signatures;
use crate::subscription::{SecretRules, SecretSource};
use crate::template::{TEMPLATE, Template};
use crate::variables::Variable;
use crate::yaml::Node;

/// The value of `activation`.
pub(crate) const ACTIVATION: Shape = Shape::Named(&Definition {
    name: "activation",
    about: "The handshake before an endpoint gets events.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "steps",
        Shape::List { of: &STEP, min: Some(1), max: Some(STEPS_MAX) },
        "The requests, one after another.",
        "list the requests: `- { request: { query: { challenge: \"{{ activation.token }}\" } } }`",
    ),
    KeySpec::optional("timeout", Shape::DURATION, "How long one request may take; as a delivery's unless given."),
    KeySpec::optional("retry", RETRY, "When to try the handshake again; four times within an hour unless given."),
    KeySpec::optional("every", Shape::DURATION, "After which time the handshake is repeated."),
    KeySpec::optional(
        "confirmed_by",
        Shape::Words(Confirmer::WORDS),
        "Whether the answers are enough, or the receiver calls back.",
    ),
    KeySpec::optional("secret", TEMPLATE, "The endpoint's secret, from the last answer."),
    KeySpec::optional("rate_limit", TEMPLATE, "The endpoint's rate limit, from the last answer."),
];
const STEP: Shape = Shape::Keys(STEP_KEYS);
const STEP_KEYS: &[KeySpec] =
    &[TYPE, DATA, REQUEST, KeySpec::optional("accept", TEMPLATE, "The condition under which the answer is accepted.")];
const STEPS_MAX: usize = 5;
const TYPE_DEFAULT: &str = "activation";
/// The least time between two handshakes.
const EVERY_MIN: Duration = Duration::from_secs(60);

bellwire_domain::words! {
    /// What ends a handshake.
    pub enum Confirmer {
        /// The last accepted answer.
        Answer = "answer",
        /// A call of the receiver to the published API.
        Receiver = "receiver",
    }
}

/// A contract's handshake.
#[derive(Debug)]
pub struct Activation {
    pub(crate) steps: Vec<Step>,
    /// How long one request may take.
    pub timeout: Option<Duration>,
    /// When a handshake that failed is tried again.
    pub schedule: RetrySchedule,
    /// After which time one that succeeded is repeated; `None`: it is not.
    pub every: Option<Duration>,
    /// What ends it.
    pub confirmed_by: Confirmer,
    pub(crate) secret: Option<Expression>,
    pub(crate) rate_limit: Option<Expression>,
    pub(crate) heeded: Arc<[HeaderName]>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) own: OwnRequest,
    pub(crate) accept: Option<Expression>,
}

/// What the last answer of a handshake gives the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// Its secret.
    pub secret: Option<Secret<String>>,
    /// Its rate limit.
    pub rate_limit: Option<RateLimit>,
}

/// Reads `activation`. `request` is the contract's own.
pub(crate) fn read(node: &Node, request: &Node, signatures: &Signatures, report: &mut Report) -> Option<Activation> {
    let fields = Fields::open(node, "activation", KEYS, report)?;
    let steps: Option<Vec<Step>> = items(fields.get("steps")?, "activation.steps", "list the requests", report)?
        .iter()
        .enumerate()
        .map(|(index, node)| read_step(node, &format!("activation.steps[{index}]"), request, signatures, report))
        .collect();
    let timeout = fields.duration("timeout", report);
    let every = fields.duration("every", report);
    if every.is_some_and(|every| every < EVERY_MIN) {
        report.add(fields.at("every"), "activation.every", "too often", "write at least `1m`");
    }
    let schedule = match fields.get("retry") {
        Some(node) => read_retry(node, "activation.retry", report)?,
        None => {
            RetrySchedule::list([10, 60, 600, 3_000].map(Duration::from_secs).into()).unwrap_or_else(|_| RetrySchedule::none())
        }
    };
    let mut granted = |key: &str| match fields.get(key) {
        Some(node) => read_condition(node, &fields.path_of(key), report).map(Some),
        None => Some(None),
    };
    let (secret, rate_limit) = (granted("secret")?, granted("rate_limit")?);
    let steps = steps?;
    let conditions = steps.iter().filter_map(|step| step.accept.as_ref()).chain(&secret).chain(&rate_limit);
    let heeded = heeded(conditions);
    let confirmed_by = fields.word("confirmed_by", report).unwrap_or(Confirmer::Answer);
    Some(Activation { steps, timeout, schedule, every, confirmed_by, secret, rate_limit, heeded })
}

/// Reports an answer that would give the endpoint a secret that it cannot have.
pub(crate) fn check(activation: &Activation, rules: &SecretRules, report: &mut Report) {
    let Some(expression) = &activation.secret else { return };
    if matches!(rules.from, SecretSource::Account | SecretSource::Contract) {
        let help = "write `subscription: { secret: { from: consumer, required: false } }`";
        report.add(
            expression.at,
            "activation.secret",
            "the secret is the account's, and an answer speaks for one endpoint",
            help,
        );
    }
    if rules.private_key.is_some() {
        report.add(
            expression.at,
            "activation.secret",
            "the secrets of this contract are private keys, which no receiver gives",
            "",
        );
    }
}

fn read_step(node: &Node, path: &str, request: &Node, signatures: &Signatures, report: &mut Report) -> Option<Step> {
    let fields = Fields::open(node, path, STEP_KEYS, report)?;
    let own = OwnRequest::read(&fields, TYPE_DEFAULT, request, signatures, report);
    let accept = match fields.get("accept") {
        Some(node) => read_condition(node, &join(path, "accept"), report).map(Some),
        None => Some(None),
    };
    Some(Step { own: own?, accept: accept? })
}

/// A condition over the answer and everything that the request knows.
fn read_condition(node: &Node, path: &str, report: &mut Report) -> Option<Expression> {
    let help = "write one expression and nothing around it: `\"{{ answer.body == activation.token }}\"`";
    let expression = Template::read_expression(node, path, &["answer".to_owned()], ("this is one expression", help), report)?;
    for used in expression.paths.iter().filter(|used| is_answer(used)) {
        let parts = ["status", "body", "json", "header"];
        match used.names_inside().first() {
            Some(part) if parts.contains(part) => {}
            part => {
                let message = part.map_or("`answer` alone is not a value".to_owned(), |part| format!("`answer` has no `{part}`"));
                report.add(expression.at, path, message, suggestion(part.unwrap_or(&""), &parts));
                return None;
            }
        }
        if used.names_inside().first() == Some(&"header")
            && let Err(mistake) = header_name(used.names_inside().get(1).copied())
        {
            report.add(expression.at, path, mistake.message, mistake.help);
            return None;
        }
    }
    Some(expression)
}

fn is_answer(path: &Path) -> bool {
    matches!(&path.variable, Variable::Local(name) if name == "answer")
}

fn heeded<'e>(conditions: impl Iterator<Item = &'e Expression>) -> Arc<[HeaderName]> {
    let paths = conditions.flat_map(|condition| &condition.paths).filter(|path| is_answer(path));
    header_names(paths.filter_map(|path| match path.names_inside().as_slice() {
        ["header", name, ..] => Some(*name),
        _ => None,
    }))
}

impl Activation {
    /// The event type that its first request is rendered with.
    pub fn event_type(&self) -> Option<&EventType> {
        self.steps.first().map(|step| &step.own.event_type)
    }

    /// The names of the signatures that answers are compared with, or that answers give.
    pub(crate) fn signatures(&self) -> Vec<&str> {
        let conditions = self.steps.iter().filter_map(|step| step.accept.as_ref());
        let paths = conditions.chain(&self.secret).chain(&self.rate_limit).flat_map(|expression| &expression.paths);
        paths.filter_map(|path| if let Variable::Signature(name) = &path.variable { Some(name.as_str()) } else { None }).collect()
    }

    /// The condition under which the answer to a request is right; `None`: its status says.
    pub fn accepts(&self, step: usize) -> Option<&str> {
        Some(self.steps.get(step)?.accept.as_ref()?.text.as_str())
    }

    pub(crate) fn plans(&self) -> impl Iterator<Item = &RequestPlan> {
        self.steps.iter().map(|step| &step.own.plan)
    }

    /// How many requests it takes.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }
}
