//! Signatures that no receiver can compute, or that none is sent.

use crate::activation::Activation;
use crate::contract::Contract;
use crate::diagnostic::At;
use crate::expression::Expression;
use crate::path::Path;
use crate::request::{RequestPlan, Step};
use crate::signature::Signature;
use crate::template::Template;
use crate::variables::{Builtin, Variable};

impl Contract {
    pub(super) fn warn_of_signatures(&self, add: &mut dyn FnMut(At, &str, String, &str)) {
        let shaking = self.activation().map(Activation::signatures).unwrap_or_default();
        let plans: Vec<&RequestPlan> = self.plans().chain(self.activation().into_iter().flat_map(Activation::plans)).collect();
        for signature in &self.signatures {
            let path = format!("signatures.{}", signature.name);
            let is_compared = shaking.contains(&signature.name.as_str());
            if !is_compared && !plans.iter().any(|plan| self.used(plan).any(|used| used.name == signature.name)) {
                let help = format!("write `{{{{ signature['{}'] }}}}` into a header, or remove it", signature.name);
                add(signature.at, &path, "nothing uses this signature".to_owned(), &help);
            } else if let Some(over) = signature.scheme.signed().filter(|over| over.constant().is_some()) {
                let help = "sign what differs, such as \"{{ body }}\"";
                add(over.at, &format!("{path}.over"), "this signs the same text in each request".to_owned(), help);
            }
        }
        for plan in plans {
            self.warn_of_unsent(plan, add);
        }
    }

    /// Warns of values that are signed and that a receiver of the request does not learn.
    fn warn_of_unsent(&self, plan: &RequestPlan, add: &mut dyn FnMut(At, &str, String, &str)) {
        let sent = self.sent(plan);
        for signature in self.used(plan) {
            let over = signature.scheme.signed().into_iter().flat_map(Template::expressions);
            for expression in over {
                let unsent = expression.paths.iter().find(|path| is_of_this_request(&path.variable) && !is_sent(path, &sent));
                let Some(Path { variable, .. }) = unsent else { continue };
                let name = match variable.names() {
                    (root, Some(field)) => format!("{root}.{field}"),
                    (root, None) => root.to_owned(),
                };
                let path = format!("signatures.{}.over", signature.name);
                let help = "send what is signed as well, in a header or in the body";
                add(expression.at, &path, format!("`{name}` is signed but not sent, so no receiver can compute this"), help);
            }
        }
    }

    /// The signatures that a request has, directly or inside of others.
    fn used<'c>(&'c self, plan: &'c RequestPlan) -> impl Iterator<Item = &'c Signature> {
        let parts = plan.order.iter().filter(|step| !matches!(step, Step::Signature(_)));
        let mut wanted: Vec<&Expression> = parts.flat_map(|step| plan.expressions(*step, &self.signatures)).collect();
        let mut used: Vec<&Signature> = Vec::new();
        while let Some(expression) = wanted.pop() {
            for path in &expression.paths {
                let Variable::Signature(name) = &path.variable else { continue };
                let found = self.signatures.iter().find(|signature| signature.name == *name);
                if let Some(signature) = found.filter(|found| !used.iter().any(|known| known.name == found.name)) {
                    wanted.extend(signature.expressions());
                    used.push(signature);
                }
            }
        }
        used.into_iter()
    }

    /// The values that stand in a request: in its URL, headers and body, and in what is signed in the open.
    fn sent<'c>(&'c self, plan: &'c RequestPlan) -> Vec<&'c Path> {
        let parts = plan.order.iter().filter(|step| !matches!(step, Step::Signature(_)));
        let shown = parts.flat_map(|step| plan.expressions(*step, &self.signatures));
        let carried = self.used(plan).filter(|signature| signature.scheme.signed().is_none()).flat_map(Signature::expressions);
        let prefixes = self.used(plan).flat_map(|signature| signature.prefix.expressions());
        shown.chain(carried).chain(prefixes).flat_map(|expression| &expression.paths).collect()
    }
}

/// Whether a value differs from request to request in a way that its receiver cannot know.
fn is_of_this_request(variable: &Variable) -> bool {
    let Variable::Builtin(builtin) = variable else { return false };
    match builtin {
        Builtin::EventId
        | Builtin::EventType
        | Builtin::EventOccurredAt
        | Builtin::EventSeq
        | Builtin::EventData
        | Builtin::Events
        | Builtin::AttemptAt
        | Builtin::AttemptNumber
        | Builtin::AttemptTraceId
        | Builtin::AttemptSpanId
        | Builtin::AttemptTraceparent
        | Builtin::AttemptNonce
        | Builtin::AttemptPrevious
        | Builtin::AttemptTrigger
        | Builtin::DeliveryId
        | Builtin::DeliveryCreatedAt
        | Builtin::DeliveryFirstAttemptAt
        | Builtin::DeliveryNumber
        | Builtin::KeyVersion => true,
        Builtin::EventTitle
        | Builtin::EventDescription
        | Builtin::EventFields
        | Builtin::EventIsTest
        | Builtin::EndpointId
        | Builtin::EndpointUrl
        | Builtin::EndpointName
        | Builtin::EndpointExpiresAt
        | Builtin::EndpointOptions
        | Builtin::EndpointCredentials
        | Builtin::AccountId
        | Builtin::AccountName
        | Builtin::RequestMethod
        | Builtin::RequestUrl
        | Builtin::RequestHost
        | Builtin::RequestPath
        | Builtin::RequestQuery
        | Builtin::PublishedUrl
        | Builtin::ActivationToken
        | Builtin::AccessToken
        | Builtin::Body
        | Builtin::Secret
        | Builtin::KeyId
        | Builtin::KeyPublic
        | Builtin::KeySpki
        | Builtin::KeyPem
        | Builtin::KeyJwk
        | Builtin::KeyX509 => false,
    }
}

/// Whether a value is sent, by itself or inside of another.
fn is_sent(path: &Path, sent: &[&Path]) -> bool {
    sent.iter().any(|sent| sent.variable == path.variable && path.inside.starts_with(&sent.inside))
}
