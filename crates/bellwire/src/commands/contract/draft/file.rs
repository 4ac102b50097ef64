//! The draft's text: what the document says as keys, what it does not say as comments with the usual.

use std::fmt::Write as _;

use super::super::yaml_text::quoted;
use super::document::Node;
use super::events::{Drafted, cleaned};
use super::found::Found;
use super::yaml::{flow, write_member};

/// The most headers that are proposed in comments.
const OPEN_HEADERS_MAX: usize = 64;

/// Writes the draft. `kind` is what the document is, such as `OpenAPI 3.1.0`.
pub(super) fn write(name: &str, kind: &str, found: &Found<'_>, events: &[Drafted]) -> String {
    let title = found.title.and_then(|title| cleaned(title, 60)).unwrap_or_else(|| name.to_owned());
    let mut out = format!(
        "# A draft, made from a document in {kind}. What that document does not say is marked with `decide:`.\n\
         # Every key is explained in docs/contract-language.md.\ncontract: {}\n",
        quoted(name)
    );
    write_member(&mut out, 0, "title", &Node::text_made(title));
    if let Some(description) = found.description.and_then(|text| cleaned(text, 300)) {
        write_member(&mut out, 0, "description", &Node::text_made(description));
    }
    let first = events.first();
    let method = first.map(|first| first.method).filter(|first| events.iter().all(|event| event.method == *first));
    let headers: Vec<&(String, String)> = first
        .map_or(&[][..], |first| &first.headers)
        .iter()
        .filter(|pair| events.iter().all(|event| event.headers.contains(pair)))
        .collect();
    out.push_str("\nevents:\n");
    for event in events {
        let own: Vec<_> = event.headers.iter().filter(|pair| !headers.contains(pair)).cloned().collect();
        let own_method = Some(event.method).filter(|own| method.is_none() && *own != "POST");
        out.push_str(&event.text(own_method, &own));
    }
    out.push_str(
        "\n# decide: which event is sent to try an endpoint.\n\
         # test_event: { type: test.ping, title: Test, data: { message: \"It works\" } }\n\
         \n# decide: who registers endpoints, whether they choose events, and where secrets come from.\n\
         subscription:\n  events: choose\n  url: https\n  register: consumer\n  # secret: { from: generated, readable: false }\n",
    );
    out.push_str(&request(method.filter(|method| *method != "POST"), &headers, events));
    out.push_str(
        "\n# decide: how a receiver knows that a request is genuine. Look for the hash, the key, the signed text and the encoding.\n\
         # signatures:\n#   main: { hmac: sha256, over: \"{{ body }}\", encode: hex }\n\
         \n# decide: what counts as received, and when to try again. This is the usual.\n\
         delivery:\n  timeout: 30s\n  success: 2xx\n  retry: { retries: 10, within: 1d, backoff: exponential }\n",
    );
    out
}

fn request(method: Option<&str>, headers: &[&(String, String)], events: &[Drafted]) -> String {
    let mut out = String::from("\nrequest:\n");
    if let Some(method) = method {
        let _ = writeln!(out, "  method: {method}");
    }
    let mut open: Vec<&(String, String)> = Vec::new();
    for pair in events.iter().flat_map(|event| &event.open_headers) {
        if open.len() < OPEN_HEADERS_MAX && !open.iter().any(|(known, _)| known.eq_ignore_ascii_case(&pair.0)) {
            open.push(pair);
        }
    }
    let open: Vec<String> =
        open.iter().map(|(name, value)| format!("{}: {}", quoted(name), flow(&Node::text_made(value.as_str())))).collect();
    if headers.is_empty() {
        out.push_str("  # decide: which headers there are, with the time and the signature.\n");
        if !open.is_empty() {
            out.push_str("  # headers:\n");
        }
        for line in open {
            let _ = writeln!(out, "  #   {line}");
        }
    } else {
        out.push_str("  # decide: whether these headers carry what their names let one guess.\n  headers:\n");
        for (name, value) in headers {
            write_member(&mut out, 4, name, &Node::text_made(value.as_str()));
        }
        for line in open {
            let _ = writeln!(out, "    # decide: {line}");
        }
    }
    out.push_str(
        "  # decide: whether the body is more than the data. The document's schemas are about whole bodies, so what you post is sent as\n  \
         # it is. To post the inner part only, write the rest here, and shorten the schemas.\n  \
         body: \"{{ event.data }}\"\n",
    );
    out
}
