//! Reads `heartbeat`: the request that an endpoint is sent when it was sent nothing else for some time.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::parse_duration;

use crate::diagnostic::Report;
use crate::failure::Failure;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::meter::Meter;
use crate::own_request::{DATA, OwnRequest, REQUEST, TYPE};
use crate::piece::Piece;
use crate::reader::Fields;
use crate::signature::Signatures;
use crate::template::Template;
use crate::variables::{Builtin, Scope, Values, Variable};
use crate::yaml::Node;

/// The value of `heartbeat`.
pub(crate) const HEARTBEAT: Shape = Shape::Named(&Definition {
    name: "heartbeat",
    about: "What an endpoint is sent when it was sent nothing else for some time.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "every",
        Shape::CHOSEN_DURATION,
        "After how long without a request.",
        "write a time, `every: 60s`, or an option of the endpoint, `every: \"{{ endpoint.options.heartbeat }}s\"`",
    ),
    TYPE,
    DATA,
    KeySpec::optional("timeout", Shape::DURATION, "How long the request may take; as a delivery's unless given."),
    REQUEST,
];
const TYPE_DEFAULT: &str = "heartbeat";
/// The least time between two of them.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// The most.
const EVERY_MAX: Duration = Duration::from_secs(30 * 86_400);

/// A contract's heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    every: Template,
    pub(crate) timeout: Option<Duration>,
    pub(crate) request: OwnRequest,
}

/// What the period may follow from.
struct Chosen {
    options: String,
    meter: Arc<Meter>,
}

impl Values for Chosen {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Builtin(Builtin::EndpointOptions) => Piece::Json(self.options.as_str().into()),
            _ => Piece::Absent,
        }
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

/// Reads `heartbeat`. `base` is the contract's own request.
pub(crate) fn read(node: &Node, base: &Node, signatures: &Signatures, report: &mut Report) -> Option<Heartbeat> {
    let fields = Fields::open(node, "heartbeat", KEYS, report)?;
    let every = fields.get("every").and_then(|node| read_every(node, &fields.path_of("every"), report));
    let timeout = fields.duration("timeout", report);
    let request = OwnRequest::read(&fields, TYPE_DEFAULT, base, signatures, report);
    Some(Heartbeat { every: every?, timeout, request: request? })
}

fn read_every(node: &Node, path: &str, report: &mut Report) -> Option<Template> {
    let every = Template::read(node, path, &[], report)?;
    if every.variables().any(|variable| *variable != Variable::Builtin(Builtin::EndpointOptions)) {
        let help = "use `endpoint.options` and the name of an option";
        report.add(node.at, path, "this is decided before there is a request, and knows the endpoint's options only", help);
        return None;
    }
    let help = format!("write from `1s` to `{}`", bellwire_domain::print_duration(EVERY_MAX));
    match every.constant().map(parse_duration) {
        Some(Err(error)) => report.add(node.at, path, error.to_string(), help),
        Some(Ok(span)) if !(EVERY_MIN..=EVERY_MAX).contains(&span) => {
            report.add(node.at, path, "this is too often, or too seldom", help);
        }
        _ => return Some(every),
    }
    None
}

impl Heartbeat {
    /// The templates that only know what an endpoint has chosen.
    pub(crate) fn every(&self) -> &Template {
        &self.every
    }

    /// How long an endpoint that has chosen these options is sent nothing before its heartbeat; `None`: it has none, as it has not
    /// chosen one, or has chosen 0.
    pub(crate) fn period(&self, options: String) -> Result<Option<Duration>, Failure> {
        let chosen = Chosen { options, meter: Arc::default() };
        let scope = Scope::of(&chosen);
        for expression in self.every.expressions() {
            match expression.evaluate(scope) {
                Ok(Piece::Absent | Piece::Null) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.absent => return Ok(None),
                Err(error) => return Err(Failure::of(expression, error)),
            }
        }
        let text = self.every.render_text(scope)?;
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let span = parse_duration(&if is_number { format!("{text}s") } else { text });
        let span = span.map_err(|error| Failure::new(self.every.at, error.to_string()))?;
        Ok((!span.is_zero()).then(|| span.clamp(EVERY_MIN, EVERY_MAX)))
    }
}
