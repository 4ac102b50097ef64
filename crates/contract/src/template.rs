//! Text with `{{ expressions }}` in it.

use std::borrow::Cow;

use crate::diagnostic::{At, Report};
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{Definition, Shape};
use crate::meter::Meter;
use crate::piece::{EvalError, Piece};
use crate::variables::{Scope, Variable};
use crate::yaml::{Node, Scalar, Style};

/// The value of a key that holds a template.
pub(crate) const TEMPLATE: Shape = Shape::Named(&Definition {
    name: "template",
    about: "Text with {{ expressions }} in it.",
    shape: Shape::SCALAR,
    examples: &[],
});

/// Text with expressions in it.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) at: At,
    pub(crate) parts: Vec<Part>,
}

/// A part of a template.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Reads the template in a scalar; reports what is wrong with it.
    pub(crate) fn read(node: &Node, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let Some(scalar) = node.scalar().filter(|_| !node.is_null()) else {
            report.add(node.at, path, format!("this is {}", node.describe()), "write text, with expressions as `{{ name }}`");
            return None;
        };
        Self::read_scalar(scalar, node.at, path, locals, report)
    }

    /// Reads a scalar that has to be one expression with nothing around it. `wrong` is what is said otherwise, and the way out.
    pub(crate) fn read_expression(
        node: &Node,
        path: &str,
        locals: &[String],
        (wrong, help): (&str, &str),
        report: &mut Report,
    ) -> Option<Expression> {
        let mut template = Self::read(node, path, locals, report)?;
        let bare = template.constant().filter(|text| !text.trim().is_empty()).map(ToOwned::to_owned);
        if let (Some(Part::Expression(expression)), true) = (template.parts.pop(), template.parts.is_empty()) {
            return Some(expression);
        }
        match bare {
            Some(text) => report.add(node.at, path, "this is a text and no expression", format!("write `\"{{{{ {text} }}}}\"`")),
            None => report.add(node.at, path, wrong, help),
        }
        None
    }

    pub(crate) fn read_scalar(scalar: &Scalar, at: At, path: &str, locals: &[String], report: &mut Report) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = scalar.text.as_str();
        let mut clean = true;
        while let Some(open) = rest.find("{{") {
            let (before, from) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inside = from.get(2..).unwrap_or_default();
            let place = inner_place(scalar, at, scalar.text.len() - from.len());
            let Some(close) = expression_end(inside) else {
                report.add(place, path, "`{{` without `}}`", "write `{{ expression }}`; literal braces are `{{ '{{' }}`");
                return None;
            };
            match Expression::compile(inside.get(..close).unwrap_or_default(), place, locals) {
                Ok(expression) => parts.push(Part::Expression(expression)),
                Err(mistake) => {
                    report.add(place, path, mistake.message, mistake.help);
                    clean = false;
                }
            }
            rest = inside.get(close + 2..).unwrap_or_default();
        }
        if rest.contains("{%") || rest.contains("{#") {
            report.add(
                at,
                path,
                "`{%` and `{#` are not part of the language",
                "use `$when` and `$each`, or an inline `{{ a if b else c }}`",
            );
            return None;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        clean.then_some(Self { at, parts })
    }

    /// The expression, when the template is nothing else.
    pub(crate) fn single(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// The text, when the template has no expressions.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Expression(expression) => Some(expression),
        })
    }

    /// The template as the contract has it.
    pub(crate) fn source(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Expression(expression) => format!("{{{{ {} }}}}", expression.text),
        };
        self.parts.iter().map(part).collect()
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.expressions().flat_map(|expression| expression.paths.iter().map(|path| &path.variable))
    }

    /// Feeds the rendered bytes, part by part, without joining them.
    pub(crate) fn feed(&self, scope: Scope<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.feed_charged(scope, Meter::step, sink)
    }

    /// The rendered bytes.
    pub(crate) fn render(&self, scope: Scope<'_>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        self.feed_charged(scope, Meter::make, &mut |bytes| out.extend_from_slice(bytes))?;
        Ok(out)
    }

    fn feed_charged(
        &self,
        scope: Scope<'_>,
        charge: fn(&Meter, usize) -> Result<(), EvalError>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    charge(scope.meter(), text.len()).map_err(|error| Failure::new(self.at, error.message))?;
                    sink(text.as_bytes());
                }
                Part::Expression(expression) => {
                    let value = expression.evaluate(scope).map_err(|error| Failure::of(expression, error))?;
                    let bytes = text_of(expression, &value)?;
                    charge(scope.meter(), bytes.len()).map_err(|error| Failure::unnamed(expression, &error))?;
                    sink(&bytes);
                }
            }
        }
        Ok(())
    }

    /// The rendered text.
    pub(crate) fn render_text(&self, scope: Scope<'_>) -> Result<String, Failure> {
        let bytes = self.render(scope)?;
        String::from_utf8(bytes).map_err(|_| Failure::new(self.at, "bytes that are not text; add `| hex` or `| base64`"))
    }
}

fn text_of<'p>(expression: &Expression, value: &'p Piece<'_>) -> Result<Cow<'p, [u8]>, Failure> {
    value.to_text().map_err(|error| Failure::unnamed(expression, &error))
}

/// The index of the `}}` that ends an expression; strings are skipped.
fn expression_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut index, mut quote, mut depth) = (0, None, 0usize);
    loop {
        let byte = *bytes.get(index)?;
        match quote {
            Some(_) if byte == b'\\' => index += 1,
            Some(open) if byte == open => quote = None,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if byte == b'{' => depth += 1,
            None if byte == b'}' && depth > 0 => depth -= 1,
            None if byte == b'}' && bytes.get(index + 1) == Some(&b'}') => return Some(index),
            Some(_) | None => {}
        }
        index += 1;
    }
}

/// The place of a byte inside a scalar. It is exact when the scalar is on one line and has no escapes.
fn inner_place(scalar: &Scalar, at: At, offset: usize) -> At {
    let before = scalar.text.get(..offset).unwrap_or_default();
    match scalar.style {
        Style::Block => at,
        Style::Plain => At { line: at.line, column: at.column + before.chars().count() },
        Style::Quoted => At { line: at.line, column: at.column + 1 + before.chars().count() },
    }
}
