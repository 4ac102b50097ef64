//! Python, with its standard library.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, atomic, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.py", escape = "none")]
struct Python<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Python { model, draft }.render())
}

const MODULES: &[&str] = &["base64", "email.utils", "hashlib", "hmac", "json", "re", "time", "urllib.parse"];

impl Python<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn imports(&self) -> Vec<String> {
        let used = |module: &&&str| self.uses(&format!(" {module}.")) || self.uses(&format!("({module}."));
        let mut imports: Vec<String> = MODULES.iter().filter(used).map(|module| format!("import {module}")).collect();
        if self.uses("datetime.strptime") {
            imports.insert(usize::from(self.uses("base64.")), "from datetime import datetime".to_owned());
        }
        imports
    }

    fn arguments(&self) -> String {
        let mut arguments = "secret, headers, body".to_owned();
        if self.model.takes_url {
            arguments.push_str(", url");
        }
        if self.model.takes_method {
            arguments.push_str(", method");
        }
        arguments
    }

    fn reading(&self, read: &Read) -> String {
        match &read.source {
            Source::Header(name) if read.is_required => format!("_required(headers, {})", self.literal(name)),
            Source::Header(name) => format!("headers.get({}, \"\")", self.literal(name)),
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => index.to_string(),
                    })
                    .collect();
                let optional = if read.is_required { "" } else { ", required=False" };
                format!("_in_body(body, {}{optional})", steps.join(", "))
            }
        }
    }
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "hashlib.sha1",
        Hash::Sha256 => "hashlib.sha256",
        Hash::Sha384 => "hashlib.sha384",
        Hash::Sha512 => "hashlib.sha512",
    }
}

impl Spelling for Python<'_> {
    fn mark(&self) -> &'static str {
        "#"
    }

    fn variable(&self, snake: &str) -> String {
        snake.to_owned()
    }

    fn literal(&self, text: &str) -> String {
        quoted(text, &[], |letter| format!("\\U{:08x}", u32::from(letter)))
    }

    fn literal_bytes(&self, text: &str) -> String {
        let literal = self.literal(text);
        if text.is_ascii() && !literal.contains("\\U") { format!("b{literal}") } else { self.utf8(&literal) }
    }

    fn utf8(&self, text: &str) -> String {
        format!("{}.encode()", atomic(text, " + "))
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" + ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        parts.join(" + ")
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("{}({bytes}).digest()", hash_name(hash))
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("hmac.new({key}, {bytes}, {}).digest()", hash_name(hash))
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("{}.hex()", atomic(bytes, " + ")),
            Encoding::UpperHex => format!("{}.hex().upper()", atomic(bytes, " + ")),
            Encoding::Base64 => format!("base64.b64encode({bytes}).decode()"),
            Encoding::Base64Url => format!("base64.urlsafe_b64encode({bytes}).decode().rstrip(\"=\")"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => self.utf8(text),
            SecretEncoding::Base64 => format!("_base64({text})"),
            SecretEncoding::Base64Url => format!("_base64url({text})"),
            SecretEncoding::Hex => format!("bytes.fromhex({text})"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("{text}.removeprefix({})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "str(len(body))".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        match part {
            UrlText::Whole => "url".to_owned(),
            UrlText::Host => "(urllib.parse.urlsplit(url).hostname or \"\")".to_owned(),
            UrlText::Path => "(urllib.parse.urlsplit(url).path or \"/\")".to_owned(),
            UrlText::Query => "urllib.parse.urlsplit(url).query".to_owned(),
            UrlText::Target => "_target(url)".to_owned(),
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("_same({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        format!("any(_same({expected}, one) for one in {shown}.split({}))", self.literal(split))
    }

    fn or(&self) -> &'static str {
        " or "
    }

    fn not(&self, condition: &str) -> String {
        format!("not {condition}")
    }

    fn is_there(&self, text: &str) -> String {
        text.to_owned()
    }
}
