//! How a secret becomes a key.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::{Fields, word};
use crate::yaml::Kind;

/// How a secret becomes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyDerivation {
    /// What the rest of the secret is decoded from.
    pub(crate) encoding: SecretEncoding,
    /// Taken off the secret first, where it starts with it.
    pub(crate) strip: String,
    /// Before the decoded bytes.
    pub(crate) prefix: String,
    /// After the decoded bytes.
    pub(crate) suffix: String,
}

bellwire_domain::words! {
    /// How a secret encodes its bytes.
    pub(crate) enum SecretEncoding {
        Text = "text",
        Base64 = "base64",
        Base64Url = "base64url",
        Hex = "hex",
    }
}

/// The key of the schemes that have one.
pub(crate) const KEY: KeySpec = KeySpec::optional(
    "key",
    Shape::Named(&Definition {
        name: "key",
        about: "How the secret becomes the key.",
        shape: Shape::Either(&[Shape::Words(SecretEncoding::WORDS), Shape::Keys(KEYS)]),
        examples: &[],
    }),
    "How the secret becomes the key; as it is, unless given.",
);
const KEYS: &[KeySpec] = &[
    KeySpec::optional("as", Shape::Words(SecretEncoding::WORDS), "What the rest of the secret is decoded from."),
    KeySpec::optional("strip", Shape::TEXT, "A prefix that is taken off first."),
    KeySpec::optional("prefix", Shape::TEXT, "Text before the decoded bytes."),
    KeySpec::optional("suffix", Shape::TEXT, "Text after the decoded bytes."),
];

/// Accepts base64 with and without padding: secrets are pasted by people.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl KeyDerivation {
    /// Reads the `key` of a signature.
    pub(crate) fn read(signature: &Fields<'_>, report: &mut Report) -> Option<Self> {
        let as_it_is =
            Self { encoding: SecretEncoding::Text, strip: String::new(), prefix: String::new(), suffix: String::new() };
        let Some(node) = signature.get(KEY.name) else { return Some(as_it_is) };
        let path = signature.path_of(KEY.name);
        if !matches!(node.kind, Kind::Map(_)) {
            return Some(Self { encoding: word(node, &path, report)?, ..as_it_is });
        }
        let fields = Fields::open(node, &path, KEYS, report)?;
        Some(Self {
            encoding: fields.word("as", report).unwrap_or(SecretEncoding::Text),
            strip: fields.text("strip", report).unwrap_or_default(),
            prefix: fields.text("prefix", report).unwrap_or_default(),
            suffix: fields.text("suffix", report).unwrap_or_default(),
        })
    }

    /// Whether the secret is the key as it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.encoding == SecretEncoding::Text && [&self.strip, &self.prefix, &self.suffix].iter().all(|text| text.is_empty())
    }

    /// The key that a secret stands for; the error says what the secret must look like.
    pub(crate) fn key(&self, secret: &str) -> Result<Vec<u8>, String> {
        let stripped = secret.strip_prefix(&self.strip).unwrap_or(secret);
        let mut key = self.prefix.clone().into_bytes();
        key.extend(self.encoding.decode(stripped)?);
        key.extend(self.suffix.as_bytes());
        Ok(key)
    }

    /// What the key is, for people.
    pub(crate) fn describe(&self) -> String {
        let Self { encoding, strip, prefix, suffix } = self;
        let mut words = match encoding {
            SecretEncoding::Text => "the secret".to_owned(),
            decoded => format!("the secret decoded from {decoded}"),
        };
        for (text, what) in [(strip, "without its prefix"), (prefix, "after"), (suffix, "before")] {
            if !text.is_empty() {
                let _ = write!(words, " ({what} `{text}`)");
            }
        }
        words
    }
}

impl SecretEncoding {
    /// The bytes that a text stands for.
    pub(crate) fn decode(self, text: &str) -> Result<Vec<u8>, String> {
        let invalid = || format!("the secret is not valid {self}");
        match self {
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Base64 => LENIENT_STANDARD.decode(text).map_err(|_| invalid()),
            Self::Base64Url => LENIENT_URL.decode(text).map_err(|_| invalid()),
            Self::Hex => hex::decode(text).map_err(|_| invalid()),
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
