//! What a request shows, and where.

use super::model::{Field, TimeForm};
use crate::captured::{follows, proves};
use crate::contract::Contract;
use crate::expression::Expression;
use crate::filters::FilterName;
use crate::path::Segment;
use crate::request::{Body, Header, RequestPlan};
use crate::signature::{Recipe, Signature};
use crate::template::{Part, Template};
use crate::tree::Tree;
use crate::variables::{Builtin, Variable};

/// An expression of the request, and where the request shows its text.
#[derive(Clone)]
pub(super) struct Shown<'a> {
    pub(super) expression: &'a Expression,
    /// The text around it, if any.
    pub(super) template: Option<&'a Template>,
    pub(super) place: Place<'a>,
    pub(super) is_optional: bool,
}

/// Where something is shown.
#[derive(Clone)]
pub(super) enum Place<'a> {
    Header(&'a Header),
    Body(Vec<Segment>),
}

/// The key of the contract, and what is wrong with it.
pub(super) type Fault = (String, String);

/// Refuses what a receiver cannot compute again: whatever a private key makes.
pub(super) fn check_computable(contract: &Contract, expression: &Expression) -> Result<(), Fault> {
    for path in &expression.paths {
        let named = |signature: &&Signature| matches!(&path.variable, Variable::Signature(name) if *name == signature.name);
        let Some(signature) = contract.signatures.iter().find(named) else { continue };
        if let Recipe::KeyPair { chosen_by, .. } = signature.scheme.recipe() {
            let message = "the code computes signatures again, and one by a private key takes a library that verifies it";
            return Err((format!("signatures.{}.{chosen_by}", signature.name), message.to_owned()));
        }
    }
    Ok(())
}

/// Whether an expression is a signature by a private key, as it is.
pub(super) fn is_by_key(contract: &Contract, expression: &Expression) -> bool {
    let Some((Variable::Signature(name), [])) = expression.direct() else { return false };
    contract.signatures.iter().any(|signature| signature.name == *name && signature.key_pair().is_some())
}

/// Everything that a request shows and that a receiver can read: its headers, and the fixed places of a JSON body.
pub(super) fn shown(plan: &RequestPlan) -> Vec<Shown<'_>> {
    let mut found = Vec::new();
    for header in &plan.headers {
        for template in &header.values {
            found.extend(template.expressions().map(|expression| Shown {
                expression,
                template: Some(template),
                place: Place::Header(header),
                is_optional: header.optional,
            }));
        }
    }
    if let Body::Json(tree) = &plan.body {
        read_tree(tree, &mut Vec::new(), false, &mut found);
    }
    found
}

fn read_tree<'a>(tree: &'a Tree, steps: &mut Vec<Segment>, is_optional: bool, found: &mut Vec<Shown<'a>>) {
    let show = |expression, template| Shown { expression, template, place: Place::Body(steps.clone()), is_optional };
    match tree {
        Tree::Constant(_) | Tree::When(_) | Tree::Each(_) | Tree::Let(_) => {}
        Tree::Value(expression) => found.push(show(expression, None)),
        Tree::Text(template) => found.extend(template.expressions().map(|expression| show(expression, Some(template)))),
        Tree::Object(_) => {
            for (name, optional, value) in tree.fields() {
                steps.push(Segment::Key(name.to_owned()));
                read_tree(value, steps, is_optional || optional, found);
                steps.pop();
            }
        }
        Tree::List(items) => {
            let fixed = items.iter().take_while(|item| !matches!(item, Tree::When(_) | Tree::Each(_) | Tree::Let(_)));
            for (index, item) in fixed.enumerate() {
                steps.push(Segment::Index(index));
                read_tree(item, steps, is_optional, found);
                steps.pop();
            }
        }
    }
}

