//! Java, with its own classes. They have no parser of JSON, so the code brings one where it needs it.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, atomic, camel, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.java", escape = "none")]
struct Java<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Java { model, draft }.render())
}

/// The classes that the code may use, in the order of their names.
const CLASSES: &[(&str, &str)] = &[
    ("ByteArrayOutputStream", "java.io.ByteArrayOutputStream"),
    ("URI.", "java.net.URI"),
    ("StandardCharsets", "java.nio.charset.StandardCharsets"),
    ("GeneralSecurityException", "java.security.GeneralSecurityException"),
    ("MessageDigest", "java.security.MessageDigest"),
    ("DateTimeException", "java.time.DateTimeException"),
    ("Duration", "java.time.Duration"),
    ("Instant ", "java.time.Instant"),
    ("OffsetDateTime", "java.time.OffsetDateTime"),
    ("ZonedDateTime", "java.time.ZonedDateTime"),
    ("DateTimeFormatter", "java.time.format.DateTimeFormatter"),
    (" Arrays.", "java.util.Arrays"),
    ("Base64.", "java.util.Base64"),
    ("HexFormat", "java.util.HexFormat"),
    ("Map<", "java.util.Map"),
    ("TreeMap", "java.util.TreeMap"),
    ("Matcher", "java.util.regex.Matcher"),
    ("Pattern.", "java.util.regex.Pattern"),
    ("Mac.", "javax.crypto.Mac"),
    ("SecretKeySpec", "javax.crypto.spec.SecretKeySpec"),
];

impl Java<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn imports(&self) -> Vec<&'static str> {
        CLASSES.iter().filter(|(word, _)| self.uses(word)).map(|(_, class)| *class).collect()
    }

    /// The parameters, or the arguments of a call, without the time.
    fn arguments(&self, types: bool) -> String {
        let all = [
            (true, "String ", "secret"),
            (true, "Map<String, String> ", "headers"),
            (true, "byte[] ", "body"),
            (self.model.takes_url, "String ", "url"),
            (self.model.takes_method, "String ", "method"),
        ];
        let taken = all.iter().filter(|(is_taken, _, _)| *is_taken);
        taken.map(|(_, kind, name)| format!("{}{name}", if types { kind } else { "" })).collect::<Vec<_>>().join(", ")
    }

    fn reading(&self, read: &Read) -> String {
        match &read.source {
            Source::Header(name) if read.is_required => format!("required(anyCase, {})", self.literal(name)),
            Source::Header(name) => format!("anyCase.getOrDefault({}, \"\")", self.literal(name)),
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => self.literal(&index.to_string()),
                    })
                    .collect();
                format!("inBody(body, {}, {})", read.is_required, steps.join(", "))
            }
        }
    }
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
        Hash::Sha384 => "SHA-384",
        Hash::Sha512 => "SHA-512",
    }
}

impl Spelling for Java<'_> {
    fn mark(&self) -> &'static str {
        "//"
    }

    fn variable(&self, snake: &str) -> String {
        camel(snake)
    }

    fn literal(&self, text: &str) -> String {
        let units = |letter: char| {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units);
            units.iter().fold(String::new(), |escapes, unit| escapes + &format!("\\u{unit:04x}"))
        };
        quoted(text, &[], units)
    }

    fn utf8(&self, text: &str) -> String {
        format!("{}.getBytes(StandardCharsets.UTF_8)", atomic(text, " + "))
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" + ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        format!("join({})", parts.join(", "))
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("digest(\"{}\", {bytes})", hash_name(hash))
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("hmac(\"Hmac{}\", {key}, {bytes})", hash_name(hash).replace('-', ""))
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("HexFormat.of().formatHex({bytes})"),
            Encoding::UpperHex => format!("HexFormat.of().withUpperCase().formatHex({bytes})"),
            Encoding::Base64 => format!("Base64.getEncoder().encodeToString({bytes})"),
            Encoding::Base64Url => format!("Base64.getUrlEncoder().withoutPadding().encodeToString({bytes})"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => self.utf8(text),
            SecretEncoding::Base64 => format!("Base64.getDecoder().decode({text})"),
            SecretEncoding::Base64Url => format!("Base64.getUrlDecoder().decode({text})"),
            SecretEncoding::Hex => format!("HexFormat.of().parseHex({text})"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("without({text}, {})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "String.valueOf(body.length)".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        match part {
            UrlText::Whole => "url".to_owned(),
            UrlText::Host => "URI.create(url).getHost()".to_owned(),
            UrlText::Path => "pathOf(url)".to_owned(),
            UrlText::Query => "queryOf(url)".to_owned(),
            UrlText::Target => "(pathOf(url) + (queryOf(url).isEmpty() ? \"\" : \"?\" + queryOf(url)))".to_owned(),
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("same({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        format!("sameAsOne({expected}, {shown}.split(Pattern.quote({}), -1))", self.literal(split))
    }

    fn is_there(&self, text: &str) -> String {
        format!("!{text}.isEmpty()")
    }
}
