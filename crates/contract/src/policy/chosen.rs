//! `delivery` where values in it follow from what an endpoint has chosen: `timeout: "{{ endpoint.options.timeout }}"`.
//!
//! Such a value is worked out first and then read as if it stood there. So whatever may be written in `delivery` may be chosen, within
//! the bounds of the option's schema, and there is one reader for both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bellwire_domain::DeliveryPolicy;

use crate::diagnostic::Report;
use crate::piece::Piece;
use crate::published::Bindings;
use crate::template::{Part, Template};
use crate::variables::Scope;
use crate::yaml::{Kind, Node, Scalar, Style, parse};

const OPTIONS: &str = "endpoint.options";
/// Policies that are kept, each for one choice. Most endpoints choose the same.
const KEPT_MAX: usize = 1_024;

/// The value of `delivery`, and policies that were read from it.
#[derive(Debug)]
pub(crate) struct ChosenDelivery {
    node: Node,
    kept: Mutex<HashMap<String, Arc<DeliveryPolicy>>>,
}

impl ChosenDelivery {
    /// `None`: nothing in it follows from a choice.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        depends(node).then(|| Self { node: node.clone(), kept: Mutex::default() })
    }

    /// The policy for an endpoint with these options; `None`: they do not fit the contract any more.
    pub(crate) fn policy(&self, options: &str) -> Option<Arc<DeliveryPolicy>> {
        let kept = |policies: &HashMap<String, Arc<DeliveryPolicy>>| policies.get(options).cloned();
        if let Some(policy) = kept(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(policy);
        }
        let mut report = Report::new("");
        let node = substituted(&self.node, "delivery", options, &mut report)?;
        let (policy, _) = super::read(Some(&node), &mut report)?;
        if !report.is_clean() {
            return None;
        }
        let policy = Arc::new(policy);
        let mut policies = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if policies.len() >= KEPT_MAX {
            policies.clear();
        }
        policies.insert(options.to_owned(), Arc::clone(&policy));
        Some(policy)
    }
}

fn depends(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(scalar) => is_chosen(scalar),
        Kind::List(items) => items.iter().any(depends),
        Kind::Map(entries) => entries.iter().any(|(_, node)| depends(node)),
    }
}

fn is_chosen(scalar: &Scalar) -> bool {
    scalar.text.contains("{{") && scalar.text.contains(OPTIONS)
}

/// The same with the values that follow from these options, a JSON object.
pub(crate) fn substituted(node: &Node, path: &str, options: &str, report: &mut Report) -> Option<Node> {
    let inside = |node: &Node, report: &mut Report| substituted(node, path, options, report);
    let kind = match &node.kind {
        Kind::Scalar(scalar) if is_chosen(scalar) => return chosen(node, path, options, report),
        Kind::Scalar(_) => node.kind.clone(),
        Kind::List(items) => Kind::List(items.iter().map(|node| inside(node, report)).collect::<Option<_>>()?),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| Some((key.clone(), inside(node, report)?)));
            Kind::Map(entries.collect::<Option<_>>()?)
        }
    };
    Some(Node { at: node.at, kind })
}

fn chosen(node: &Node, path: &str, options: &str, report: &mut Report) -> Option<Node> {
    let template = Template::read(node, path, &[OPTIONS.to_owned()], report)?;
    let mut values = Bindings::at(None);
    values.set(OPTIONS, options.to_owned());
    let scope = Scope::of(&values);
    let whole = match template.parts.as_slice() {
        [Part::Expression(expression)] => expression.evaluate(scope).ok(),
        _ => None,
    };
    if let Some(Piece::Json(raw)) = &whole
        && raw.starts_with(['[', '{'])
    {
        let read = parse(raw, report)?;
        return Some(Node { at: node.at, ..read });
    }
    match template.render_text(scope) {
        Ok(text) => Some(Node { at: node.at, kind: Kind::Scalar(Scalar { text, style: Style::Plain }) }),
        Err(failure) => {
            let help = "give the option a default, or the value: `| default('5m')`";
            report.add(node.at, path, format!("for an endpoint that chooses {options}: {}", failure.message), help);
            None
        }
    }
}
