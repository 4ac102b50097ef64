//! Signatures: named values computed with the endpoint's secrets.

pub(crate) mod hash;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};

use crate::diagnostic::Report;
use crate::piece::Piece;
use crate::reader::{Fields, choice};
use crate::template::{Failure, Template};
use crate::tree::{Spacing, Tree};
use crate::variables::{Scope, Values, Variable};
use crate::yaml::{Kind, Node};
use hash::{ENCODINGS, Encoding, HASHES, Hash};

/// A named signature.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) secrets: Secrets,
    pub(crate) scheme: Scheme,
    key: KeyForm,
    prefix: String,
    pub(crate) join: String,
}

/// Which of the active secrets sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// All of them, the values joined.
    All,
    Newest,
    /// The second newest; without one there is no value.
    Previous,
    /// The oldest: a new one only when the overlap with those before it has ended.
    Oldest,
}

/// How a signature is computed.
#[derive(Debug)]
pub(crate) enum Scheme {
    Hmac {
        hash: Hash,
        over: Template,
        encode: Encoding,
    },
    /// A plain digest; the secret, if any, is part of the text.
    Digest {
        hash: Hash,
        over: Template,
        encode: Encoding,
    },
    Jwt {
        hash: Hash,
        header: Box<Tree>,
        claims: Box<Tree>,
    },
    /// A text with the secret in it, as it is.
    Plain(Template),
}

/// How a secret becomes a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyForm {
    form: Form,
    strip: String,
    prefix: String,
    suffix: String,
}

/// How the bytes of a key are written in the secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Text,
    Base64,
    Base64Url,
    Hex,
}

const KEYS: &[&str] = &["hmac", "hash", "jwt", "plain", "key", "over", "encode", "prefix", "join", "secrets"];
pub(crate) const FORMS: &[(&str, Form)] =
    &[("text", Form::Text), ("base64", Form::Base64), ("base64url", Form::Base64Url), ("hex", Form::Hex)];

