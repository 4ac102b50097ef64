//! What a receiver has to check, as data that every language renders.

use crate::path::Segment;
use crate::signature::{Encoding, Hash, KeyDerivation};

/// The checks of one contract's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub(super) struct Model {
    /// The contract's name.
    pub(super) contract: String,
    /// The platform's name.
    pub(super) title: String,
    pub(super) takes_url: bool,
    pub(super) takes_method: bool,
    /// What is read from the request, in an order that can be read from above.
    pub(super) reads: Vec<Read>,
    /// How the secret becomes the key, where it is not the key itself.
    pub(super) key: Option<KeyDerivation>,
    pub(super) proofs: Vec<Proof>,
    pub(super) token: Option<Token>,
    /// Where every proof may be missing: the texts of which one must be there.
    pub(super) any_of: Vec<Field>,
    /// The places of signatures by private keys, which stand beside what is checked.
    pub(super) unchecked: Vec<String>,
    /// What follows from the rest of the request.
    pub(super) follows: Vec<Follow>,
    pub(super) times: Vec<Time>,
    /// How far a time may be from now, in seconds.
    pub(super) tolerance_secs: u64,
    /// Whether a changed body is noticed.
    pub(super) covers_body: bool,
    /// Whether a changed time is noticed.
    pub(super) covers_time: bool,
}

/// The name of a text that was read from the request, in snake case.
pub(super) type Field = String;

/// One reading from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) field: Field,
    pub(super) source: Source,
    /// Without it the request is refused. One that is optional and missing is read as an empty text.
    pub(super) is_required: bool,
    pub(super) parts: Option<Parts>,
}

/// Where a text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Header(String),
    Body(Vec<Segment>),
}

/// The parts of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// A regular expression for the whole text, with one group for each field.
    pub(super) pattern: String,
    pub(super) fields: Vec<Field>,
}

/// A value that the receiver computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Literal(String),
    Field(Field),
    /// A variable that holds bytes.
    Bytes(Field),
    Secret,
    /// The bytes of the body.
    Body,
    BodyLength,
    Method,
    Url(UrlText),
    Joined(Vec<Value>),
    /// Bytes.
    Digest(Hash, Box<Value>),
    /// Bytes. The key is the secret, or the model's key.
    Mac {
        hash: Hash,
        derived: bool,
        over: Box<Value>,
    },
    Encoded(Encoding, Box<Value>),
}

/// The URL of the request, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlText {
    Whole,
    Host,
    Path,
    Query,
    /// Path and query.
    Target,
}

/// A value that only a holder of the secret can make, and the texts of which one must show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// The variable that holds what is expected.
    pub(super) name: Field,
    /// A variable for the text that is signed, where it is made of parts.
    pub(super) signed: Option<(Field, Value)>,
    pub(super) expected: Value,
    pub(super) candidates: Vec<Candidate>,
    /// It is checked only if one of the candidates is there.
    pub(super) is_optional: bool,
}

/// A text that may show a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) field: Field,
    /// Around the value.
    pub(super) before: String,
    pub(super) after: String,
    /// What stands between the values of several secrets.
    pub(super) split: Option<String>,
}

/// A JSON Web Token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) field: Field,
    pub(super) before: String,
    pub(super) algorithm: &'static str,
    pub(super) hash: Hash,
    pub(super) derived: bool,
    pub(super) claims: Vec<Claim>,
}

/// A claim of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) is_optional: bool,
    pub(super) rule: Rule,
}

/// What a claim must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Present,
    /// This JSON.
    Constant(String),
    /// Recent.
    Time(TimeForm),
    Follows(Value),
}

/// A text that follows from the rest of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Follow {
    pub(super) expected: Value,
    pub(super) field: Field,
    pub(super) is_optional: bool,
}

/// A text that says when the request was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) field: Field,
    pub(super) form: TimeForm,
    pub(super) is_optional: bool,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    Unix,
    UnixMs,
    Rfc3339,
    HttpDate,
}

impl Model {
    /// Whether an old request is noticed.
    pub(super) fn tells_old(&self) -> bool {
        !self.forms().is_empty()
    }

    /// Whether the code has to know what time it is.
    pub(super) fn needs_now(&self) -> bool {
        self.token.is_some() || self.tells_old()
    }

    /// What a refusal says of a text that does not follow from the rest.
    pub(super) fn refusal(&self, field: &str) -> String {
        let holds = |read: &&Read| {
            read.field == field || read.parts.as_ref().is_some_and(|parts| parts.fields.iter().any(|part| part == field))
        };
        let place = self.reads.iter().find(holds).map_or("a value".to_owned(), |read| read.source.describe());
        format!("{place} does not fit what was sent")
    }

