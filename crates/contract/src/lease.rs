//! Reads `subscription.lease`: how long an endpoint is sent to before somebody has to renew it.

use bellwire_domain::LeasePolicy;

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::Fields;
use crate::yaml::Node;

const KEYS: &[KeySpec] = &[
    KeySpec::optional(
        "default",
        Shape::DURATION,
        "How long an endpoint is sent to that asks for nothing; for ever unless given.",
    ),
    KeySpec::optional("max", Shape::DURATION, "The longest lease."),
    KeySpec::optional("warn", Shape::DURATION, "How long before its end the operator is told."),
    KeySpec::optional("required", Shape::FLAG, "Whether every endpoint expires."),
    KeySpec::optional("renewable_after_end", Shape::FLAG, "Whether an endpoint that has expired may be renewed."),
];

/// The value of `lease`.
pub(crate) const LEASE: Shape = Shape::Named(&Definition {
    name: "lease",
    about: "How long an endpoint is sent to before it has to be renewed.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});

/// Reads `subscription.lease`.
pub(crate) fn read(node: &Node, report: &mut Report) -> Option<LeasePolicy> {
    let fields = Fields::open(node, "subscription.lease", KEYS, report)?;
    let mut span = |key: &str| {
        let span = fields.duration(key, report);
        if span.is_some_and(|span| span.is_zero()) {
            report.add(fields.at(key), &fields.path_of(key), "a lease of no time", "write a time such as `30d`");
        }
        span
    };
    let (default, max, warn) = (span("default"), span("max"), span("warn"));
    if let (Some(default), Some(max)) = (default, max)
        && default > max
    {
        let help = "write a `default` that is no longer than `max`";
        report.add(fields.at("default"), &fields.path_of("default"), "longer than the longest lease", help);
    }
    if let (Some(warn), Some(longest)) = (warn, max.or(default))
        && warn >= longest
    {
        let help = "write a `warn` that is shorter than the leases";
        report.add(fields.at("warn"), &fields.path_of("warn"), "nobody would ever be told", help);
    }
    let required = fields.flag("required", false, report);
    let renewable_after_end = fields.flag("renewable_after_end", false, report);
    Some(LeasePolicy { default, max, warn, required, renewable_after_end })
}
