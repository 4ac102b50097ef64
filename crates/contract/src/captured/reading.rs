//! Reads templates backwards: which text stands in the place of each expression.

use crate::expression::{Expression, Form};
use crate::template::{Part, Template};
use crate::variables::Variable;

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
    let mut found = Vec::new();
    for parts in spelled_out(template) {
        read(&parts, text, &mut Vec::new(), &mut found);
    }
    found
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

fn read<'t, 'c>(parts: &[Flat<'t>], text: &'c str, before: &mut Reading<'t, 'c>, found: &mut Vec<Reading<'t, 'c>>) {
    let (first, rest) = match parts.split_first() {
        Some(split) => split,
        None if text.is_empty() => return found.push(before.clone()),
        None => return,
    };
    match first {
        Flat::Text(literal) => {
            if let Some(text) = text.strip_prefix(literal) {
                read(rest, text, before, found);
            }
        }
        Flat::Value(expression) => {
            for end in ends(expression, rest.first(), text) {
                let Some((value, after)) = text.split_at_checked(end).filter(|_| found.len() < READINGS_MAX) else { return };
                before.push((*expression, value));
                read(rest, after, before, found);
                before.pop();
            }
        }
    }
}

/// Where a value may end that stands at the start of a text. A signature has a value for each active secret, and what stands between
/// those may stand after all of them as well.
fn ends(expression: &Expression, next: Option<&Flat<'_>>, text: &str) -> Vec<usize> {
    let most = if matches!(expression.direct(), Some((Variable::Signature(_), []))) { READINGS_MAX } else { 1 };
    match next {
        None => vec![text.len()],
        Some(Flat::Text(literal)) => text.match_indices(literal).map(|(start, _)| start).take(most).collect(),
        Some(Flat::Value(_)) => Vec::new(),
    }
}
