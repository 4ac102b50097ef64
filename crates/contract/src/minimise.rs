//! Reads `subscription.payload`: how much of an event's data an endpoint may choose to be sent.

use bellwire_domain::{PAYLOAD_FIELDS_MAX, PayloadLevel, PayloadRules, Pointer};

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::{Fields, items, text, word};
use crate::yaml::Node;

const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "allow",
        Shape::List { of: &Shape::Words(PayloadLevel::WORDS), min: Some(1), max: Some(3) },
        "What an endpoint may choose.",
        "list what an endpoint may choose, such as `allow: [full, ids]`",
    ),
    KeySpec::optional(
        "ids",
        Shape::List { of: &POINTER, min: Some(1), max: Some(PAYLOAD_FIELDS_MAX) },
        "The fields that are ids, as JSON pointers into the event's data.",
    ),
    KeySpec::optional("default", Shape::Words(&["full", "ids"]), "What an endpoint gets that chooses nothing."),
];
const POINTER: Shape = Shape::Pattern("^/");

/// The value of `payload`.
pub(crate) const PAYLOAD: Shape = Shape::Named(&Definition {
    name: "payload",
    about: "How much of an event's data an endpoint may choose to be sent.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});

/// Reads `subscription.payload`.
pub(crate) fn read(node: &Node, report: &mut Report) -> Option<PayloadRules> {
    let fields = Fields::open(node, "subscription.payload", KEYS, report)?;
    let place = fields.path_of("allow");
    let help = "list `full`, `ids` and `fields` as they may be chosen";
    let listed = items(fields.get("allow")?, &place, help, report)?;
    let levels: Vec<_> = listed.iter().map(|node| word::<PayloadLevel>(node, &place, report)).collect();
    let mut allow = levels.into_iter().collect::<Option<Vec<_>>>()?;
    allow.dedup();
    let ids = match fields.get("ids") {
        Some(node) => read_ids(node, &fields.path_of("ids"), report)?,
        None => Vec::new(),
    };
    if ids.is_empty() == allow.contains(&PayloadLevel::Ids) {
        let (message, help) = if ids.is_empty() {
            ("missing", "say which fields are ids: `ids: [/id, /patient/id]`")
        } else {
            ("`allow` has no `ids`", "add `ids` to `allow`, or leave this out")
        };
        report.add(fields.at("ids"), &fields.path_of("ids"), message, help);
    }
    // An endpoint that chose nothing has named no fields.
    let of_itself = allow.iter().copied().find(|level| *level != PayloadLevel::Fields);
    let full = allow.contains(&PayloadLevel::Full).then_some(PayloadLevel::Full);
    let default = fields.word("default", report).or(full).or(of_itself);
    let Some(default) = default else {
        report.add(
            fields.at("allow"),
            &place,
            "neither `full` nor `ids`",
            "allow one of them, for endpoints that choose nothing",
        );
        return None;
    };
    if default == PayloadLevel::Fields || !allow.contains(&default) {
        let help = "write `full` or `ids`, which must be in `allow`";
        report.add(fields.at("default"), &fields.path_of("default"), format!("`{default}` cannot be the default"), help);
    }
    Some(PayloadRules { allow, ids, default, is_declared: true })
}

fn read_ids(node: &Node, path: &str, report: &mut Report) -> Option<Vec<Pointer>> {
    let nodes = items(node, path, "list JSON pointers: `ids: [/id, /patient/id]`", report)?;
    if nodes.len() > PAYLOAD_FIELDS_MAX {
        report.add(node.at, path, format!("more than {PAYLOAD_FIELDS_MAX} fields"), "");
    }
    let mut ids = Vec::with_capacity(nodes.len());
    for node in nodes {
        match Pointer::try_new(&text(node, path, report)?) {
            Ok(pointer) => ids.push(pointer),
            Err(error) => report.add(node.at, path, "not a JSON pointer", error.to_string()),
        }
    }
    (ids.len() == nodes.len()).then_some(ids)
}
