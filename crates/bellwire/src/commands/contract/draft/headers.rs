//! What a header that a document declares is sent with, as far as its name and its schema tell.

use super::document::Content;
use super::found::Header;

/// Headers of the connection, or such as Bellwire sends itself.
const NOT_OURS: [&str; 15] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// Words in the names of headers that prove something.
const PROVING: [&str; 9] = ["signature", "sign", "hmac", "digest", "authorization", "token", "secret", "key", "hash"];

/// The longest name and the longest value of a header that are drafted, in bytes.
const LENGTH_MAX: usize = 256;

/// What a header becomes in a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is sent with this.
    Sent(String),
    /// Somebody must decide; this is a proposal.
    Open(String),
    /// It is not for a contract to set.
    Skipped,
}

/// Guesses what the header is sent with.
pub(super) fn guess(header: &Header<'_>) -> Guess {
    let name = header.name.to_ascii_lowercase();
    if NOT_OURS.contains(&name.as_str()) || name.len() > LENGTH_MAX || http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Guess::Skipped;
    }
    let words: Vec<&str> = name.split(['-', '_']).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if has(&PROVING) || PROVING.iter().any(|word| word.len() > 4 && name.contains(word)) {
        return Guess::Open("{{ signature.main }}".to_owned());
    }
    if let Some(text) = fixed(header).filter(|text| text.len() <= LENGTH_MAX) {
        return Guess::Sent(text);
    }
    if has(&["timestamp", "time", "date", "sent"]) {
        return Guess::Sent(time(header).to_owned());
    }
    if has(&["event", "topic", "type", "action"]) && !has(&["id"]) {
        return Guess::Sent("{{ event.type }}".to_owned());
    }
    if has(&["attempt", "retry"]) {
        return Guess::Sent("{{ attempt.number }}".to_owned());
    }
    if has(&["traceparent"]) {
        return Guess::Sent("{{ attempt.traceparent }}".to_owned());
    }
    if has(&["trace"]) || has(&["correlation"]) {
        return Guess::Open("{{ attempt.trace_id }}".to_owned());
    }
    if has(&["id", "delivery"]) {
        return Guess::Sent("{{ event.id }}".to_owned());
    }
    Guess::Open("…".to_owned())
}

/// The text that the header always has.
fn fixed(header: &Header<'_>) -> Option<String> {
    let schema = header.schema?;
    let only = schema.get("const").or_else(|| match schema.get("enum")?.items() {
        [only] => Some(only),
        _ => None,
    })?;
    let text = match &only.content {
        Content::Text(text) | Content::Number(text) => text.clone(),
        Content::Bool(value) => value.to_string(),
        Content::Null | Content::List(_) | Content::Map(_) => return None,
    };
    Some(text.replace("{{", "{{ '{{' }}"))
}

/// The time of the attempt, in the form that the schema or the example shows.
fn time(header: &Header<'_>) -> &'static str {
    let example =
        header.example.or_else(|| header.schema?.get("example")).or_else(|| header.schema?.get("examples")?.items().first());
    let shown = match example.map(|example| &example.content) {
        Some(Content::Text(text) | Content::Number(text)) => text.as_str(),
        _ => "",
    };
    let format = header.schema.and_then(|schema| schema.text_of("format")).unwrap_or_default();
    let is_digits = !shown.is_empty() && shown.bytes().all(|byte| byte.is_ascii_digit());
    if shown.ends_with("GMT") {
        "{{ attempt.at | http_date }}"
    } else if format == "date-time" || shown.contains('T') {
        "{{ attempt.at | rfc3339 }}"
    } else if is_digits && shown.len() >= 13 {
        "{{ attempt.at | unix_ms }}"
    } else {
        "{{ attempt.at | unix }}"
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::{self, Node};
    use super::*;

    fn header<'d>(name: &'d str, schema: &'d Node) -> Header<'d> {
        Header { name, schema: Some(schema), example: schema.get("example") }
    }

    #[test]
    fn guesses() {
        for (name, schema, sent) in [
            ("X-Acme-Event", "{}", "{{ event.type }}"),
            ("X-Acme-Event-Id", "{}", "{{ event.id }}"),
            ("X-Acme-Delivery", "{ format: uuid }", "{{ event.id }}"),
            ("X-Timestamp", "{ type: integer }", "{{ attempt.at | unix }}"),
            ("X-Timestamp", "{ example: 1715203665039 }", "{{ attempt.at | unix_ms }}"),
            ("X-Time", "{ format: date-time }", "{{ attempt.at | rfc3339 }}"),
            ("Date", "{ example: 'Wed, 08 May 2024 21:27:45 GMT' }", "{{ attempt.at | http_date }}"),
            ("X-Version", "{ const: '2' }", "2"),
            ("X-Version", "{ enum: [3] }", "3"),
            ("X-Odd", "{ const: 'a {{ b }}' }", "a {{ '{{' }} b }}"),
            ("X-Retry", "{}", "{{ attempt.number }}"),
        ] {
            let schema = document::read(schema).unwrap();
            assert_eq!(guess(&header(name, &schema)), Guess::Sent(sent.to_owned()), "{name}");
        }
        let schema = document::read("{}").unwrap();
        for name in
            ["X-Acme-Signature", "X-Hub-Signature-256", "Authorization", "x-api-key", "X-Hmac", "Digest", "X-WebhookSignature"]
        {
            assert_eq!(guess(&header(name, &schema)), Guess::Open("{{ signature.main }}".to_owned()), "{name}");
        }
        for name in ["Content-Type", "Host", "user-agent", "a b", "", "x:y", "x\n"] {
            assert_eq!(guess(&header(name, &schema)), Guess::Skipped, "{name}");
        }
        assert_eq!(guess(&header("X-Tenant", &schema)), Guess::Open("…".to_owned()));
    }
}
