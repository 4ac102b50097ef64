//! Signatures: named values computed with the endpoint's secrets.
//!
//! Each scheme has a file of its own. To add one: write that file after the model of `hmac`, and add its line to [`SCHEMES`].

mod digest;
mod hash;
mod hmac;
mod jwt;
mod key;
mod pair;
mod plain;
mod prefix;
mod scheme;
mod sign;

use std::fmt::Write as _;
use std::sync::Arc;

use bellwire_domain::Secret;

use crate::diagnostic::{At, Mistake, Report, list, suggestion};
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{Definition, KeySpec, Shape, Variant, names, union};
use crate::key_pair::SignatureAlgorithm;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::reader::{Fields, entries};
use crate::variables::{Builtin, Scope, Values, Variable};
use crate::yaml::Node;

pub(crate) use hash::{Encoding, Hash};
use prefix::{PREFIX, Prefix};

pub(crate) use key::{KeyDerivation, SecretEncoding};
pub(crate) use pair::{KeyPairs, Kinds, check as check_pairs, check_expression as check_key_use, speaks_of};
pub(crate) use scheme::{Receiver, Recipe, Scheme, SchemeKind, Secrets, Token};

/// Every scheme that there is.
const SCHEMES: &[SchemeKind] = &[hmac::HMAC, digest::DIGEST, sign::SIGN, jwt::JWT, plain::PLAIN];

/// The value of each signature in `signatures`.
pub(crate) const SIGNATURE: Shape = Shape::Named(&Definition {
    name: "signature",
    about: "A value computed with the secrets.",
    shape: Shape::Variants { of: variants, common: COMMON_KEYS },
    examples: &[],
});
const COMMON_KEYS: &[KeySpec] = &[
    PREFIX,
    KeySpec::optional("join", Shape::TEXT, "What stands between the values of several secrets. With it, all of them sign."),
    KeySpec::optional("secrets", Shape::Words(Secrets::WORDS), "Which of the active secrets sign."),
];

fn variants() -> Vec<Variant> {
    SCHEMES.iter().map(|kind| Variant { chosen_by: kind.chosen_by, keys: kind.keys }).collect()
}

/// A named signature.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) at: At,
    pub(crate) scheme: Box<dyn Scheme>,
    pub(crate) secrets: Secrets,
    pub(crate) prefix: Prefix,
    pub(crate) join: String,
    /// Whether it is over the token of a handshake, and so has no value in deliveries.
    pub(crate) is_of_activation: bool,
}

impl Signature {
    /// Reads `signatures.<name>`.
    pub(crate) fn read(name: &str, node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let fields = Fields::open_with(node, path, &names(&union(&variants(), COMMON_KEYS)), report)?;
        let kind = read_kind(&fields, report)?;
        fields.check_missing(kind.keys, report);
        for key in SCHEMES.iter().flat_map(|other| other.keys).filter(|key| !kind.keys.iter().any(|own| own.name == key.name)) {
            if let Some(node) = fields.get(key.name) {
                let (message, help) = kind.stray_key;
                report.add(node.at, &fields.path_of(key.name), message, help);
            }
        }
        let scheme = (kind.read)(&fields, report);
        // Without `join` there is room for one value only. Then the oldest secret signs: until its overlap has ended, receivers that
        // have not taken up the new one yet still know it, and those that have do, too.
        let unless_said = match (kind.secrets, fields.get("join")) {
            (Secrets::All, None) => Secrets::Oldest,
            (default, _) => default,
        };
        let secrets = fields.word("secrets", report).unwrap_or(unless_said);
        let prefix = Prefix::read(&fields, report);
        let join = fields.text("join", report).unwrap_or_else(|| ",".to_owned());
        let scheme = scheme?;
        let mut is_of_activation = false;
        scheme.visit(&mut |expression| is_of_activation |= expression.uses(|used| *used == Variable::ACTIVATION_TOKEN));
        Some(Self { name: name.to_owned(), at: node.at, scheme, secrets, prefix: prefix?, join, is_of_activation })
    }

