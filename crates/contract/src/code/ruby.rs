//! Ruby, with its standard library.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, atomic, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.rb", escape = "none")]
struct Ruby<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Ruby { model, draft }.render())
}

const LIBRARIES: &[(&str, &str)] =
    &[("JSON.", "json"), ("OpenSSL", "openssl"), ("Time.iso8601", "time"), ("Time.httpdate", "time"), ("URI(", "uri")];

impl Ruby<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn imports(&self) -> Vec<&'static str> {
        LIBRARIES.iter().filter(|(word, _)| self.uses(word)).map(|(_, library)| *library).collect()
    }

    fn arguments(&self) -> String {
        let mut arguments = "secret, headers, body".to_owned();
        if self.model.takes_url {
            arguments.push_str(", url");
        }
        if self.model.takes_method {
            arguments.push_str(", method");
        }
        if self.model.needs_now() {
            arguments.push_str(", now = Time.now");
        }
        arguments
    }

    fn reading(&self, read: &Read) -> String {
        match &read.source {
            Source::Header(name) => {
                let plain = name.replace('_', "-");
                let plain = self.literal(plain.strip_prefix("http-").unwrap_or(&plain));
                if read.is_required { format!("required(plain, {plain})") } else { format!("plain.fetch({plain}, \"\")") }
            }
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => index.to_string(),
                    })
                    .collect();
                format!("in_body(body, [{}], {})", steps.join(", "), read.is_required)
            }
        }
    }
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "\"SHA1\"",
        Hash::Sha256 => "\"SHA256\"",
        Hash::Sha384 => "\"SHA384\"",
        Hash::Sha512 => "\"SHA512\"",
    }
}

impl Spelling for Ruby<'_> {
    fn mark(&self) -> &'static str {
        "#"
    }

    fn variable(&self, snake: &str) -> String {
        snake.to_owned()
    }

    fn literal(&self, text: &str) -> String {
        quoted(text, &['#'], |letter| format!("\\u{{{:x}}}", u32::from(letter)))
    }

    fn utf8(&self, text: &str) -> String {
        format!("{}.b", atomic(text, " + "))
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" + ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        parts.join(" + ")
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("OpenSSL::Digest.digest({}, {bytes})", hash_name(hash))
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("OpenSSL::HMAC.digest({}, {key}, {bytes})", hash_name(hash))
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("{}.unpack1(\"H*\")", atomic(bytes, " + ")),
            Encoding::UpperHex => format!("{}.unpack1(\"H*\").upcase", atomic(bytes, " + ")),
            Encoding::Base64 => format!("[{bytes}].pack(\"m0\")"),
            Encoding::Base64Url => format!("[{bytes}].pack(\"m0\").tr(\"+/\", \"-_\").delete(\"=\")"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => self.utf8(text),
            SecretEncoding::Base64 => format!("{text}.unpack1(\"m\")"),
            SecretEncoding::Base64Url => format!("{text}.tr(\"-_\", \"+/\").unpack1(\"m\")"),
            SecretEncoding::Hex => format!("[{text}].pack(\"H*\")"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("{text}.delete_prefix({})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "body.bytesize.to_s".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        match part {
            UrlText::Whole => "url".to_owned(),
            UrlText::Host => "URI(url).host".to_owned(),
            UrlText::Path => "URI(url).path.sub(/\\A\\z/, \"/\")".to_owned(),
            UrlText::Query => "URI(url).query.to_s".to_owned(),
            UrlText::Target => "URI(url).request_uri".to_owned(),
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("same?({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        // A pattern, since a single space as a text splits at any run of blanks.
        format!("{shown}.split(Regexp.new(Regexp.escape({}))).any? {{ |one| same?({expected}, one) }}", self.literal(split))
    }

    fn is_there(&self, text: &str) -> String {
        format!("{text} != \"\"")
    }
}
