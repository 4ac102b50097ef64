//! Bodies of requests.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::reader::join;
use crate::template::Template;
use crate::tree::{Tree, read_pairs};
use crate::variables::Variable;
use crate::yaml::{Kind, Meaning, Node};

/// A body, by its form.
#[derive(Debug)]
pub(crate) enum Body {
    Json(Tree),
    /// The items of a list, each on a line of its own.
    Lines(Tree),
    Form(Vec<(String, bool, Template)>),
    Text(Template),
    Empty,
}

impl Body {
    /// Reads `request.body`.
    pub(crate) fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        if let Kind::Map(entries) = &node.kind
            && let Some((key, value)) =
                entries.iter().find(|(key, _)| matches!(key.text.as_str(), "$form" | "$text" | "$lines" | "$empty" | "$json"))
        {
            if entries.len() > 1 {
                report.add(key.at, &join(path, &key.text), "a form of body cannot have other keys beside it", "keep one of them");
                return None;
            }
            let path = join(path, &key.text);
            return match key.text.as_str() {
                "$form" => read_pairs(value, &path, report).map(Self::Form),
                "$text" => Template::read(value, &path, &[], report).map(Self::Text),
                "$lines" => Tree::read(value, &path, &[], report).map(Self::Lines),
                "$json" => Tree::read(value, &path, &[], report).map(Self::Json),
                _ => Some(Self::Empty),
            };
        }
        let tree = Tree::read(node, path, &[], report)?;
        let is_text = node.scalar().is_some_and(|scalar| matches!(scalar.meaning(), Meaning::Text(_)));
        if is_text && !matches!(tree, Tree::Value(_)) {
            report.add(node.at, path, "a text is not a JSON body", "write `{ $text: \"…\" }` for plain text, or a mapping");
            return None;
        }
        Some(Self::Json(tree))
    }

    /// Every expression in it.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Json(tree) | Self::Lines(tree) => tree.expressions(),
            Self::Text(template) => template.expressions().collect(),
            Self::Form(pairs) => pairs.iter().flat_map(|(_, _, template)| template.expressions()).collect(),
            Self::Empty => Vec::new(),
        }
    }

    /// Every variable in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.expressions().into_iter().flat_map(|expression| expression.paths.iter().map(|path| &path.variable))
    }

    /// The `content-type`, unless the contract sets one.
    pub(crate) const fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => Some("application/json"),
            Self::Lines(_) => Some("application/x-ndjson"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Text(_) => Some("text/plain; charset=utf-8"),
            Self::Empty => None,
        }
    }
}
