//! What secrets and keys a contract has, and what of it needs them.

use crate::expression::Expression;
use crate::key_pair::PrivateKey;
use crate::request::{RequestPlan, Step};
use crate::signature::{Kinds, Signature, SigningSecret};
use crate::subscription::Subscription;
use crate::variables::Variable;

/// The random bytes that examples are drawn from.
const EXAMPLE: [u8; 32] = [7; 32];

/// What kinds of secrets and keys there are.
pub(super) fn kinds(subscription: &Subscription) -> Kinds {
    let beside = subscription.keys_beside;
    Kinds { key: beside.or(subscription.secret.private_key), has_both: beside.is_some() }
}

/// Secrets for examples: one, and a key of the contract where such sign beside it.
pub(super) fn examples(subscription: &Subscription) -> Vec<SigningSecret> {
    let secret = SigningSecret { secret: subscription.secret.draw(&EXAMPLE), version: 1, is_beside: false };
    let key = subscription.keys_beside.and_then(|kind| PrivateKey::draw(kind, EXAMPLE).ok());
    let key = key.map(|secret| SigningSecret { secret, version: 1, is_beside: true });
    std::iter::once(secret).chain(key).collect()
}

/// Whether a request has something of a secret, or of a key.
pub(super) fn uses_secret(plan: &RequestPlan, signatures: &[Signature]) -> bool {
    uses(plan, signatures, |used| matches!(used, Variable::Signature(_)) || *used == Variable::SECRET || used.is_of_key())
}

/// Whether a request has something that a text makes, and no private key.
pub(super) fn uses_text(plan: &RequestPlan, signatures: &[Signature]) -> bool {
    uses(plan, signatures, |used| match used {
        Variable::Signature(name) => signatures.iter().any(|signature| signature.name == *name && signature.key_pair().is_none()),
        other => *other == Variable::SECRET,
    })
}

fn uses(plan: &RequestPlan, signatures: &[Signature], wanted: impl Fn(&Variable) -> bool) -> bool {
    let steps = plan.order.iter().filter(|step| !matches!(step, Step::Signature(_)));
    let mut expressions = steps.flat_map(|step| plan.expressions(*step, signatures));
    expressions.any(|expression: &Expression| expression.uses(&wanted))
}
