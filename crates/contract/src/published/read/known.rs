//! The names that templates of published APIs may use, and trees and headers read with them.

use http::Method;

use crate::diagnostic::{Report, suggestion};
use crate::expression::Expression;
use crate::path::Path;
use crate::published::body::AnswerBody;
use crate::reader::Fields;
use crate::request::{Header, read_headers};
use crate::template::{Part, Template};
use crate::tree::Tree;
use crate::variables::Variable;
use crate::yaml::Node;

/// The names that templates may use in one place.
pub(crate) struct Known<'a> {
    pub(crate) names: Vec<&'static str>,
    /// The route's method and the names in its path.
    pub(crate) route: Option<(&'a Method, &'a [&'a str])>,
}

impl Known<'_> {
    fn locals(&self) -> Vec<String> {
        self.names.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn tree(&self, node: &Node, place: &str, report: &mut Report) -> Option<Tree> {
        let tree = Tree::read(node, place, &self.locals(), report)?;
        tree.visit(&mut |expression| self.check(expression, place, report));
        Some(tree)
    }

    /// The body of an answer.
    pub(crate) fn body(&self, node: &Node, place: &str, report: &mut Report) -> Option<AnswerBody> {
        let body = AnswerBody::read(node, place, &self.locals(), report)?;
        body.visit(&mut |expression| self.check(expression, place, report));
        Some(body)
    }

    /// A condition: one expression.
    pub(crate) fn condition(&self, node: &Node, place: &str, report: &mut Report) -> Option<Expression> {
        let help = "write one expression and nothing around it: `\"{{ request.body.operationName == 'addHook' }}\"`";
        let expression = Template::read_expression(node, place, &self.locals(), ("a condition is one expression", help), report)?;
        self.check(&expression, place, report);
        Some(expression)
    }

    /// A text.
    pub(crate) fn text(&self, node: &Node, place: &str, report: &mut Report) -> Option<Template> {
        let template = Template::read(node, place, &self.locals(), report)?;
        template.expressions().for_each(|expression| self.check(expression, place, report));
        Some(template)
    }

    /// The headers. With a body, `content-type` is that of its form unless they set it.
    pub(crate) fn headers(&self, fields: &Fields<'_>, body: Option<&AnswerBody>, report: &mut Report) -> Option<Vec<Header>> {
        let mut headers = Vec::new();
        let place = fields.path_of("headers");
        if let Some(node) = fields.get("headers")
            && !read_headers(node, &place, &self.locals(), &mut headers, report)
        {
            return None;
        }
        for expression in headers.iter().flat_map(|header| &header.values).flat_map(Template::expressions) {
            self.check(expression, &place, report);
        }
        if let Some(body) = body
            && !headers.iter().any(|header| header.name == http::header::CONTENT_TYPE)
        {
            let value = Template { at: fields.at, parts: vec![Part::Text(body.content_type().to_owned())] };
            let (name, spelled) = (http::header::CONTENT_TYPE, "Content-Type".into());
            headers.push(Header { name, spelled, optional: false, values: vec![value] });
        }
        Some(headers)
    }

    fn check(&self, expression: &Expression, place: &str, report: &mut Report) {
        for path in &expression.paths {
            if let Variable::Local(name) = &path.variable {
                self.check_inside(name, path, expression, place, report);
            }
        }
    }

    fn check_inside(&self, name: &str, path: &Path, expression: &Expression, place: &str, report: &mut Report) {
        let Some((method, parameters)) = self.route else { return };
        let inside = path.names_inside().first().copied();
        let wrong = match (name, inside) {
            ("request.path", Some(field)) if !parameters.contains(&field) => {
                Some((format!("the path has no `{{{field}}}`"), suggestion(field, parameters)))
            }
            ("request.header", Some(field)) if field.chars().any(|character| character.is_ascii_uppercase()) => {
                Some((format!("`{field}` never matches"), "write header names in lower case".to_owned()))
            }
            ("request.body", _) if *method == Method::GET => {
                Some(("a GET has no body".to_owned(), "use `request.query` or `request.path`".to_owned()))
            }
            ("request.path" | "request.query" | "request.header", None) => {
                Some((format!("`{name}` alone is not a value"), format!("write `{name}.` and a name")))
            }
            _ => None,
        };
        if let Some((message, help)) = wrong {
            report.add(expression.at, place, message, help);
        }
    }
}
