//! A first contract, written from the answers.

use std::fmt::Write as _;

use super::super::yaml_text::quoted;
use super::answers::{Answers, Body, Registers, Scheme, SecretFrom, Time};

/// The file's text. It compiles if each answer is one that can be taken.
pub(super) fn write(answers: &Answers) -> String {
    let mut out = String::new();
    let parts =
        [names(answers), events(answers), subscription(answers), request(answers), signatures(answers), delivery(answers)];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(part);
    }
    out
}

fn names(answers: &Answers) -> String {
    let title = answers.title();
    format!(
        "# A first contract for {}. Note here what the platform's document leaves open, and what you decided.\n\
         # Every key is explained in docs/contract-language.md.\n\
         contract: {}\ntitle: {}\n",
        title.escape_debug(),
        quoted(&answers.name),
        quoted(&title)
    )
}

fn events(answers: &Answers) -> String {
    let mut out = String::new();
    if answers.events.is_empty() {
        out.push_str(
            "# Any event is accepted. List them to describe and check them: `- { type: order.created, example: { … } }`.\n",
        );
        out.push_str("events: any\n");
    } else {
        out.push_str(
            "# The exact names that programs see. Put the document's example in place of each one here, and what it says about\n",
        );
        out.push_str("# fields into a `schema`, which is JSON Schema.\nevents:\n");
        for name in &answers.events {
            let _ = write!(out, "  - type: {}\n    example: {{ id: \"1\" }}\n", quoted(name));
        }
    }
    out.push_str("\n# What somebody is sent who tries an endpoint.\n");
    out.push_str("test_event: { type: test.ping, title: Test, data: { message: \"It works\" } }\n");
    out
}

fn subscription(answers: &Answers) -> String {
    let mut out =
        String::from("# Who may register what. An endpoint names the events that it wants; `events: all` sends it every one.\n");
    out.push_str("subscription:\n  events: choose\n  url: https\n");
    out.push_str(match answers.register {
        Registers::Consumer => "  register: consumer # customers register their endpoints themselves\n",
        Registers::Operator => "  register: operator # only you set up endpoints\n",
    });
    if answers.signature == Scheme::None {
        out.push_str("  # Nothing is signed, so there are no secrets.\n");
        return out;
    }
    out.push_str("  secret:\n");
    out.push_str(match answers.secret {
        SecretFrom::Generated => "    from: generated # drawn for each endpoint\n",
        SecretFrom::Consumer => "    from: consumer # the customer chooses one for each endpoint\n",
        SecretFrom::Account => "    from: account # each account has one\n",
    });
    out.push_str("    readable: false # it is shown once, when it is made\n");
    if answers.signature == Scheme::StandardWebhooks {
        out.push_str("    # 24 to 64 random bytes in base64, after whsec_\n");
        out.push_str("    format: { prefix: whsec_, encoding: base64, bytes_min: 24, bytes_max: 64 }\n");
    }
    out
}

fn request(answers: &Answers) -> String {
    let prefix = answers.header_prefix();
    let mut out = String::from("# What is sent. A header's name is spelled on the wire as it is here.\nrequest:\n  headers:\n");
    let mut header = |name: &str, value: &str, comment: &str| {
        let _ = writeln!(out, "    {}: \"{value}\" # {comment}", quoted(name));
    };
    match answers.signature {
        Scheme::StandardWebhooks => {
            header("webhook-id", "{{ event.id }}", "the same on every attempt, so that receivers can drop duplicates");
            header("webhook-timestamp", "{{ attempt.at | unix }}", "of this attempt");
            header("webhook-signature", "{{ signature.main }}", "one value for each active secret");
        }
        Scheme::HmacHex | Scheme::HmacBase64 => {
            header(&format!("{prefix}-id"), "{{ event.id }}", "the same on every attempt, so that receivers can drop duplicates");
            let time = format!("{{{{ attempt.at | {} }}}}", filter(answers.time));
            header(&format!("{prefix}-timestamp"), &time, "of this attempt");
            header(&format!("{prefix}-signature"), "{{ signature.main }}", "see `signatures`");
        }
        Scheme::StripeLike => {
            header(&format!("{prefix}-id"), "{{ event.id }}", "the same on every attempt, so that receivers can drop duplicates");
            header(
                &format!("{prefix}-signature"),
                "t={{ attempt.at | unix }},{{ signature.main }}",
                "a v1= for each active secret",
            );
        }
        Scheme::Token | Scheme::None => {
            header(&format!("{prefix}-id"), "{{ event.id }}", "the same on every attempt, so that receivers can drop duplicates");
            if answers.signature == Scheme::Token {
                header("authorization", "Bearer {{ secret }}", "the newest secret");
            }
        }
    }
    header(&format!("{prefix}-event"), "{{ event.type }}", "what has happened");
    out.push_str(&body(answers));
    out
}

