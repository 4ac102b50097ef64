//! The headers of a request or a published answer.

use std::sync::Arc;

use http::HeaderName;

use crate::diagnostic::Report;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::reader::{entries, join, one_or_many};
use crate::template::{TEMPLATE, Template};
use crate::variables::Scope;
use crate::yaml::Node;

/// The most headers of a contract.
const HEADERS_MAX: usize = 64;
/// Headers of the connection, which a contract cannot set.
const CONNECTION_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "proxy-connection",
    "expect",
];

/// The key that holds headers.
pub(crate) const HEADERS: KeySpec = KeySpec::optional(
    "headers",
    Shape::MapOf(&Shape::OneOrMany { of: &TEMPLATE, min: None }),
    "The headers. A name that ends in `?` may have no value.",
);

/// A header, sent once per value.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    /// Its name as the contract writes it.
    pub(crate) spelled: Arc<str>,
    pub(crate) optional: bool,
    pub(crate) values: Vec<Template>,
}

impl Header {
    /// Its values; none when it is optional and something that it needs is missing.
    pub(crate) fn render(&self, scope: Scope<'_>) -> Result<Vec<String>, Failure> {
        let mut values = Vec::with_capacity(self.values.len());
        for template in &self.values {
            match template.render_text(scope) {
                Ok(text) if text.bytes().any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) => {
                    return Err(Failure::new(template.at, "the value has a line break or another control character"));
                }
                Ok(text) => values.push(text),
                Err(failure) if failure.absent && self.optional => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(values)
    }
}

/// Whether a header belongs to the connection.
pub(crate) fn is_connection_header(name: &str) -> bool {
    CONNECTION_HEADERS.contains(&name)
}

/// Reads headers into `headers`, replacing those of the same name.
pub(crate) fn read_headers(node: &Node, path: &str, locals: &[String], headers: &mut Vec<Header>, report: &mut Report) -> bool {
    let Some(entries) = entries(node, path, "write a mapping from header names to templates", report) else { return false };
    let mut clean = true;
    for (key, value) in entries {
        let place = join(path, &key.text);
        let (name, optional) = match key.text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (key.text.as_str(), false),
        };
        let spelled = Arc::from(name);
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        let Some(name) = parsed.filter(|name| !is_connection_header(name.as_str())) else {
            report.add(
                key.at,
                &place,
                "a contract cannot set this header",
                "a name has letters, digits and `-`; Bellwire sets the headers of the connection itself",
            );
            clean = false;
            continue;
        };
        let templates: Vec<_> = one_or_many(value).iter().map(|node| Template::read(node, &place, locals, report)).collect();
        headers.retain(|header| header.name != name);
        clean &= templates.iter().all(Option::is_some);
        headers.push(Header { name, spelled, optional, values: templates.into_iter().flatten().collect() });
    }
    if headers.len() > HEADERS_MAX {
        report.add(node.at, path, format!("more than {HEADERS_MAX} headers"), "");
        clean = false;
    }
    clean
}
