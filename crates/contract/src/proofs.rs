//! How a consumer verifies requests, in words.

use std::fmt::Write as _;
use std::time::Duration;

use crate::contract::Contract;
use crate::request::{Body, RequestPlan};
use crate::signature::hash::Encoding;
use crate::signature::{Scheme, Secrets, Signature};
use crate::template::{Part, Template};
use crate::tree::Tree;
use crate::variables::Variable;

/// Something in a request that only a holder of the secret could make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// Where it stands: a header's name, or the body.
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
        for variable in body_variables(&self.plan) {
            self.describe(&variable, "the body", &mut proofs);
        }
        proofs
    }

    /// How far the time in a request may be from a receiver's; `None` where no request carries the time of its attempt.
    pub fn tolerance(&self) -> Option<Duration> {
        let mut variables = self.plan.headers.iter().flat_map(|header| &header.values).flat_map(Template::variables);
        let in_headers = variables.any(|variable| *variable == Variable::AttemptAt);
        let in_body = body_variables(&self.plan).contains(&Variable::AttemptAt);
        let in_claims = self.signatures.iter().any(|signature| match &signature.scheme {
            Scheme::Jwt { claims, .. } => tree_variables(claims).contains(&Variable::AttemptAt),
            Scheme::Hmac { .. } | Scheme::Digest { .. } | Scheme::Plain(_) => false,
        });
        (in_headers || in_body || in_claims).then_some(self.tolerance)
    }

    fn describe(&self, variable: &Variable, place: &str, proofs: &mut Vec<Proof>) {
        let how = match variable {
            Variable::Secret => "the secret itself; compare it in constant time".to_owned(),
            Variable::Signature(name) => match self.signatures.iter().find(|signature| signature.name == *name) {
                Some(signature) => in_words(signature),
                None => return,
            },
            _ => return,
        };
        proofs.push(Proof { place: place.to_owned(), how });
    }
}

fn body_variables(plan: &RequestPlan) -> Vec<Variable> {
    match &plan.body {
        Body::Json(tree) => tree_variables(tree),
        Body::Empty => Vec::new(),
        Body::Text(template) => template.variables().cloned().collect(),
        Body::Form(pairs) => pairs.iter().flat_map(|(_, _, template)| template.variables()).cloned().collect(),
    }
}

fn tree_variables(tree: &Tree) -> Vec<Variable> {
    let mut variables = Vec::new();
    tree.visit(&mut |expression| variables.extend(expression.paths.iter().map(|path| path.variable.clone())));
    variables
}

fn in_words(signature: &Signature) -> String {
    let mut how = match &signature.scheme {
        Scheme::Hmac { hash, over, encode } => {
            let key = signature.key_in_words();
            format!("HMAC-{} in {} over `{}`, with {key} as its key", hash.name(), encoding(*encode), written(over))
        }
        Scheme::Digest { hash, over, encode } => format!("{} in {} of `{}`", hash.name(), encoding(*encode), written(over)),
        Scheme::Jwt { hash, claims, .. } => {
            let claims: Vec<String> = claims.fields().map(|(name, _, _)| format!("`{name}`")).collect();
            let key = signature.key_in_words();
            format!("a JWT ({}) with {key} as its key and the claims {}", hash.jwt_name(), claims.join(", "))
        }
        Scheme::Plain(text) => format!("`{}`, as it is", written(text)),
    };
    if !signature.prefix().is_empty() {
        let _ = write!(how, "; `{}` stands before it", signature.prefix());
    }
    match signature.secrets {
        Secrets::All => {
            let join = &signature.join;
            let _ =
                write!(how, "; while several secrets are active each gives one, joined by `{join}`, and one that fits is enough");
        }
        Secrets::Newest => how.push_str("; while several secrets are active the newest signs"),
        Secrets::Previous => how.push_str("; it is there while a second secret is active, which signs it"),
        Secrets::Oldest => how.push_str("; while several secrets are active the oldest signs"),
    }
    how
}

const fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "lower-case hex",
        Encoding::UpperHex => "upper-case hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
    }
}

/// A template as it stands in the contract.
fn written(template: &Template) -> String {
    let parts = template.parts.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Expression(expression) => format!("{{{{ {} }}}}", expression.text),
    });
    parts.collect()
}
