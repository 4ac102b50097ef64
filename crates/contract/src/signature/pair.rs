//! Which key pair a contract signs with, and what requests may say of it.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::key_pair::{KeptKeys, KeyKind, SignatureAlgorithm};
use crate::piece::Piece;
use crate::signature::{Recipe, Secrets, Signature};
use crate::variables::{Builtin, Variable};

/// How a contract's private keys sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPairs {
    pub(crate) algorithm: SignatureAlgorithm,
    /// Which of the active keys sign.
    pub(crate) secrets: Secrets,
}

impl KeyPairs {
    /// What the first signature by a private key says.
    pub(crate) fn of(signatures: &[Signature]) -> Option<Self> {
        signatures.iter().find_map(|signature| Some(Self { algorithm: signature.key_pair()?, secrets: signature.secrets }))
    }

    /// What there is where keys sign for an access token alone.
    pub(crate) const fn asserting(algorithm: SignatureAlgorithm) -> Self {
        Self { algorithm, secrets: Secrets::Newest }
    }

    /// What there is where no signature uses the keys, but the contract has them.
    pub(crate) const fn unused(kind: KeyKind) -> Self {
        Self { algorithm: kind.usual_algorithm(), secrets: Secrets::Newest }
    }

    /// What a request says of a key, which is a private key or, in a captured request, its public half. `title` is whose it is.
    pub(crate) fn value(self, builtin: Builtin, key: (&str, &KeptKeys), title: &str) -> Piece<'static> {
        self.try_value(builtin, key, title).unwrap_or(Piece::Absent)
    }

    fn try_value(self, builtin: Builtin, (key, kept): (&str, &KeptKeys), title: &str) -> Result<Piece<'static>, String> {
        let kind = self.algorithm.kind();
        if builtin == Builtin::KeyX509 {
            return Ok(Piece::Text(kept.parse(kind, key)?.certificate(title)?.into()));
        }
        let public = kept.verifying(kind, key)?;
        Ok(match builtin {
            Builtin::KeyId => Piece::Text(public.id()?.into()),
            Builtin::KeyPublic => Piece::Bytes(public.raw()?.into()),
            Builtin::KeySpki => Piece::Bytes(public.spki()?.into()),
            Builtin::KeyPem => Piece::Text(public.pem()?.into()),
            Builtin::KeyJwk => Piece::Json(public.jwk(self.algorithm)?.into()),
            _ => Piece::Absent,
        })
    }
}

/// Of which of the active secrets or keys requests show the version: of that which makes the first signature, by a private key where one does.
pub(crate) fn speaks_of(signatures: &[Signature], key_pairs: Option<KeyPairs>) -> Secrets {
    let first = signatures.iter().find(|signature| !signature.is_of_activation).map(|signature| signature.secrets);
    key_pairs.map(|pairs| pairs.secrets).or(first).unwrap_or(Secrets::Newest)
}

/// What kinds of secrets and keys a contract has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds {
    /// What private keys there are, if there are any.
    pub(crate) key: Option<KeyKind>,
    /// Whether there are secrets that are texts beside them.
    pub(crate) has_both: bool,
}

/// Reports signatures that need another kind of key than the rest, or a secret that is none.
pub(crate) fn check(signatures: &[Signature], kinds: Kinds, report: &mut Report) {
    let Some(kind) = kinds.key else { return };
    for signature in signatures {
        let path = format!("signatures.{}", signature.name);
        if kinds.has_both {
            check_own_key(signature, &path, report);
        }
        match signature.scheme.recipe() {
            Recipe::KeyPair { algorithm, chosen_by, .. } if algorithm.kind() != kind => {
                let needed = algorithm.kind().title();
                report.add(
                    signature.at,
                    &format!("{path}.{chosen_by}"),
                    format!("this needs a key of {needed}, and the contract's keys are of {}", kind.title()),
                    "a contract has keys of one kind",
                );
            }
            Recipe::Hmac { .. } | Recipe::Token { .. } if !kinds.has_both => {
                let help = "sign with the private key everywhere: `sign: …`, or a `jwt` with another `alg`; or give the contract keys \
                            beside the secrets: `subscription: { keys: { from: contract } }`";
                report.add(signature.at, &path, "the secrets of this contract are private keys, which make no HMAC", help);
            }
            Recipe::KeyPair { .. } | Recipe::Hmac { .. } | Recipe::Token { .. } | Recipe::Hash { .. } | Recipe::Text(_) => {}
        }
    }
}

/// Where there are secrets and keys, reports a signature by one that speaks of the other.
fn check_own_key(signature: &Signature, path: &str, report: &mut Report) {
    let is_by_key = signature.key_pair().is_some();
    let shows_version = signature.prefix.shows_version() || matches!(signature.scheme.recipe(), Recipe::Token { .. });
    for expression in signature.expressions() {
        let uses = |wanted: &dyn Fn(&Variable) -> bool| expression.uses(wanted);
        if is_by_key && uses(&|used| *used == Variable::SECRET) {
            let help = "leave the secret to the signatures that it makes: `hmac`, `hash` and `plain`";
            report.add(expression.at, path, "here the secret is a private key, which is never sent", help);
        }
        if !is_by_key && uses(&|used| used.is_of_key() && *used != Variable::KEY_VERSION) {
            let help = "write `key.…` into the signatures by a private key, into headers or into the body";
            report.add(expression.at, path, "a secret makes this, which has no `key` but its version", help);
        }
        if !is_by_key && !shows_version && uses(&|used| *used == Variable::KEY_VERSION) {
            let help = "show it before the value: `prefix: \"v{{ key.version }}=\"`";
            report.add(
                expression.at,
                path,
                "the version of the secret is signed but not sent: elsewhere `key.version` is the key's",
                help,
            );
        }
    }
}

/// Reports an expression that would send a private key, or that speaks of a key where there is none.
pub(crate) fn check_expression(expression: &Expression, path: &str, kinds: Kinds, report: &mut Report) {
    if kinds.key.is_some() && !kinds.has_both && expression.uses(|variable| *variable == Variable::SECRET) {
        let help = "write `{{ key.pem }}` or another value of the public half";
        report.add(expression.at, path, "the secret is a private key, which is never sent", help);
    }
    let of_private_key = |variable: &Variable| variable.is_of_key() && *variable != Variable::KEY_VERSION;
    if kinds.key.is_none() && expression.uses(of_private_key) {
        let help = "sign with one: `signatures: { main: { sign: ed25519, over: \"{{ body }}\" } }`";
        report.add(expression.at, path, "there is no `key` here: nothing in this contract signs with a private key", help);
    }
}
