//! Go, with its standard library.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, camel, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, KeyDerivation, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.go", escape = "none")]
struct Go<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Go { model, draft }.render())
}

/// The packages that the code may use, in the order of `gofmt`.
const PACKAGES: &[(&str, &str)] = &[
    ("bytes.Join", "bytes"),
    ("hmac.", "crypto/hmac"),
    ("sha1.", "crypto/sha1"),
    ("sha256.", "crypto/sha256"),
    ("sha512.", "crypto/sha512"),
    ("base64.", "encoding/base64"),
    ("hex.", "encoding/hex"),
    ("json.", "encoding/json"),
    ("errors.", "errors"),
    ("fmt.", "fmt"),
    ("hash.Hash", "hash"),
    ("http.", "net/http"),
    ("url.URL", "net/url"),
    ("regexp.", "regexp"),
    ("strconv.", "strconv"),
    ("strings.", "strings"),
    ("time.", "time"),
];

impl Go<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn imports(&self) -> Vec<&'static str> {
        PACKAGES.iter().filter(|(word, _)| self.uses(word)).map(|(_, package)| *package).collect()
    }

    fn arguments(&self) -> String {
        let mut arguments = "secret string, headers http.Header, body []byte".to_owned();
        if self.model.takes_url {
            arguments.push_str(", rawURL string");
        }
        if self.model.takes_method {
            arguments.push_str(", method string");
        }
        if self.model.needs_now() {
            arguments.push_str(", now time.Time");
        }
        arguments
    }

    fn reading(&self, read: &Read) -> String {
        let name = self.variable(&read.field);
        match &read.source {
            Source::Header(header) if read.is_required => {
                format!("{name}, err := required(headers, {})", self.literal(header))
            }
            Source::Header(header) => format!("{name} := headers.Get({})", self.literal(header)),
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => self.literal(&index.to_string()),
                    })
                    .collect();
                format!("{name}, err := inBody(body, {}, {})", read.is_required, steps.join(", "))
            }
        }
    }

    /// The call that decodes the secret.
    fn decoding(&self, key: &KeyDerivation) -> String {
        let text = if key.strip.is_empty() { "secret".to_owned() } else { self.strip("secret", &key.strip) };
        self.decode(key.encoding, &text)
    }
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "sha1.New",
        Hash::Sha256 => "sha256.New",
        Hash::Sha384 => "sha512.New384",
        Hash::Sha512 => "sha512.New",
    }
}

impl Spelling for Go<'_> {
    fn mark(&self) -> &'static str {
        "//"
    }

    fn variable(&self, snake: &str) -> String {
        if snake == "url" { "rawURL".to_owned() } else { camel(snake) }
    }

    fn literal(&self, text: &str) -> String {
        quoted(text, &[], |letter| format!("\\U{:08x}", u32::from(letter)))
    }

    fn utf8(&self, text: &str) -> String {
        format!("[]byte({text})")
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" + ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        format!("bytes.Join([][]byte{{{}}}, nil)", parts.join(", "))
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("digest({}, {bytes})", hash_name(hash))
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("mac({}, {key}, {bytes})", hash_name(hash))
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("hex.EncodeToString({bytes})"),
            Encoding::UpperHex => format!("strings.ToUpper(hex.EncodeToString({bytes}))"),
            Encoding::Base64 => format!("base64.StdEncoding.EncodeToString({bytes})"),
            Encoding::Base64Url => format!("base64.RawURLEncoding.EncodeToString({bytes})"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => self.utf8(text),
            SecretEncoding::Base64 => format!("base64.RawStdEncoding.DecodeString(strings.TrimRight({text}, \"=\"))"),
            SecretEncoding::Base64Url => format!("base64.RawURLEncoding.DecodeString(strings.TrimRight({text}, \"=\"))"),
            SecretEncoding::Hex => format!("hex.DecodeString({text})"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("strings.TrimPrefix({text}, {})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "strconv.Itoa(len(body))".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        match part {
            UrlText::Whole => "rawURL".to_owned(),
            UrlText::Host => "parsed(rawURL).Hostname()".to_owned(),
            UrlText::Path => "(&url.URL{Path: parsed(rawURL).Path, RawPath: parsed(rawURL).RawPath}).RequestURI()".to_owned(),
            UrlText::Query => "parsed(rawURL).RawQuery".to_owned(),
            UrlText::Target => "parsed(rawURL).RequestURI()".to_owned(),
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("same({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        format!("sameAsOne({expected}, strings.Split({shown}, {}))", self.literal(split))
    }

    fn is_there(&self, text: &str) -> String {
        format!("{text} != \"\"")
    }
}
