//! What is known of an event and of an endpoint before a request is rendered, and conditions over it: `subscription.filter`, which says
//! whether an event goes to an endpoint, and `request.variants`.

use std::sync::{Arc, OnceLock};

use bellwire_domain::{EventType, Timestamp};

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::template::Template;
use crate::tree::Tree;
use crate::variables::{Builtin, Scope, Values, Variable};
use crate::yaml::{Kind, Node};

/// An event, as filters know it.
#[derive(Debug, Clone, Copy)]
pub struct FilteredEvent<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub event_type: &'a EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its data: valid JSON.
    pub data: &'a str,
    /// Whether it is a test event.
    pub is_test: bool,
}

/// What a filter has worked out of one event: the values that it names and that depend on nothing else. It is asked for each endpoint
/// of an account, and these are the same for all of them.
#[derive(Debug, Default)]
pub struct EventValues(OnceLock<Vec<Option<Piece<'static>>>>);

/// What conditions know.
pub(crate) struct Facts<'a> {
    pub(crate) event: FilteredEvent<'a>,
    /// The constants of the event, as a JSON object.
    pub(crate) fields: Option<&'a str>,
    /// All options of the endpoint, as a JSON object.
    pub(crate) options: String,
    pub(crate) meter: Arc<Meter>,
}

/// The names that conditions may use.
const KNOWN: [Builtin; 7] = [
    Builtin::EventId,
    Builtin::EventType,
    Builtin::EventOccurredAt,
    Builtin::EventData,
    Builtin::EventFields,
    Builtin::EventIsTest,
    Builtin::EndpointOptions,
];

/// A value as an expression names it.
fn spelled(variable: &Variable) -> String {
    match variable.names() {
        (root, Some(field)) => format!("{root}.{field}"),
        (root, None) => root.to_owned(),
    }
}

/// Reads a condition: one expression.
pub(crate) fn read_condition(node: &Node, path: &str, report: &mut Report) -> Option<Expression> {
    let help = "write one expression and nothing around it: `\"{{ endpoint.options.format == 'form' }}\"`";
    let expression = Template::read_expression(node, path, &[], ("a condition is one expression", help), report)?;
    check_known(&expression, node, path, report)?;
    Some(expression)
}

/// Reads a condition that may need names for what it looks at: one expression, or a tree of directives.
pub(crate) fn read_filter(node: &Node, path: &str, report: &mut Report) -> Option<Tree> {
    if !matches!(node.kind, Kind::Map(_)) {
        return read_condition(node, path, report).map(Tree::Value);
    }
    let tree = Tree::read(node, path, &[], report)?;
    if !matches!(tree, Tree::Let(_) | Tree::When(_) | Tree::Each(_)) {
        let help = "begin it with `$let`, `$when` or `$each`, or write one expression";
        report.add(node.at, path, "this always holds", help);
        return None;
    }
    let checked: Vec<Option<()>> =
        tree.expressions().into_iter().map(|expression| check_known(expression, node, path, report)).collect();
    checked.into_iter().collect::<Option<()>>()?;
    Some(tree)
}

/// Reports what is not known yet where conditions are decided.
fn check_known(expression: &Expression, node: &Node, path: &str, report: &mut Report) -> Option<()> {
    let known = |variable: &Variable| match variable {
        Variable::Builtin(builtin) => KNOWN.contains(builtin),
        Variable::Local(_) => true,
        _ => false,
    };
    if let Some(used) = expression.paths.iter().find(|path| !known(&path.variable)) {
        let help = format!("use `{}`", KNOWN.map(Builtin::as_str).join("`, `"));
        report.add(
            node.at,
            path,
            format!("`{}` is not known yet: this is decided before there is a request", spelled(&used.variable)),
            help,
        );
        return None;
    }
    Some(())
}

/// Reads an expression over the event alone.
pub(crate) fn read_event_value(node: &Node, path: &str, help: &str, report: &mut Report) -> Option<Expression> {
    let expression = Template::read_expression(node, path, &[], ("this is one expression", help), report)?;
    if expression.uses(is_other) {
        report.add(node.at, path, "this is decided when the event is published, and knows the event only", help);
        return None;
    }
    Some(expression)
}

