//! PHP, with its own functions.

use askama::Template;

use super::model::{Model, Read, Rule, Source, TimeForm, UrlText};
use super::spelling::{Spelling, camel, quoted, settle};
use crate::path::Segment;
use crate::signature::{Encoding, Hash, SecretEncoding};

#[derive(Template)]
#[template(path = "verify.php", escape = "none")]
struct Php<'a> {
    model: &'a Model,
    draft: &'a str,
}

pub(super) fn render(model: &Model) -> askama::Result<String> {
    settle(|draft| Php { model, draft }.render())
}

impl Php<'_> {
    fn uses(&self, word: &str) -> bool {
        self.draft.contains(word)
    }

    fn arguments(&self) -> String {
        let mut arguments = "string $secret, array $headers, string $body".to_owned();
        if self.model.takes_url {
            arguments.push_str(", string $url");
        }
        if self.model.takes_method {
            arguments.push_str(", string $method");
        }
        if self.model.needs_now() {
            arguments.push_str(", ?int $now = null");
        }
        arguments
    }

    fn reading(&self, read: &Read) -> String {
        match &read.source {
            Source::Header(name) if read.is_required => format!("self::required($headers, {})", self.literal(name)),
            Source::Header(name) => format!("$headers[{}] ?? \"\"", self.literal(name)),
            Source::Body(steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|step| match step {
                        Segment::Key(key) => self.literal(key),
                        Segment::Index(index) => index.to_string(),
                    })
                    .collect();
                format!("self::inBody($body, [{}], {})", steps.join(", "), read.is_required)
            }
        }
    }

    fn variables(&self, names: &[String]) -> String {
        names.iter().map(|name| self.variable(name)).collect::<Vec<_>>().join(", ")
    }
}

impl Spelling for Php<'_> {
    fn mark(&self) -> &'static str {
        "//"
    }

    fn variable(&self, snake: &str) -> String {
        format!("${}", camel(snake))
    }

    fn literal(&self, text: &str) -> String {
        quoted(text, &['$'], |letter| format!("\\u{{{:x}}}", u32::from(letter)))
    }

    fn utf8(&self, text: &str) -> String {
        text.to_owned()
    }

    fn join(&self, texts: &[String]) -> String {
        texts.join(" . ")
    }

    fn join_bytes(&self, parts: &[String]) -> String {
        parts.join(" . ")
    }

    fn digest(&self, hash: Hash, bytes: &str) -> String {
        format!("hash(\"{hash}\", {bytes}, true)")
    }

    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String {
        format!("hash_hmac(\"{hash}\", {bytes}, {key}, true)")
    }

    fn encode(&self, encoding: Encoding, bytes: &str) -> String {
        match encoding {
            Encoding::Hex => format!("bin2hex({bytes})"),
            Encoding::UpperHex => format!("strtoupper(bin2hex({bytes}))"),
            Encoding::Base64 => format!("base64_encode({bytes})"),
            Encoding::Base64Url => format!("rtrim(strtr(base64_encode({bytes}), \"+/\", \"-_\"), \"=\")"),
        }
    }

    fn decode(&self, encoding: SecretEncoding, text: &str) -> String {
        match encoding {
            SecretEncoding::Text => text.to_owned(),
            SecretEncoding::Base64 => format!("base64_decode({text})"),
            SecretEncoding::Base64Url => format!("base64_decode(strtr({text}, \"-_\", \"+/\"))"),
            SecretEncoding::Hex => format!("hex2bin({text})"),
        }
    }

    fn strip(&self, text: &str, prefix: &str) -> String {
        format!("self::without({text}, {})", self.literal(prefix))
    }

    fn body_length(&self) -> String {
        "strlen($body)".to_owned()
    }

    fn url(&self, part: UrlText) -> String {
        let path = "(parse_url($url, PHP_URL_PATH) ?: \"/\")";
        match part {
            UrlText::Whole => "$url".to_owned(),
            UrlText::Host => "parse_url($url, PHP_URL_HOST)".to_owned(),
            UrlText::Path => path.to_owned(),
            UrlText::Query => "parse_url($url, PHP_URL_QUERY)".to_owned(),
            UrlText::Target => {
                format!("({path} . (parse_url($url, PHP_URL_QUERY) === null ? \"\" : \"?\" . parse_url($url, PHP_URL_QUERY)))")
            }
        }
    }

    fn same(&self, expected: &str, shown: &str) -> String {
        format!("hash_equals({expected}, {shown})")
    }

    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String {
        format!("self::sameAsOne({expected}, explode({}, {shown}))", self.literal(split))
    }

    fn is_there(&self, text: &str) -> String {
        format!("{text} !== \"\"")
    }
}
