//! Reads `subscription.secret`: where secrets come from, and how they look.

use bellwire_domain::Secret;

use crate::diagnostic::{At, Report};
use crate::grammar::{Definition, KeySpec, Shape};
use crate::key_pair::{KeyKind, PrivateKey};
use crate::reader::Fields;
use crate::signature::SecretEncoding;
use crate::yaml::Node;

bellwire_domain::words! {
    /// Where secrets come from.
    pub enum SecretSource {
        /// The consumer chooses one for each endpoint.
        Consumer = "consumer",
        /// Bellwire draws one for each endpoint.
        Generated = "generated",
        /// The account has one, shared by its endpoints.
        Account = "account",
        /// The contract has one private key, which signs for all of its accounts.
        Contract = "contract",
    }
}

/// The rules for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretRules {
    /// Where they come from.
    pub from: SecretSource,
    /// Whether a secret can be read back later.
    pub readable: bool,
    /// Whether there must be one. Without one, signatures have no value.
    pub required: bool,
    /// What kind of private keys they are, if they are such.
    pub private_key: Option<KeyKind>,
    /// The text that every secret starts with.
    pub prefix: String,
    /// The fewest characters of a new one. Secrets that are stored already are not held to it.
    pub length_min: u32,
    /// Why new ones may be shorter than those of other contracts, where they may.
    pub length_reason: Option<String>,
    /// The most characters.
    pub length_max: u32,
    encoding: SecretEncoding,
    bytes_min: u32,
    bytes_max: u32,
    /// Where the contract says how long they are, for warnings.
    place: At,
    /// Where it says where they come from.
    from_at: At,
}

const SECRET_KEYS: &[KeySpec] = &[
    KeySpec::required(
        "from",
        Shape::Words(SecretSource::WORDS),
        "Where secrets come from.",
        "write `consumer`, `generated`, `account` or `contract`",
    ),
    KeySpec::optional("readable", Shape::FLAG, "Whether a secret can be read back later."),
    KeySpec::optional("required", Shape::FLAG, "Whether there must be one."),
    KeySpec::optional(
        "private_key",
        Shape::Words(KeyKind::WORDS),
        "What kind of private keys secrets are; what the signatures need, unless given.",
    ),
    KeySpec::optional("format", Shape::Keys(FORMAT_KEYS), "How a secret is written."),
    KeySpec::optional("length_min", SECRET_LENGTH, "The fewest characters of a new one; 16 unless given."),
    KeySpec::optional("length_reason", Shape::TEXT, "Why new ones may have fewer than 16 characters."),
    KeySpec::optional("length_max", SECRET_LENGTH, "The most characters."),
];
const FORMAT_KEYS: &[KeySpec] = &[
    KeySpec::optional("prefix", Shape::TEXT, "The text that every secret starts with."),
    KeySpec::optional("encoding", Shape::Words(SecretEncoding::WORDS), "How the rest writes its bytes."),
    KeySpec::optional("bytes_min", SECRET_BYTES, "The fewest bytes that the rest stands for."),
    KeySpec::optional("bytes_max", SECRET_BYTES, "The most bytes that the rest stands for."),
];
/// The fewest characters of a new secret, unless the contract gives a reason for fewer: what is shorter can be found by trying.
pub(crate) const SECRET_LENGTH_MIN: u32 = 16;
const SECRET_LENGTH_MAX: u32 = 1_024;
const SECRET_BYTES_MAX: u32 = 512;
/// How many random bytes a drawn secret has.
const DRAWN_BYTES: u32 = 32;
const SECRET_LENGTH: Shape = Shape::Whole { min: 0, max: Some(SECRET_LENGTH_MAX) };
const SECRET_BYTES: Shape = Shape::Whole { min: 0, max: Some(SECRET_BYTES_MAX) };

/// The value of `secret`.
pub(super) const SECRET: Shape =
    Shape::Named(&Definition { name: "secret", about: "The rules for secrets.", shape: Shape::Keys(SECRET_KEYS), examples: &[] });

/// What the rest of a contract wants of secrets.
pub(crate) struct Wanted {
    /// Whether requests need a secret.
    pub(crate) secret: bool,
    /// Whether they need one that is a text.
    pub(crate) text: bool,
    /// What kind of private key signs, if one does.
    pub(crate) private_key: Option<KeyKind>,
}

