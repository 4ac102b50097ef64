//! Reads templates backwards: which text stands in the place of each expression.

use crate::expression::{Expression, Form};
use crate::template::{Part, Template};

/// The most ways in which one template is read.
const READINGS_MAX: usize = 16;

/// The text in the place of each expression.
pub(crate) type Reading<'t, 'c> = Vec<(&'t Expression, &'c str)>;

/// A template's part, or one that an expression in it can come out as.
#[derive(Clone, Copy)]
enum Flat<'t> {
    Text(&'t str),
    Value(&'t Expression),
}

/// Every way to read `text` as made by the template; none when it does not have the template's form.
pub(crate) fn readings<'t, 'c>(template: &'t Template, text: &'c str) -> Vec<Reading<'t, 'c>> {
    spelled_out(template).iter().filter_map(|parts| read(parts, text)).collect()
}

/// The template as it stands, and then with what its expressions can come out as in their place.
fn spelled_out(template: &Template) -> Vec<Vec<Flat<'_>>> {
    let mut whole: Vec<Vec<Flat<'_>>> = vec![Vec::new()];
    for part in &template.parts {
        let choices: Vec<Vec<Flat<'_>>> = match part {
            Part::Text(text) => vec![vec![Flat::Text(text)]],
            Part::Expression(expression) => {
                let forms = expression.forms.iter().map(|form| form.iter().map(flat).collect());
                std::iter::once(vec![Flat::Value(expression)]).chain(forms).collect()
            }
        };
        let longer = whole.iter().flat_map(|before| choices.iter().map(|choice| [before.as_slice(), choice].concat()));
        whole = longer.take(READINGS_MAX).collect();
    }
    whole
}

fn flat(form: &Form) -> Flat<'_> {
    match form {
        Form::Text(text) => Flat::Text(text),
        Form::Value(expression) => Flat::Value(expression),
    }
}

fn read<'t, 'c>(parts: &[Flat<'t>], text: &'c str) -> Option<Reading<'t, 'c>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Flat::Text(literal) => rest = rest.strip_prefix(literal)?,
            Flat::Value(expression) => {
                let end = match parts.peek() {
                    None => rest.len(),
                    Some(Flat::Text(literal)) => rest.find(literal)?,
                    Some(Flat::Value(_)) => return None,
                };
                let (value, after) = rest.split_at_checked(end)?;
                found.push((*expression, value));
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(found)
}
