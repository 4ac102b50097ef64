//! What every signature scheme says of itself.
//!
//! A scheme is a file beside this one and a line in `SCHEMES`: its keys in the contract, how it signs, how it is described to
//! people, and what else its verification needs. Nothing outside names a scheme.

use std::fmt;

use bellwire_domain::{Secret, Timestamp};

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::key_pair::SignatureAlgorithm;
use crate::reader::Fields;
use crate::signature::hash::{Encoding, Hash};
use crate::signature::key::KeyDerivation;
use crate::template::{TEMPLATE, Template};
use crate::tree::Tree;
use crate::variables::Scope;

/// A scheme as the language knows it.
pub(crate) struct SchemeKind {
    /// The key that chooses it.
    pub(crate) chosen_by: KeySpec,
    /// How that key is written, for messages.
    pub(crate) example: &'static str,
    /// Its other keys.
    pub(crate) keys: &'static [KeySpec],
    /// What to say of a key that only other schemes have: the message, and what would be right.
    pub(crate) stray_key: (&'static str, &'static str),
    /// Which secrets sign unless the contract says so. All of them only do where it says how to join their values.
    pub(crate) secrets: Secrets,
    /// Reads a mapping whose keys have been checked.
    pub(crate) read: fn(&Fields<'_>, &mut Report) -> Option<Box<dyn Scheme>>,
}

/// A scheme as one contract uses it.
pub(crate) trait Scheme: fmt::Debug + Send + Sync {
    /// Appends the value for one secret, which `scope` knows as `secret`.
    fn sign(&self, secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure>;

    /// What the value is, for people who verify it.
    fn describe(&self) -> String;

    /// Shows every expression that the value is made of.
    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression));

    /// The text that is only signed, not sent.
    fn signed(&self) -> Option<&Template> {
        match self.recipe() {
            Recipe::Hmac { over, .. } | Recipe::Hash { over, .. } => Some(over),
            Recipe::KeyPair { over, .. } => over,
            Recipe::Token { .. } | Recipe::Text(_) => None,
        }
    }

    /// How its value is computed, for those who compute it elsewhere.
    fn recipe(&self) -> Recipe<'_>;

    /// Whether a secret can sign; the error says what it must look like.
    fn check_secret(&self, _secret: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether a text is the value for a key, where there is a way to tell without computing it again: `key` is a private key or its
    /// public half. The error says why nobody can tell.
    fn verify(&self, _key: &str, _scope: Scope<'_>, _text: &str) -> Option<Result<bool, String>> {
        None
    }

    /// Whether the value has the secret itself in it.
    fn shows_secret(&self) -> bool {
        false
    }

    /// The value as a token, where it is one. Any other value is verified by computing it again.
    fn as_token(&self) -> Option<&dyn Token> {
        None
    }
}

/// How a value is computed, as data.
pub(crate) enum Recipe<'a> {
    /// A keyed hash of a text.
    Hmac { hash: Hash, key: &'a KeyDerivation, over: &'a Template, encode: Encoding },
    /// A plain hash of a text.
    Hash { hash: Hash, over: &'a Template, encode: Encoding },
    /// A JSON Web Token with the name of its algorithm, which is an HMAC with that hash.
    Token { algorithm: &'static str, hash: Hash, key: &'a KeyDerivation, claims: &'a Tree },
    /// A signature by a private key, of a text or, with `None`, of a token. `chosen_by` is the key of the contract that says so.
    KeyPair { chosen_by: &'static str, algorithm: SignatureAlgorithm, over: Option<&'a Template> },
    /// A text as it is.
    Text(&'a Template),
}

/// A signature that carries values of its own. No two are alike, so a captured one is opened, not computed again.
pub(crate) trait Token {
    /// The values that it carries.
    fn claims(&self) -> &Tree;

    /// The captured values as JSON, once the token is known to be genuine; the error says why it is not.
    fn open(&self, text: &str, receiver: &Receiver<'_>) -> Result<String, String>;
}

/// What a receiver verifies with.
pub(crate) struct Receiver<'a> {
    pub(crate) secrets: &'a [Secret<String>],
    pub(crate) now: Timestamp,
    pub(crate) tolerance: std::time::Duration,
}

bellwire_domain::words! {
    /// Which of the active secrets sign.
    pub(crate) enum Secrets {
        /// All of them, the values joined.
        All = "all",
        Newest = "newest",
        /// The second newest; without one there is no value.
        Previous = "previous",
        /// The oldest: a new secret takes over when its overlap with the old ones has ended.
        Oldest = "oldest",
    }
}

impl Secrets {
    /// The one that a request speaks of as its key, of the active ones, newest first. If all of them sign, it is the newest.
    pub(crate) fn pick<T>(self, active: &[T]) -> Option<&T> {
        match self {
            Self::All | Self::Newest => active.first(),
            Self::Previous => active.get(1),
            Self::Oldest => active.last(),
        }
    }
}

/// The signed text.
pub(crate) const OVER: KeySpec =
    KeySpec::required("over", TEMPLATE, "The signed text.", "write the signed text, such as \"{{ body }}\"");
/// Reads the signed text. A name without braces would be signed as a word.
pub(crate) fn read_over(fields: &Fields<'_>, report: &mut Report) -> Option<Template> {
    let (node, path) = (fields.get(OVER.name)?, fields.path_of(OVER.name));
    let over = Template::read(node, &path, &[], report)?;
    let named = over.constant().filter(|text| Expression::compile(text, node.at, &[]).is_ok_and(|found| !found.paths.is_empty()));
    if let Some(text) = named {
        let text = text.trim();
        report.add(node.at, &path, format!("this signs the text `{text}` itself"), format!("write \"{{{{ {text} }}}}\""));
        return None;
    }
    Some(over)
}

/// How the bytes of the value are written.
pub(crate) const ENCODE: KeySpec =
    KeySpec::optional("encode", Shape::Words(Encoding::WORDS), "How the bytes are written; `hex` unless given.");