/// Reads `secret`.
pub(super) fn read(node: &Node, rules: &mut SecretRules, report: &mut Report) -> Option<()> {
    let fields = Fields::open(node, "subscription.secret", SECRET_KEYS, report)?;
    let from = fields.word("from", report);
    rules.readable = fields.flag("readable", false, report);
    rules.required = fields.flag("required", rules.required, report);
    rules.private_key = fields.word("private_key", report).or(rules.private_key);
    if let Some(kind) = rules.private_key {
        refuse_rules_of_texts(&fields, kind, report);
    }
    if let Some(node) = fields.get("format") {
        let format = Fields::open(node, "subscription.secret.format", FORMAT_KEYS, report)?;
        rules.prefix = format.text("prefix", report).unwrap_or_default();
        rules.encoding = format.word("encoding", report).unwrap_or(SecretEncoding::Text);
        rules.bytes_min = format.count("bytes_min", SECRET_BYTES_MAX, report).unwrap_or(1).max(1);
        rules.bytes_max = format.count("bytes_max", SECRET_BYTES_MAX, report).unwrap_or(SECRET_BYTES_MAX);
        if rules.bytes_min > rules.bytes_max || rules.bytes_min > DRAWN_BYTES {
            report.add(
                node.at,
                "subscription.secret.format.bytes_min",
                "larger than `bytes_max` or than 32",
                "Bellwire draws 32 bytes",
            );
        }
    }
    read_lengths(&fields, rules, report);
    if (from, rules.private_key) == (Some(SecretSource::Contract), None) {
        let message = "one secret for all accounts lets each of them sign for the others";
        let help = "sign with a private key: `signatures: { main: { sign: ed25519, over: … } }`, or write `from: account`";
        report.add(fields.at("from"), "subscription.secret.from", message, help);
    }
    rules.from = from?;
    rules.from_at = fields.at("from");
    Some(())
}

/// Reports what can be said of texts, and not of private keys.
fn refuse_rules_of_texts(fields: &Fields<'_>, kind: KeyKind, report: &mut Report) {
    for key in ["format", "length_min", "length_max", "length_reason"] {
        if let Some(node) = fields.get(key) {
            let message = format!("secrets are private keys of {}, which have a form of their own", kind.title());
            report.add(node.at, &fields.path_of(key), message, "remove this key");
        }
    }
    if let Some(node) = fields.get("readable").filter(|_| fields.flag("readable", false, &mut Report::new(""))) {
        let help = "receivers need the public half, which may always be read";
        report.add(node.at, &fields.path_of("readable"), "a private key is shown to nobody", help);
    }
}

/// Reads how long a secret is, once its format is known.
fn read_lengths(fields: &Fields<'_>, rules: &mut SecretRules, report: &mut Report) {
    rules.length_min = fields.count("length_min", SECRET_LENGTH_MAX, report).unwrap_or(SECRET_LENGTH_MIN).max(1);
    rules.length_max = fields.count("length_max", SECRET_LENGTH_MAX, report).unwrap_or(SECRET_LENGTH_MAX);
    rules.length_reason = fields.text("length_reason", report).filter(|reason| !reason.trim().is_empty());
    rules.place =
        ["length_min", "length_max", "format"].into_iter().find_map(|key| fields.get(key)).map_or(fields.at, |node| node.at);
    let place = fields.path_of("length_min");
    let fewer = "to allow fewer, write a lower `length_min`, and beside it why: `length_reason: …`";
    if rules.length_min < SECRET_LENGTH_MIN && rules.length_reason.is_none() {
        report.add(
            fields.at("length_min"),
            &place,
            format!("a secret of fewer than {SECRET_LENGTH_MIN} characters can be guessed"),
            format!("write at least {SECRET_LENGTH_MIN}, or why it must be fewer beside it: `length_reason: …`"),
        );
    } else if rules.length_min > rules.length_max {
        let (at, help) = match fields.get("length_min") {
            Some(node) => (node.at, String::new()),
            None => (fields.at("length_max"), format!("it is {SECRET_LENGTH_MIN} unless given; {fewer}")),
        };
        report.add(at, &place, "larger than `length_max`", help);
    } else if rules.longest() < rules.length_min {
        report.add(
            rules.place,
            &place,
            format!("no secret in this `format` has {} characters", rules.length_min),
            format!("raise `bytes_max`; {fewer}"),
        );
    }
    if let (Some(node), true) = (fields.get("length_reason"), rules.length_min >= SECRET_LENGTH_MIN) {
        let path = fields.path_of("length_reason");
        report.add(node.at, &path, format!("`length_min` is not below {SECRET_LENGTH_MIN}"), "leave the reason out");
    }
}

impl SecretRules {
    /// The rules of a contract that says nothing of secrets.
    pub(super) fn of(wanted: &Wanted) -> Self {
        Self {
            from: SecretSource::Generated,
            readable: false,
            required: wanted.secret,
            private_key: wanted.private_key,
            prefix: String::new(),
            length_min: SECRET_LENGTH_MIN,
            length_reason: None,
            length_max: SECRET_LENGTH_MAX,
            encoding: SecretEncoding::Text,
            bytes_min: 1,
            bytes_max: SECRET_BYTES_MAX,
            place: At::default(),
            from_at: At { line: 1, column: 1 },
        }
    }

    /// Why secrets that were made under these rules are of no use under `next`, with the line in its file; `None`: they are.
    pub(crate) fn strands(&self, next: &Self) -> Option<(usize, String)> {
        let line = next.from_at.line;
        if self.from != next.from {
            return Some((line, format!("subscription.secret.from: `{}` instead of `{}`", next.from, self.from)));
        }
        (self.form() != next.form()).then(|| {
            let (before, after) = (self.form(), next.form());
            (line, format!("subscription.secret: secrets are {after}, and those that there are are {before}"))
        })
    }

