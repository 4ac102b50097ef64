//! JavaScript on Node.js, with its own modules.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, camel, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.mjs", escape = "none")]
struct Node<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Node { model, draft }.render())
}

impl Node<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn imports(&self) -> String {
        let names = ["createHash", "createHmac", "timingSafeEqual"];
        names.into_iter().filter(|name| self.uses(&format!("{name}("))).collect::<Vec<_>>().join(", ")
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
            Source::Header(name) if read.is_required => format!("required(lowerCase, {})", self.literal(name)),
            Source::Header(name) => format!("lowerCase.get({}) ?? \"\"", self.literal(name)),
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => index.to_string(),
                    })
                    .collect();
                format!("inBody(body, [{}], {})", steps.join(", "), read.is_required)
            }
        }
    }

    fn variables(&self, names: &[String]) -> String {
        names.iter().map(|name| self.variable(name)).collect::<Vec<_>>().join(", ")
    }
}

impl Spelling for Node<'_> {
    fn mark(&self) -> &'static str {
        "//"
    }

    fn variable(&self, snake: &str) -> String {
        camel(snake)
    }

    fn literal(&self, text: &str) -> String {
        quoted(text, &[], |letter| format!("\\u{{{:x}}}", u32::from(letter)))
    }

    fn utf8(&self, text: &str) -> String {
        format!("Buffer.from({text})")
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" + ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        format!("Buffer.concat([{}])", parts.join(", "))
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("createHash(\"{hash}\").update({bytes}).digest()")
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("createHmac(\"{hash}\", {key}).update({bytes}).digest()")
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("{bytes}.toString(\"hex\")"),
            Encoding::UpperHex => format!("{bytes}.toString(\"hex\").toUpperCase()"),
            Encoding::Base64 => format!("{bytes}.toString(\"base64\")"),
            Encoding::Base64Url => format!("{bytes}.toString(\"base64url\")"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => self.utf8(text),
            decoded => format!("Buffer.from({text}, \"{decoded}\")"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("without({text}, {})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "String(body.length)".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        match part {
            UrlText::Whole => "url".to_owned(),
            UrlText::Host => "new URL(url).hostname".to_owned(),
            UrlText::Path => "new URL(url).pathname".to_owned(),
            UrlText::Query => "new URL(url).search.slice(1)".to_owned(),
            UrlText::Target => "(new URL(url).pathname + new URL(url).search)".to_owned(),
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("same({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        format!("{shown}.split({}).some((one) => same({expected}, one))", self.literal(split))
    }

    fn is_there(&self, text: &str) -> String {
        text.to_owned()
    }
}
