//! Renders the requests of a handshake, and says what its answers come to.

use std::sync::Arc;

use bellwire_domain::{OutboundRequest, Secret};

use crate::activation::{Activation, Granted, Step};
use crate::answer_rules::{AnswerInput, answer_object};
use crate::contract::Contract;
use crate::diagnostic::At;
use crate::expression::Expression;
use crate::failure::RenderError;
use crate::piece::Piece;
use crate::render::{RenderInput, Rendering};
use crate::variables::{Local, Scope};

impl Contract {
    /// What is wrong with conditions whatever is answered: where, in which key, and why.
    pub(crate) fn handshake_mistakes(
        &self,
        activation: &Activation,
        input: &RenderInput<'_>,
        answer: &AnswerInput<'_>,
    ) -> Vec<(At, &'static str, String)> {
        let last = activation.steps.len().saturating_sub(1);
        let accepts = activation
            .steps
            .iter()
            .enumerate()
            .filter_map(|(index, step)| Some((index, "activation.steps", step.accept.as_ref()?)));
        let granted = [("activation.secret", &activation.secret), ("activation.rate_limit", &activation.rate_limit)];
        let granted = granted.into_iter().filter_map(|(key, expression)| Some((last, key, expression.as_ref()?)));
        let wrong = |(index, key, expression): (usize, &'static str, &Expression)| {
            let local = Local { name: "answer", value: Piece::Json(answer_object(answer).into()), outer: None };
            let found = self.with_step(index, input, |rendering, _, _| {
                Ok(expression.evaluate(Scope { values: &rendering, locals: Some(&local) }).err())
            });
            let error = found.ok().flatten().filter(|error| !error.absent)?;
            Some((expression.at, key, error.message))
        };
        accepts.chain(granted).filter_map(wrong).collect()
    }

    /// The handshake before an endpoint gets events, if there is one.
    pub fn activation(&self) -> Option<&Activation> {
        self.activation.as_ref()
    }

    /// The request of a step, from 0. Of `input`, the event's id, type and data are the step's.
    ///
    /// # Errors
    /// There is no such step, or it cannot be rendered.
    pub fn render_activation(&self, step: usize, input: &RenderInput<'_>) -> Result<OutboundRequest, RenderError> {
        self.with_step(step, input, |rendering, activation, _| {
            let request = rendering.finish()?;
            Ok(OutboundRequest { heeded: Arc::clone(&activation.heeded), ..request })
        })
    }

    /// Whether the answer to a step is accepted; `input` is what it was rendered from.
    ///
    /// # Errors
    /// As those of [`Contract::render_activation`].
    pub fn accepts(&self, step: usize, input: &RenderInput<'_>, answer: &AnswerInput<'_>) -> Result<bool, RenderError> {
        self.with_step(step, input, |rendering, _, step| {
            let Some(accept) = &step.accept else { return Ok(self.delivery().success.accepts(answer.status)) };
            Ok(evaluated(&rendering, accept, answer, |value| value.is_true()).unwrap_or(false))
        })
    }

    /// What the answer to the last step gives the endpoint.
    ///
    /// # Errors
    /// As those of [`Contract::render_activation`].
    pub fn granted(&self, input: &RenderInput<'_>, answer: &AnswerInput<'_>) -> Result<Granted, RenderError> {
        let last = self.activation().map_or(0, Activation::steps).saturating_sub(1);
        self.with_step(last, input, |rendering, activation, _| {
            let text = |expression: &Option<Expression>| {
                let text = evaluated(&rendering, expression.as_ref()?, answer, |value| value.into_string().ok())?;
                text.filter(|text| !text.is_empty())
            };
            let rate_limit = text(&activation.rate_limit).and_then(|text| text.parse().ok());
            Ok(Granted { secret: text(&activation.secret).map(Secret::new), rate_limit })
        })
    }

    fn with_step<'a, T>(
        &'a self,
        index: usize,
        input: &RenderInput<'a>,
        use_it: impl FnOnce(Rendering<'_>, &'a Activation, &'a Step) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        let none = || RenderError::plain("activation", "there is no such step");
        let activation = self.activation().ok_or_else(none)?;
        let step = activation.steps.get(index).ok_or_else(none)?;
        let mut input = *input;
        input.event.event_type = &step.own.event_type;
        input.event.data = step.own.data.get();
        use_it(Rendering::of(self, &step.own.plan, &input)?, activation, step)
    }
}

/// What is made of the value of an expression over a rendered request and the answer to it; `None`: the answer lacks what it looks at.
fn evaluated<T>(
    rendering: &Rendering<'_>,
    expression: &Expression,
    answer: &AnswerInput<'_>,
    make: impl FnOnce(Piece<'_>) -> T,
) -> Option<T> {
    let local = Local { name: "answer", value: Piece::Json(answer_object(answer).into()), outer: None };
    let scope = Scope { values: rendering, locals: Some(&local) };
    match expression.evaluate(scope).ok()? {
        Piece::Absent | Piece::Null => None,
        found => Some(make(found)),
    }
}
