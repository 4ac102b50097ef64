//! The body of an answer of a published API.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::reader::join;
use crate::template::Template;
use crate::tree::Tree;
use crate::variables::Scope;
use crate::yaml::{Kind, Node};

/// A body, by its form.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Json(Tree),
    Text(Template),
}

impl AnswerBody {
    /// Reads a body: a tree, or `$text` alone.
    pub(crate) fn read(node: &Node, place: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else { return Tree::read(node, place, locals, report).map(Self::Json) };
        let Some((key, value)) = entries.iter().find(|(key, _)| key.text == "$text") else {
            return Tree::read(node, place, locals, report).map(Self::Json);
        };
        let place = join(place, &key.text);
        if entries.len() > 1 {
            report.add(key.at, &place, "a form of body cannot have other keys beside it", "keep one of them");
            return None;
        }
        Template::read(value, &place, locals, report).map(Self::Text)
    }

    /// Appends the body.
    pub(crate) fn render(&self, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        match self {
            Self::Json(tree) => tree.render(scope, out).map(drop),
            Self::Text(template) => template.render_text(scope).map(|text| out.push_str(&text)),
        }
    }

    /// Shows each expression.
    pub(crate) fn visit<'t>(&'t self, visitor: &mut dyn FnMut(&'t Expression)) {
        match self {
            Self::Json(tree) => tree.visit(visitor),
            Self::Text(template) => template.expressions().for_each(visitor),
        }
    }

    /// Shows each name that is given to a value, with the value.
    pub(crate) fn visit_names<'t>(&'t self, visitor: &mut dyn FnMut(&'t str, &'t Expression)) {
        if let Self::Json(tree) = self {
            tree.visit_names(visitor);
        }
    }

    /// The `content-type`, unless the contract sets one.
    pub(crate) const fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Text(_) => "text/plain; charset=utf-8",
        }
    }
}