    /// The value for the active secrets, newest first; `None` when no secret signs.
    pub(crate) fn value<'s>(
        &self,
        values: &dyn Values,
        secrets: impl Iterator<Item = Signer<'s>>,
    ) -> Result<Option<String>, Failure> {
        let (skip, take) = match self.secrets {
            Secrets::All => (0, usize::MAX),
            Secrets::Newest => (0, 1),
            Secrets::Previous => (1, 1),
            Secrets::Oldest => return secrets.last().map(|secret| self.one(values, secret)).transpose(),
        };
        let mut joined: Option<String> = None;
        for secret in secrets.skip(skip).take(take) {
            let one = self.one(values, secret)?;
            joined = Some(match joined {
                None => one,
                Some(before) => before + &self.join + &one,
            });
        }
        Ok(joined)
    }

    /// The value for one secret, with its prefix.
    pub(crate) fn one(&self, values: &dyn Values, signer: Signer<'_>) -> Result<String, Failure> {
        let with_secret = WithSecret { values, signer };
        let mut out = String::new();
        self.prefix.write(Scope::of(&with_secret), &mut out)?;
        self.scheme.sign(signer.secret, Scope::of(&with_secret), &mut out)?;
        Ok(out)
    }

    /// How a private key makes it, if one does.
    pub(crate) fn key_pair(&self) -> Option<SignatureAlgorithm> {
        match self.scheme.recipe() {
            Recipe::KeyPair { algorithm, .. } => Some(algorithm),
            Recipe::Hmac { .. } | Recipe::Hash { .. } | Recipe::Token { .. } | Recipe::Text(_) => None,
        }
    }

    /// Whether a text is its value for a key, where that can be told without computing it again.
    pub(crate) fn verify(&self, values: &dyn Values, key: &str, text: &str) -> Option<Result<bool, String>> {
        let (text, version) = self.prefix.strip(text).unwrap_or_default();
        let with_secret = WithSecret { values, signer: Signer { secret: key, version } };
        self.scheme.verify(key, Scope::of(&with_secret), text)
    }

    /// Whether it is computed like another, but by another of the active secrets.
    pub(crate) fn is_same_by_another_secret(&self, other: &Self) -> bool {
        self.secrets != other.secrets && self.scheme.describe() == other.scheme.describe()
    }

    /// How a receiver verifies it, in a sentence.
    pub(crate) fn describe(&self) -> String {
        let mut how = self.scheme.describe();
        if self.prefix.constant() != Some("") {
            let _ = write!(how, "; `{}` stands before it", self.prefix.source());
        }
        if self.prefix.shows_version() {
            how.push_str(
                ", where `key.version` is the number of the secret, which is 1 for the first and one more for each new one",
            );
        }
        match self.secrets {
            Secrets::All => {
                let join = &self.join;
                let _ = write!(
                    how,
                    "; while several secrets are active each gives one, joined by `{join}`, and one that fits is enough"
                );
            }
            Secrets::Newest => how.push_str("; while several secrets are active the newest signs"),
            Secrets::Previous => how.push_str("; it is there while a second secret is active, which signs it"),
            Secrets::Oldest => how.push_str("; while several secrets are active the oldest signs"),
        }
        how
    }

    /// The expressions that its value is made of.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        let mut found: Vec<&Expression> = self.prefix.expressions().collect();
        self.scheme.visit(&mut |expression| found.push(expression));
        found
    }
}

/// The signatures of a contract.
#[derive(Debug)]
pub(crate) struct Signatures {
    pub(crate) read: Vec<Signature>,
    /// The names of those that are wrong. They may be used, so that nothing is said of it twice.
    unread: Vec<String>,
}