/// Accepts padding and its absence alike: secrets are pasted by people.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Signature {
    /// Reads `signatures.<name>`.
    pub(crate) fn read(name: &str, node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let fields = Fields::open(node, path, KEYS, report)?;
        let kinds: Vec<&str> = ["hmac", "hash", "jwt", "plain"].into_iter().filter(|kind| fields.get(kind).is_some()).collect();
        let kind = match kinds.as_slice() {
            [kind] => *kind,
            [] => {
                report.add(
                    node.at,
                    path,
                    "no algorithm",
                    "write one of `hmac: sha256`, `hash: sha256`, `jwt: {…}` and `plain: \"{{ secret }}\"`",
                );
                return None;
            }
            _ => {
                report.add(node.at, path, "more than one algorithm", "keep one of `hmac`, `hash`, `jwt` and `plain`");
                return None;
            }
        };
        let scheme = match kind {
            "jwt" => read_jwt(&fields, report),
            "plain" => read_plain(&fields, report),
            _ => read_mac(&fields, kind, report),
        };
        let key = match fields.get("key") {
            Some(node) => KeyForm::read(node, &fields.path_of("key"), report),
            None => Some(KeyForm::default()),
        };
        let default = if ["jwt", "plain"].contains(&kind) { Secrets::Newest } else { Secrets::All };
        let words =
            [("all", Secrets::All), ("newest", Secrets::Newest), ("previous", Secrets::Previous), ("oldest", Secrets::Oldest)];
        let secrets = fields.choice("secrets", default, &words, report);
        let prefix = fields.text("prefix", report).unwrap_or_default();
        let join = fields.text("join", report).unwrap_or_else(|| ",".to_owned());
        Some(Self { name: name.to_owned(), secrets, scheme: scheme?, key: key?, prefix, join })
    }

    /// The value for the active secrets, newest first; `None` when no secret signs.
    pub(crate) fn value<'s>(
        &self,
        values: &dyn Values,
        secrets: impl Iterator<Item = &'s str>,
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
    pub(crate) fn one(&self, values: &dyn Values, secret: &str) -> Result<String, Failure> {
        let with_secret = WithSecret { values, secret };
        let scope = Scope::of(&with_secret);
        let mut out = self.prefix.clone();
        match &self.scheme {
            Scheme::Hmac { hash, over, encode } => {
                let key = self.key(secret, over)?;
                encode.write(&hash.mac(&key, |sink| over.feed(scope, sink))?, &mut out);
            }
            Scheme::Digest { hash, over, encode } => encode.write(&hash.digest(|sink| over.feed(scope, sink))?, &mut out),
            Scheme::Jwt { hash, header, claims } => {
                let start = out.len();
                for tree in [header, claims] {
                    let mut json = String::new();
                    tree.render(scope, Spacing::Compact, &mut json)?;
                    URL_SAFE_NO_PAD.encode_string(json, &mut out);
                    out.push('.');
                }
                out.pop();
                let key = self.key_of(secret).map_err(|message| failure_at(crate::tree::first_place(claims), message))?;
                let signed = out.get(start..).unwrap_or_default().as_bytes().to_vec();
                let mac = hash.mac(&key, |sink| {
                    sink(&signed);
                    Ok(())
                })?;
                out.push('.');
                URL_SAFE_NO_PAD.encode_string(mac, &mut out);
            }
            Scheme::Plain(text) => out.push_str(&text.render_text(scope)?),
        }
        Ok(out)
    }

    /// The key that a secret stands for; the error says what the secret must look like.
    pub(crate) fn key_of(&self, secret: &str) -> Result<Vec<u8>, String> {
        self.key.bytes(secret)
    }

    /// What the key is, for people.
    pub(crate) fn key_in_words(&self) -> String {
        let KeyForm { form, strip, prefix, suffix } = &self.key;
        let mut words = match form {
            Form::Text => "the secret".to_owned(),
            Form::Base64 => "the secret decoded from base64".to_owned(),
            Form::Base64Url => "the secret decoded from base64url".to_owned(),
            Form::Hex => "the secret decoded from hex".to_owned(),
        };
        for (text, what) in [(strip, "without its prefix"), (prefix, "after"), (suffix, "before")] {
            if !text.is_empty() {
                let _ = write!(words, " ({what} `{text}`)");
            }
        }
        words
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, secret: &str, over: &Template) -> Result<Vec<u8>, Failure> {
        self.key.bytes(secret).map_err(|message| failure_at(Some(over.at), message))
    }
}

fn failure_at(at: Option<crate::diagnostic::At>, message: String) -> Failure {
    Failure { at: at.unwrap_or_default(), path: Vec::new(), message, absent: false }
}

fn read_mac(fields: &Fields<'_>, kind: &str, report: &mut Report) -> Option<Scheme> {
    let hash = choice(fields.get(kind)?, &fields.path_of(kind), HASHES, report);
    let encode = fields.choice("encode", Encoding::Hex, ENCODINGS, report);
    let over = fields.require("over", "write the signed text, such as \"{{ body }}\"", report)?;
    let over = Template::read(over, &fields.path_of("over"), &[], report)?;
    if kind == "hash" {
        if let Some(node) = fields.get("key") {
            report.add(
                node.at,
                &fields.path_of("key"),
                "a plain hash has no key",
                "put `{{ secret }}` into `over`, or write `hmac`",
            );
        }
        return Some(Scheme::Digest { hash: hash?, over, encode });
    }
    Some(Scheme::Hmac { hash: hash?, over, encode })
}