fn body(answers: &Answers) -> String {
    let created = format!("created: \"{{{{ event.occurred_at | {} }}}}\" # when it happened", filter(answers.time));
    let (id, event_type) = ("id: \"{{ event.id }}\"", "type: \"{{ event.type }}\"");
    match answers.body {
        Body::Envelope => {
            format!("  body:\n    {id}\n    {event_type}\n    {created}\n    data: \"{{{{ event.data }}}}\" # byte for byte\n")
        }
        Body::Data => "  body: \"{{ event.data }}\" # byte for byte\n".to_owned(),
        Body::Merged => format!(
            "  body:\n    event_{id}\n    event_{event_type}\n    {created}\n    $merge: \"{{{{ event.data }}}}\" # its members follow here\n"
        ),
        Body::List => {
            format!(
                "  body:\n    - {id}\n      {event_type}\n      {created}\n      data: \"{{{{ event.data }}}}\" # byte for byte\n"
            )
        }
        Body::Form => format!(
            "  body:\n    $form:\n      {id}\n      {event_type}\n      {created}\n      data: \"{{{{ event.data | json }}}}\" # as JSON text\n"
        ),
    }
}

fn filter(time: Time) -> &'static str {
    match time {
        Time::Rfc3339 => "rfc3339(digits=3)",
        Time::Unix => "unix",
        Time::UnixMs => "unix_ms",
    }
}

fn signatures(answers: &Answers) -> String {
    let over_headers = |encode: &str| {
        format!(
            "# While a secret is rotated, the old one signs until the overlap ends: receivers read one value.\n\
             signatures:\n  main:\n    hmac: sha256\n    over: \"{{{{ header['{}-timestamp'] }}}}.{{{{ body }}}}\"\n    encode: {encode}\n",
            answers.header_prefix()
        )
    };
    match answers.signature {
        Scheme::HmacHex => over_headers("hex"),
        Scheme::HmacBase64 => over_headers("base64"),
        Scheme::StripeLike => "# While a secret is rotated, both sign: one v1= that fits is enough.\n\
             signatures:\n  main:\n    hmac: sha256\n    over: \"{{ attempt.at | unix }}.{{ body }}\"\n    encode: hex\n    \
             prefix: \"v1=\"\n    join: \",\"\n"
            .to_owned(),
        Scheme::StandardWebhooks => "# While a secret is rotated, both sign: one value that fits is enough.\n\
             signatures:\n  main:\n    hmac: sha256\n    key: { as: base64, strip: whsec_ }\n    \
             over: \"{{ header['webhook-id'] }}.{{ header['webhook-timestamp'] }}.{{ body }}\"\n    encode: base64\n    \
             prefix: \"v1,\"\n    join: \" \"\n"
            .to_owned(),
        Scheme::Token | Scheme::None => String::new(),
    }
}

fn delivery(answers: &Answers) -> String {
    let mut out = String::from("# What counts as received, and when to try again.\ndelivery:\n");
    let _ = writeln!(out, "  timeout: {}", answers.timeout);
    let _ = writeln!(out, "  success: {}", answers.success);
    match answers.retry.as_str() {
        "none" => out.push_str("  retry: none\n"),
        "day" => out.push_str("  retry: { retries: 10, within: 1d, backoff: exponential }\n"),
        "3-days" => out.push_str("  retry: { retries: 10, within: 3d, backoff: exponential }\n"),
        delays => {
            let _ = writeln!(out, "  retry: {{ schedule: [{delays}] }}");
        }
    }
    out.push_str("  retry_after: { max: 1h } # an overloaded receiver says when to come back\n");
    out
}

#[cfg(test)]
mod tests;