impl Signatures {
    /// Reads `signatures`.
    pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Self {
        let mut signatures = Self { read: Vec::new(), unread: Vec::new() };
        let help = "write a mapping from names to signatures: `main: { hmac: sha256, over: \"{{ body }}\" }`";
        let entries = node.and_then(|node| entries(node, "signatures", help, report)).unwrap_or_default();
        for (key, node) in entries {
            match Signature::read(&key.text, node, &format!("signatures.{}", key.text), report) {
                Some(signature) => signatures.read.push(signature),
                None => signatures.unread.push(key.text.clone()),
            }
        }
        signatures
    }

    /// Where a signature is among those that were read; the error says that there is none of this name.
    pub(crate) fn find(&self, name: &str) -> Result<Option<usize>, Mistake> {
        let found = self.read.iter().position(|signature| signature.name == name);
        if found.is_some() || self.unread.iter().any(|unread| unread == name) {
            return Ok(found);
        }
        let names = self.read.iter().map(|signature| &signature.name).chain(&self.unread);
        let names: Vec<&str> = names.map(String::as_str).collect();
        Err(Mistake::new(format!("there is no signature `{name}` in `signatures`"), suggestion(name, &names)))
    }
}

/// The scheme that a signature chooses.
fn read_kind(fields: &Fields<'_>, report: &mut Report) -> Option<&'static SchemeKind> {
    let mut chosen = SCHEMES.iter().filter(|kind| fields.get(kind.chosen_by.name).is_some());
    let (first, second) = (chosen.next(), chosen.next());
    let meant = SCHEMES.iter().find(|kind| fields.is_misspelt(kind.chosen_by.name));
    let first = first.or(meant);
    if first.is_none() {
        let examples: Vec<&str> = SCHEMES.iter().map(|kind| kind.example).collect();
        report.add(fields.at, &fields.path, "no algorithm", format!("write one of {}", list(&examples)));
    }
    if second.is_some() {
        let known: Vec<&str> = SCHEMES.iter().map(|kind| kind.chosen_by.name).collect();
        report.add(fields.at, &fields.path, "more than one algorithm", format!("keep one of {}", list(&known)));
        return None;
    }
    first
}

/// A secret that signs.
#[derive(Debug, Clone)]
pub struct SigningSecret {
    /// The secret, or the private key.
    pub secret: Secret<String>,
    /// Which of its owner's it is: 1 is the first, and each new one has one more.
    pub version: i64,
    /// Whether it is a key of the contract that signs beside the secrets.
    pub is_beside: bool,
}

impl SigningSecret {
    /// Secrets that are given newest first, as if their owner had never had others.
    pub fn numbered(secrets: &[Secret<String>]) -> Vec<Self> {
        let versions = (1..).take(secrets.len()).collect::<Vec<i64>>();
        secrets
            .iter()
            .zip(versions.into_iter().rev())
            .map(|(secret, version)| Self { secret: secret.clone(), version, is_beside: false })
            .collect()
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        Signer { secret: self.secret.expose(), version: Some(self.version) }
    }
}

/// The secret that makes a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer<'s> {
    pub(crate) secret: &'s str,
    /// Its number; `None`: whoever verifies does not know it but from the request.
    pub(crate) version: Option<i64>,
}

/// The values with the secret that signs just now.
struct WithSecret<'a> {
    values: &'a dyn Values,
    signer: Signer<'a>,
}

impl Values for WithSecret<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Builtin(Builtin::Secret) => Piece::text(self.signer.secret),
            Variable::Builtin(Builtin::KeyVersion) => match self.signer.version {
                Some(version) => Piece::number(&version),
                None => self.values.get(variable),
            },
            Variable::Builtin(builtin) if variable.is_of_key() => self.values.key(*builtin, self.signer.secret),
            other => self.values.get(other),
        }
    }

    fn shown(&self, expression: &str) -> Option<Piece<'_>> {
        if expression == Builtin::Secret.as_str() { None } else { self.values.shown(expression) }
    }

    fn key(&self, builtin: Builtin, key: &str) -> Piece<'_> {
        self.values.key(builtin, key)
    }

    fn meter(&self) -> &Arc<Meter> {
        self.values.meter()
    }
}