fn read_plain(fields: &Fields<'_>, report: &mut Report) -> Option<Scheme> {
    for key in ["key", "over", "encode"] {
        if let Some(node) = fields.get(key) {
            report.add(node.at, &fields.path_of(key), "a plain text is computed from nothing", "remove this key");
        }
    }
    let node = fields.get("plain")?;
    let text = Template::read(node, &fields.path_of("plain"), &[], report)?;
    if !text.variables().any(|variable| *variable == Variable::Secret) {
        report.add(node.at, &fields.path_of("plain"), "a text without a secret proves nothing", "write `{{ secret }}` into it");
    }
    Some(Scheme::Plain(text))
}

fn read_jwt(fields: &Fields<'_>, report: &mut Report) -> Option<Scheme> {
    for key in ["over", "encode"] {
        if let Some(node) = fields.get(key) {
            report.add(node.at, &fields.path_of(key), "a token's signed text and encoding are fixed", "remove this key");
        }
    }
    let path = fields.path_of("jwt");
    let jwt = Fields::open(fields.get("jwt")?, &path, &["alg", "header", "claims"], report)?;
    let algorithms = [("HS256", Hash::Sha256), ("HS384", Hash::Sha384), ("HS512", Hash::Sha512)];
    let hash = jwt.choice("alg", Hash::Sha256, &algorithms, report);
    let claims = jwt.require("claims", "write the claims, such as `iat: \"{{ attempt.at | unix }}\"`", report)?;
    let claims = Tree::read(claims, &jwt.path_of("claims"), &[], report)?;
    let mut header = vec![constant("alg", hash.jwt_name()), constant("typ", "JWT")];
    if let Some(node) = jwt.get("header") {
        match Tree::read(node, &jwt.path_of("header"), &[], report)? {
            Tree::Object(members) => header.extend(members),
            _ => {
                report.add(node.at, &jwt.path_of("header"), "this is no mapping", "write the header's members, such as `kid: …`");
            }
        }
    }
    Some(Scheme::Jwt { hash, header: Box::new(Tree::Object(header)), claims: Box::new(claims) })
}

fn constant(name: &str, value: &str) -> crate::tree::Member {
    let value = Tree::Constant(format!("\"{value}\""));
    crate::tree::Member::Field { name: name.to_owned(), encoded: format!("\"{name}\""), optional: false, value }
}

impl KeyForm {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        if !matches!(node.kind, Kind::Map(_)) {
            return Some(Self { form: choice(node, path, FORMS, report)?, ..Self::default() });
        }
        let fields = Fields::open(node, path, &["as", "strip", "prefix", "suffix"], report)?;
        Some(Self {
            form: fields.choice("as", Form::Text, FORMS, report),
            strip: fields.text("strip", report).unwrap_or_default(),
            prefix: fields.text("prefix", report).unwrap_or_default(),
            suffix: fields.text("suffix", report).unwrap_or_default(),
        })
    }

    fn bytes(&self, secret: &str) -> Result<Vec<u8>, String> {
        let stripped = secret.strip_prefix(&self.strip).unwrap_or(secret);
        let mut key = self.prefix.clone().into_bytes();
        key.extend(self.form.decode(stripped)?);
        key.extend(self.suffix.as_bytes());
        Ok(key)
    }
}

impl Form {
    /// The bytes that a text stands for.
    pub(crate) fn decode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Base64 => LENIENT_STANDARD.decode(text).map_err(|_| "the secret is not valid base64".to_owned()),
            Self::Base64Url => LENIENT_URL.decode(text).map_err(|_| "the secret is not valid base64url".to_owned()),
            Self::Hex => hex::decode(text).map_err(|_| "the secret is not valid hex".to_owned()),
        }
    }

    /// The text that stands for bytes.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Text | Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

/// The values with `secret` as the one that signs just now.
struct WithSecret<'a> {
    values: &'a dyn Values,
    secret: &'a str,
}

impl Values for WithSecret<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Secret => Piece::text(self.secret),
            other => self.values.get(other),
        }
    }

    fn shown(&self, expression: &str) -> Option<&str> {
        if expression == "secret" { None } else { self.values.shown(expression) }
    }
}
