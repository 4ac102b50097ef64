//! A published API's own checks of a request, beside those of the use-cases.

use crate::expression::Expression;
use crate::published::bindings::Bindings;
use crate::published::error_kind::ErrorKind;
use crate::published::inputs::PublishedRequest;
use crate::template::Template;
use crate::variables::Scope;

/// A check: which requests it refuses, and with what.
#[derive(Debug)]
pub(crate) struct RefusalRule {
    pub(crate) when: Expression,
    pub(crate) kind: ErrorKind,
    pub(crate) message: Template,
    pub(crate) field: Option<String>,
}

/// A request that one of the checks refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuledOut {
    /// Why, as contracts distinguish it.
    pub kind: ErrorKind,
    /// The same for people.
    pub message: String,
    /// The part of the request that is wrong.
    pub field: Option<String>,
}

/// What is said where a message cannot be written, because it names what the request does not have.
const UNSAID: &str = "the request is not one that is taken here";

impl RefusalRule {
    /// The first of several checks that refuses a request.
    pub(crate) fn first(rules: &[Self], request: &PublishedRequest<'_>) -> Option<RuledOut> {
        if rules.is_empty() {
            return None;
        }
        let mut names = Bindings::default();
        request.bind(&mut names);
        let scope = Scope::of(&names);
        let rule = rules.iter().find(|rule| rule.refuses(scope))?;
        let message = rule.message.render_text(scope).unwrap_or_else(|_| UNSAID.to_owned());
        Some(RuledOut { kind: rule.kind, message, field: rule.field.clone() })
    }

    /// A check that looks at what the request does not have refuses nothing. One that cannot be worked out at all refuses: what is in
    /// the request is not what the check was written for.
    fn refuses(&self, scope: Scope<'_>) -> bool {
        match self.when.evaluate(scope) {
            Ok(value) => value.is_true(),
            Err(error) => !error.absent,
        }
    }
}
