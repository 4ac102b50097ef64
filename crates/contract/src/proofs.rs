//! How a receiver verifies requests, in words.

use std::time::Duration;

use crate::contract::Contract;
use crate::variables::{Builtin, Variable};

/// Something in a request that only a holder of the secret could make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// Where it is: a header's name, or the body.
    pub place: String,
    /// What it is, in a sentence.
    pub how: String,
}

impl Contract {
    /// What proves that a request is genuine, in the order of the contract.
    pub fn proofs(&self) -> Vec<Proof> {
        let mut proofs = Vec::new();
        for header in &self.plan.headers {
            for template in &header.values {
                for variable in template.variables() {
                    self.describe(variable, &format!("the header `{}`", header.name), &mut proofs);
                }
            }
        }
        for variable in self.plan.body.variables() {
            self.describe(variable, "the body", &mut proofs);
        }
        proofs
    }

    /// How far the time in a request may be from the receiver's clock. `None` if requests do not carry the time of the attempt.
    pub fn tolerance(&self) -> Option<Duration> {
        let shown = self.plan.header_variables().chain(self.plan.body.variables()).any(|used| *used == Variable::ATTEMPT_AT);
        let in_tokens = self.signatures.iter().filter_map(|signature| signature.scheme.as_token()).any(|token| {
            token.claims().expressions().iter().any(|claim| claim.uses(|variable| *variable == Variable::ATTEMPT_AT))
        });
        (shown || in_tokens).then_some(self.tolerance)
    }

    fn describe(&self, variable: &Variable, place: &str, proofs: &mut Vec<Proof>) {
        let how = match variable {
            Variable::Builtin(Builtin::Secret) => "the secret itself; compare it in constant time".to_owned(),
            Variable::Signature(name) => match self.signatures.iter().find(|signature| signature.name == *name) {
                Some(signature) => signature.describe(),
                None => return,
            },
            _ => return,
        };
        proofs.push(Proof { place: place.to_owned(), how });
    }
}