    /// The forms of the times that are checked, each once.
    pub(super) fn forms(&self) -> Vec<TimeForm> {
        let claims = self.token.iter().flat_map(|token| &token.claims).filter_map(|claim| match claim.rule {
            Rule::Time(form) => Some(form),
            _ => None,
        });
        let mut forms: Vec<TimeForm> = Vec::new();
        for form in self.times.iter().map(|time| time.form).chain(claims) {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }

    /// What the code is.
    pub(super) fn heading(&self, runtime: &str) -> String {
        format!("Verifies webhooks of {} by the contract `{}`. {runtime}; nothing to install.", self.title, self.contract)
    }

    /// What whoever uses the code has to know, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.covers_body {
            notes.push("Pass the body's bytes as they came: JSON that was parsed and written again has other bytes.".to_owned());
        } else {
            notes.push(
                "Nothing protects the body: whoever has seen one request can make others. Take requests over HTTPS only."
                    .to_owned(),
            );
        }
        if !self.tells_old() {
            notes.push(
                "Requests carry no time, so one that was recorded and is sent again cannot be told by its time: remember which \
                 events you have handled."
                    .to_owned(),
            );
        } else if !self.covers_time {
            notes.push(
                "Nothing protects the time either: it tells late requests, not recorded ones with another time.".to_owned(),
            );
        }
        if self.takes_url {
            notes.push("Pass the URL as the sender knows it: behind a proxy your server may see another one.".to_owned());
        }
        if !self.unchecked.is_empty() {
            let places = self.unchecked.join(" and ");
            notes.push(format!(
                "This checks what the secret makes. The signature by a private key, in {places}, is not looked at."
            ));
        }
        notes.push("While a secret is rotated, take a request that verifies with the new secret or with the old one.".to_owned());
        notes
    }
}

impl Value {
    /// Takes the text that is signed out of it, where that is made of parts, and leaves a variable in its place.
    pub(super) fn take_signed(&mut self, name: &str) -> Option<Self> {
        match self {
            Self::Mac { over, .. } | Self::Digest(_, over) => match over.as_ref() {
                Self::Joined(parts) if parts.len() > 1 && over.is_bytes() => {
                    Some(std::mem::replace(over, Self::Bytes(name.to_owned())))
                }
                _ => None,
            },
            Self::Encoded(_, inner) => inner.take_signed(name),
            Self::Joined(parts) => parts.iter_mut().find_map(|part| part.take_signed(name)),
            _ => None,
        }
    }

    /// Whether a hash makes it.
    fn is_computed(&self) -> bool {
        match self {
            Self::Digest(..) | Self::Mac { .. } => true,
            Self::Encoded(_, inner) => inner.is_computed(),
            Self::Joined(parts) => parts.iter().any(Self::is_computed),
            _ => false,
        }
    }

    /// Whether it is bytes that need not be text.
    pub(super) fn is_bytes(&self) -> bool {
        match self {
            Self::Body | Self::Bytes(_) | Self::Digest(..) | Self::Mac { .. } => true,
            Self::Joined(parts) => parts.iter().any(Self::is_bytes),
            _ => false,
        }
    }
}

impl Proof {
    /// The texts that may show it.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.candidates.iter().map(|candidate| &candidate.field)
    }

    /// Whether it is the secret itself.
    pub(super) fn is_secret(&self) -> bool {
        !self.expected.is_computed()
    }

    /// Whether one of several values is enough.
    pub(super) fn has_several(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.split.is_some())
    }

    /// What a refusal says.
    pub(super) fn refusal(&self) -> &'static str {
        if self.is_secret() { "the secret is another one" } else { "the signature does not fit the secret and what was sent" }
    }
}

impl Claim {
    /// What a refusal says where the claim is missing.
    pub(super) fn missing(&self) -> String {
        format!("the token has no claim {}", self.name)
    }

    /// What a refusal says where the claim has a wrong value.
    pub(super) fn wrong(&self) -> String {
        format!("the token's claim {} does not fit", self.name)
    }
}

impl TimeForm {
    /// The name of the function that checks it.
    pub(super) const fn checker(self) -> &'static str {
        match self {
            Self::Unix => "checkUnix",
            Self::UnixMs => "checkUnixMs",
            Self::Rfc3339 => "checkRfc3339",
            Self::HttpDate => "checkHttpDate",
        }
    }

    /// The same in the names of functions in snake case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::UnixMs => "unix_ms",
            Self::Rfc3339 => "rfc3339",
            Self::HttpDate => "http_date",
        }
    }
}

impl Read {
    /// Whether there may be nothing to read.
    pub(super) const fn may_fail(&self) -> bool {
        self.is_required || matches!(self.source, Source::Body(_))
    }
}

impl Source {
    /// Where it is, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Header(name) => format!("the header {name}"),
            Self::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => key.clone(),
                        Segment::Index(index) => index.to_string(),
                    })
                    .collect();
                format!("the body's {}", steps.join("."))
            }
        }
    }
}
