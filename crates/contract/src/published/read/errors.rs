//! Reads how a published API refuses requests.

use serde_json::{Map, Value, json};

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::published::api::Errors;
use crate::published::error_kind::ErrorKind;
use crate::published::read::known::Known;
use crate::published::read::status::{ERROR_STATUSES, read_status, status_schema};
use crate::reader::Fields;
use crate::request::HEADERS;
use crate::tree::TREE;
use crate::yaml::Node;

/// The value of `published.errors`.
pub(crate) const ERRORS: Shape =
    Shape::Named(&Definition { name: "published_errors", about: "How refusals look.", shape: Shape::Keys(KEYS), examples: &[] });
/// What to write if it is missing.
pub(crate) const ERRORS_HELP: &str = "write how refusals look: `errors: { body: { message: \"{{ error.message }}\" } }`";
const KEYS: &[KeySpec] = &[
    KeySpec::optional("status", Shape::Computed(statuses_schema), "Statuses that are not the usual ones."),
    HEADERS,
    KeySpec::required("body", TREE, "The body of a refusal.", ERRORS_HELP),
];
const ERROR_NAMES: [&str; 4] = ["error.kind", "error.status", "error.message", "error.field"];

fn statuses_schema() -> Value {
    let status = |kind: &ErrorKind| (kind.to_string(), status_schema(ERROR_STATUSES));
    let statuses: Map<String, Value> = ErrorKind::ALL.iter().map(status).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": statuses })
}

/// Reads `published.errors`.
pub(crate) fn read_errors(node: &Node, report: &mut Report) -> Option<Errors> {
    let fields = Fields::open(node, "published.errors", KEYS, report)?;
    let mut statuses = Vec::new();
    if let Some(node) = fields.get("status") {
        let given = Fields::open_with(node, &fields.path_of("status"), ErrorKind::WORDS, report)?;
        for kind in ErrorKind::ALL {
            let Some(node) = given.get(kind.as_str()) else { continue };
            let status = read_status(node, &given.path_of(kind.as_str()), ERROR_STATUSES, report);
            statuses.extend(status.map(|status| (*kind, status)));
        }
    }
    let known = Known { names: ERROR_NAMES.to_vec(), route: None };
    let body = fields.get("body").and_then(|node| known.body(node, &fields.path_of("body"), report));
    let headers = known.headers(&fields, body.as_ref(), report);
    Some(Errors { statuses, headers: headers?, body: body? })
}