    /// What a secret is, for people.
    fn form(&self) -> String {
        match self.private_key {
            Some(kind) => format!("private keys of {}", kind.title()),
            None if self.prefix.is_empty() => format!("written as {}", self.encoding),
            None => format!("written as {} after `{}`", self.encoding, self.prefix),
        }
    }

    /// Whether reading an endpoint shows its secret.
    pub fn is_read_with_endpoints(&self) -> bool {
        self.readable && matches!(self.from, SecretSource::Consumer | SecretSource::Generated)
    }

    /// Whether reading an account shows its secret.
    pub fn is_read_with_accounts(&self) -> bool {
        self.readable && self.from == SecretSource::Account
    }

    /// Whether a text has the length of a new secret. The error says how long one is.
    pub(crate) fn check_length(&self, secret: &str) -> Result<(), String> {
        let length = secret.chars().count();
        let (min, max) = (self.length_min, self.length_max);
        if length < usize::try_from(min).unwrap_or(0) || length > usize::try_from(max).unwrap_or(0) {
            return Err(format!("a secret of this contract has {min} to {max} characters"));
        }
        Ok(())
    }

    /// Whether a text of any length can be a secret. The error says what a secret must look like.
    pub(crate) fn check_form(&self, secret: &str, must_fit_a_header: bool) -> Result<(), String> {
        if let Some(kind) = self.private_key {
            return PrivateKey::parse(kind, secret).map(drop);
        }
        if secret.is_empty() {
            return Err("a secret has at least one character".to_owned());
        }
        if secret.chars().any(char::is_control) {
            return Err("a secret must not contain line breaks or other control characters".to_owned());
        }
        if must_fit_a_header && (!secret.is_ascii() || secret.trim() != secret) {
            return Err(
                "this contract sends the secret in a header, so it must be printable ASCII without spaces at its ends".to_owned()
            );
        }
        let Some(rest) = secret.strip_prefix(&self.prefix) else {
            return Err(format!("a secret of this contract starts with `{}`", self.prefix));
        };
        let bytes = self.encoding.decode(rest)?.len();
        let fits = |limit: u32| usize::try_from(limit).unwrap_or(0);
        if self.encoding != SecretEncoding::Text && (bytes < fits(self.bytes_min) || bytes > fits(self.bytes_max)) {
            return Err(format!("a secret of this contract stands for {} to {} bytes", self.bytes_min, self.bytes_max));
        }
        Ok(())
    }

    /// The most characters that a secret in this format has.
    fn longest(&self) -> u32 {
        let written = match self.encoding {
            SecretEncoding::Text => return self.length_max,
            SecretEncoding::Hex => self.bytes_max.saturating_mul(2),
            SecretEncoding::Base64 | SecretEncoding::Base64Url => self.bytes_max.div_ceil(3).saturating_mul(4),
        };
        let prefix = u32::try_from(self.prefix.chars().count()).unwrap_or(u32::MAX);
        prefix.saturating_add(written).min(self.length_max)
    }

    /// What the contract's author should know of its secrets.
    pub(crate) fn warnings(&self) -> Vec<(At, &'static str, String)> {
        let mut found = Vec::new();
        if self.private_key.is_some() {
            return found;
        }
        if self.length_min < SECRET_LENGTH_MIN {
            let (min, reason) = (self.length_min, self.length_reason.as_deref().unwrap_or_default().trim());
            let message = format!("secrets of {min} characters are accepted, which can be guessed ({reason})");
            found.push((self.place, "subscription.secret.length_min", message));
        }
        let drawn = self.draw(&[7; 32]).expose().chars().count();
        if u32::try_from(drawn).is_ok_and(|drawn| drawn < SECRET_LENGTH_MIN) {
            let message = format!("the secrets that Bellwire draws, and shows in examples, have {drawn} characters");
            found.push((self.place, "subscription.secret", message));
        }
        found
    }

    /// A secret in this format.
    pub(crate) fn draw(&self, entropy: &[u8; 32]) -> Secret<String> {
        if let Some(kind) = self.private_key {
            // No key is drawn from none of the seeds that there are. If one were, nothing could be signed with an empty text.
            return PrivateKey::draw(kind, *entropy).unwrap_or_else(|_| Secret::new(String::new()));
        }
        let count = usize::try_from(self.bytes_max.min(DRAWN_BYTES)).unwrap_or(entropy.len());
        let bytes = entropy.get(..count).unwrap_or(entropy);
        let mut text = self.prefix.clone() + &self.encoding.encode(bytes);
        if self.encoding == SecretEncoding::Text {
            text.truncate(usize::try_from(self.length_max).unwrap_or(usize::MAX).max(self.prefix.len() + 1));
        }
        Secret::new(text)
    }
}
