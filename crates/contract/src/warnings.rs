//! Warnings: what is not wrong with a contract, but its author should know.
//!
//! A template can make far more than it is given: a rendering has bounds, and an event that would pass them cannot be sent. Secrets can
//! be short enough to be guessed. A signature can cover what no receiver knows.

mod signatures;

use crate::contract::Contract;
use crate::diagnostic::{At, Diagnostic};
use crate::request::{Body, RequestPlan};
use crate::tree::Growth;

impl Contract {
    /// What its author should know, although the contract is valid. `file` is its name in messages.
    pub fn warnings(&self, file: &str) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        let mut add = |at: At, path: &str, message: String, help: &str| {
            let (line, column) = (at.line, at.column);
            if !found.iter().any(|known| (known.line, known.column, &known.message) == (line, column, &message)) {
                let (file, path, help) = (file.to_owned(), path.to_owned(), help.to_owned());
                found.push(Diagnostic { file, line, column, path, message, help });
            }
        };
        for plan in self.plans() {
            self.warn_of(plan, &mut add);
        }
        self.warn_of_signatures(&mut add);
        for (at, path, message) in self.subscription.secret.warnings() {
            add(at, path, message, "ask for longer ones where you can");
        }
        found.sort_by_key(|warning| (warning.line, warning.column));
        found
    }

    fn warn_of(&self, plan: &RequestPlan, add: &mut dyn FnMut(At, &str, String, &str)) {
        for step in &plan.order {
            let path = plan.name(*step, &self.signatures);
            for expression in plan.expressions(*step, &self.signatures) {
                let Some(filter) = expression.grows_by else { continue };
                let message = format!("`{filter}` with a value of the event can make far more than the event has");
                add(expression.at, &path, message, "use a text or number that stands in the contract");
            }
        }
        if let Body::Json(tree) = &plan.body {
            tree.visit_growth(0, &mut |expression, growth| {
                let message = match growth {
                    Growth::Product => "a loop in a loop makes the product of what both lists have",
                    Growth::Whole => "a loop that repeats all of the data makes its size times the length of the list",
                };
                let help = match growth {
                    Growth::Product => "loop over a list of the outer item, such as `item.lines`",
                    Growth::Whole => "repeat only the fields that each item needs",
                };
                add(expression.at, "request.body", message.to_owned(), help);
            });
        }
    }
}