/// Whether a condition knows it from the event alone.
fn is_of_event(variable: &Variable) -> bool {
    matches!(variable, Variable::Builtin(builtin) if KNOWN.contains(builtin) && *builtin != Builtin::EndpointOptions)
}

/// Whether a value depends on more than the event.
fn is_other(variable: &Variable) -> bool {
    !is_of_event(variable)
}

impl EventValues {
    /// The values that a filter names before it decides anything, in order. They are worked out when they are first asked for; `None`: it
    /// depends on the endpoint, or cannot be worked out, and then fails where it is used.
    pub(crate) fn of<'f>(&self, filter: &Tree, facts: impl FnOnce() -> Facts<'f>) -> &[Option<Piece<'static>>] {
        self.0.get_or_init(|| {
            let facts = facts();
            let mut known = KnownNames { facts: &facts, names: Vec::new() };
            let work_out = |(name, value): (&str, &Expression)| {
                let found = if value.uses(|variable| !known.has(variable)) { None } else { known.work_out(value) };
                known.names.push((name.to_owned(), found.clone()));
                found
            };
            filter.first_names().map(work_out).collect()
        })
    }
}

/// An event, and the values of names that depend on it alone.
struct KnownNames<'f> {
    facts: &'f Facts<'f>,
    /// `None`: it depends on more. A later one hides an earlier one.
    names: Vec<(String, Option<Piece<'static>>)>,
}

impl KnownNames<'_> {
    fn find(&self, name: &str) -> Option<&Piece<'static>> {
        self.names.iter().rev().find(|(known, _)| known == name)?.1.as_ref()
    }

    fn has(&self, variable: &Variable) -> bool {
        match variable {
            Variable::Local(name) => self.find(name).is_some(),
            other => is_of_event(other),
        }
    }

    fn work_out(&self, value: &Expression) -> Option<Piece<'static>> {
        match value.evaluate(Scope::of(self)) {
            Ok(found) => Some(found.into_owned()),
            Err(error) => error.absent.then_some(Piece::Absent),
        }
    }
}

impl Values for KnownNames<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Local(name) => self.find(name).map_or(Piece::Absent, Piece::borrowed),
            other => self.facts.get(other),
        }
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.facts.meter
    }
}

impl Facts<'_> {
    /// Whether a condition holds. One that looks at what is not there does not.
    pub(crate) fn hold(&self, condition: &Expression) -> Result<bool, String> {
        match condition.evaluate(Scope::of(self)) {
            Ok(value) => Ok(value.is_true()),
            Err(error) if error.absent => Ok(false),
            Err(error) => Err(error.message),
        }
    }

    /// Whether a filter holds: what it comes to is there, and neither null, false, 0 nor empty. `known` are values of its first names.
    pub(crate) fn pass(&self, filter: &Tree, known: &[Option<Piece<'static>>]) -> Result<bool, String> {
        if let Tree::Value(condition) = filter {
            return self.hold(condition);
        }
        let mut out = String::new();
        match filter.render_knowing(known, Scope::of(self), &mut out) {
            Ok(there) => Ok(there && Piece::Json(out.as_str().into()).is_true()),
            Err(failure) if failure.absent => Ok(false),
            Err(failure) => Err(failure.message),
        }
    }
}

impl Values for Facts<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        let Variable::Builtin(builtin) = variable else { return Piece::Absent };
        match builtin {
            Builtin::EventId => Piece::text(self.event.id),
            Builtin::EventType => Piece::text(self.event.event_type.as_str()),
            Builtin::EventOccurredAt => Piece::Time(self.event.occurred_at),
            Builtin::EventData => Piece::Json(self.event.data.into()),
            Builtin::EventFields => self.fields.map_or(Piece::Absent, |raw| Piece::Json(raw.into())),
            Builtin::EventIsTest => Piece::Bool(self.event.is_test),
            Builtin::EndpointOptions => Piece::Json(self.options.as_str().into()),
            _ => Piece::Absent,
        }
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}