/// Whether an expression is computed from a variable, by way of headers, signatures and the body.
pub(super) fn reaches(
    contract: &Contract,
    plan: &RequestPlan,
    expression: &Expression,
    wanted: &dyn Fn(&Variable) -> bool,
) -> bool {
    let mut waiting = vec![expression];
    let mut seen: Vec<&Variable> = Vec::new();
    while let Some(next) = waiting.pop() {
        for variable in next.paths.iter().map(|path| &path.variable) {
            if wanted(variable) {
                return true;
            }
            if seen.contains(&variable) {
                continue;
            }
            seen.push(variable);
            match variable {
                Variable::Header(name) => {
                    let headers = plan.headers.iter().filter(|header| header.name == name.as_str());
                    waiting.extend(headers.flat_map(|header| &header.values).flat_map(Template::expressions));
                }
                Variable::Signature(name) => {
                    let signatures = contract.signatures.iter().filter(|signature| signature.name == *name);
                    waiting.extend(signatures.flat_map(Signature::expressions));
                }
                Variable::Builtin(Builtin::Body) => waiting.extend(plan.body.expressions()),
                Variable::Builtin(_) | Variable::Local(_) => {}
            }
        }
    }
    false
}

/// How the time of the attempt is written, if the expression is that.
pub(super) fn time_form(expression: &Expression) -> Option<TimeForm> {
    let (Variable::Builtin(Builtin::AttemptAt), [filter]) = expression.direct()? else { return None };
    match filter.name {
        FilterName::Unix => Some(TimeForm::Unix),
        FilterName::UnixMs => Some(TimeForm::UnixMs),
        FilterName::Rfc3339 => Some(TimeForm::Rfc3339),
        FilterName::HttpDate => Some(TimeForm::HttpDate),
        _ => None,
    }
}

/// A regular expression for a template, with a group for each part that is taken. Its escapes mean the same in every language.
pub(super) fn pattern(template: &Template, taken: &[(usize, Field)]) -> String {
    let mut out = String::new();
    for (index, part) in template.parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                for letter in text.chars() {
                    if r"\.+*?()|[]{}^$/#".contains(letter) {
                        out.push('\\');
                    }
                    out.push(letter);
                }
            }
            // All values of several secrets, and what of another signature cannot be told from them: one that fits is enough.
            Part::Expression(expression)
                if is_signature(expression)
                    && taken.iter().any(|(part, _)| *part == index)
                    && template.expressions().skip_while(|other| other.at != expression.at).skip(1).any(is_signature) =>
            {
                out.push_str("(.*)");
            }
            Part::Expression(_) if taken.iter().any(|(part, _)| *part == index) => out.push_str("(.*?)"),
            Part::Expression(_) => out.push_str(".*?"),
        }
    }
    out
}

fn is_signature(expression: &Expression) -> bool {
    matches!(expression.direct(), Some((Variable::Signature(_), [])))
}

impl Shown<'_> {
    /// Whether its text can be trusted where another value is computed from it: nothing better is known.
    pub(super) fn is_given(&self) -> bool {
        !proves(self.expression) && !follows(self.expression)
    }

    /// Whether every parser tells the text as it was written: texts and whole numbers, not other JSON.
    pub(super) fn is_plain_text(&self) -> bool {
        let Some((variable, filters)) = self.expression.direct() else { return self.template.is_some() };
        let whole = !matches!(
            variable,
            Variable::Local(_) | Variable::Builtin(Builtin::EventData | Builtin::EventFields | Builtin::EventIsTest)
        );
        self.template.is_some() || whole || !filters.is_empty()
    }
}

impl Place<'_> {
    /// Where it is, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Header(header) => format!("the header {}", header.name),
            Self::Body(steps) => format!("the body's {}", dotted(steps, ".")),
        }
    }

    /// Its key in the contract.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Header(header) => format!("request.headers.{}", header.name),
            Self::Body(steps) => format!("request.body.{}", dotted(steps, ".")),
        }
    }

    /// A name for its text, in snake case. No single word, since languages keep some of those for themselves.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Body(steps) => snake(&format!("body {}", dotted(steps, " "))),
            Self::Header(header) => {
                let name = snake(header.name.as_str());
                let short = name.strip_prefix("x_").unwrap_or(&name);
                if short.contains('_') { short.to_owned() } else { format!("{short}_header") }
            }
        }
    }
}

fn dotted(steps: &[Segment], between: &str) -> String {
    let steps: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    steps.join(between)
}

/// A text as a name in snake case.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            out.push(letter.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    out.trim_end_matches('_').to_owned()
}

/// What stands before each value of a signature.
pub(super) fn prefix(signature: &Signature) -> Result<&str, String> {
    signature.prefix.constant().ok_or_else(|| {
        let name = &signature.name;
        format!("the code cannot take a version out of `{name}`: write it into the header, as in `v{{{{ key.version }}}}={{{{ signature.{name} }}}}`")
    })
}
