//! Reads `request.variants`: how the request differs where a condition holds, such as what an endpoint has chosen.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::facts::read_condition;
use crate::reader::{Fields, items};
use crate::request::{KEYS as REQUEST_KEYS, RequestPlan, VARIANT_KEYS, VARIANTS_MAX};
use crate::signature::Signatures;
use crate::yaml::Node;

/// A request that differs where a condition holds.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) when: Expression,
    pub(crate) plan: RequestPlan,
}

impl Variant {
    /// Reads all of them. `base` is the contract's `request`.
    pub(crate) fn read_all(base: &Node, signatures: &Signatures, report: &mut Report) -> Option<Vec<Self>> {
        const PATH: &str = "request.variants";
        let mut ignored = Report::new("");
        let Some(fields) = Fields::open(base, "request", REQUEST_KEYS, &mut ignored) else { return Some(Vec::new()) };
        let Some(node) = fields.get("variants") else { return Some(Vec::new()) };
        let nodes = items(node, PATH, "list them: `- { when: …, request: { … } }`", report)?;
        if nodes.len() > VARIANTS_MAX {
            report.add(node.at, PATH, format!("more than {VARIANTS_MAX} variants"), "");
        }
        let read = |(index, node)| Self::read(node, &format!("{PATH}[{index}]"), base, signatures, report);
        let all: Vec<Option<Self>> = nodes.iter().enumerate().map(read).collect();
        all.into_iter().collect()
    }

    fn read(node: &Node, path: &str, base: &Node, signatures: &Signatures, report: &mut Report) -> Option<Self> {
        let fields = Fields::open(node, path, VARIANT_KEYS, report)?;
        let when = fields.get("when").and_then(|node| read_condition(node, &fields.path_of("when"), report));
        let place = fields.path_of("request");
        let plan = fields.get("request").and_then(|node| RequestPlan::read(base, Some((node, &place)), signatures, report));
        Some(Self { when: when?, plan: plan? })
    }
}
