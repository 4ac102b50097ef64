//! What an expression can come out as, part by part, so that a text that it made can be read backwards.
//!
//! `',v2=' ~ signature.old if signature.old is defined else ''` comes out as `,v2=` and the old signature, or as nothing.

use crate::lexer::{Placed, Token, placed};

/// The most forms of one expression.
const FORMS_MAX: usize = 8;
/// What binds weaker than `~`, or as strongly: beside it, a `~` does not split the whole.
const OTHER_SIGNS: &[char] = &['+', '-', '*', '/', '%', '=', '<', '>', '!', ','];
const OTHER_WORDS: &[&str] = &["and", "or", "not", "in", "is"];

/// A part of what an expression comes out as.
#[derive(Clone)]
pub(super) enum Part<'s> {
    Text(String),
    /// Another expression.
    Value(&'s str),
}

/// The forms, those with the most parts first; none for an expression that is one value.
pub(super) fn read(source: &str) -> Vec<Vec<Part<'_>>> {
    let tokens = placed(source);
    let splits = |token: &Placed| token.token == Token::Sign('~') || token.token == Token::Name("if".to_owned());
    if !tokens.iter().any(splits) {
        return Vec::new();
    }
    let mut forms = outlines(source, &tokens).unwrap_or_default();
    if let [only] = forms.as_slice()
        && let [Part::Value(_)] = only.as_slice()
    {
        return Vec::new(); // the expression itself
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// The forms of some tokens; `None` if there are too many.
fn outlines<'s>(source: &'s str, tokens: &[Placed]) -> Option<Vec<Vec<Part<'s>>>> {
    let tokens = without_brackets(tokens);
    let word = |wanted: &str| position(tokens, |token| *token == Token::Name(wanted.to_owned()));
    if let Some(choice) = word("if") {
        let mut found = outlines(source, tokens.get(..choice)?)?;
        if let Some(other) = word("else") {
            found.extend(outlines(source, tokens.get(other + 1..)?)?);
        }
        return (found.len() <= FORMS_MAX).then_some(found);
    }
    let is_other = |token: &Token| match token {
        Token::Sign(sign) => OTHER_SIGNS.contains(sign),
        Token::Name(name) => OTHER_WORDS.contains(&name.as_str()),
        Token::Text(_) | Token::Number(_) => false,
    };
    let joins = position(tokens, |token| *token == Token::Sign('~'));
    match joins.filter(|_| position(tokens, is_other).is_none()) {
        Some(join) => {
            let (left, right) = (outlines(source, tokens.get(..join)?)?, outlines(source, tokens.get(join + 1..)?)?);
            let pairs = left.iter().flat_map(|left| right.iter().map(|right| [left.as_slice(), right].concat()));
            Some(pairs.collect()).filter(|found: &Vec<_>| found.len() <= FORMS_MAX)
        }
        None => one(source, tokens).map(|parts| vec![parts]),
    }
}

/// A text, or any other value.
fn one<'s>(source: &'s str, tokens: &[Placed]) -> Option<Vec<Part<'s>>> {
    match tokens {
        [] => None,
        [Placed { token: Token::Text(text), .. }] if text.is_empty() => Some(Vec::new()),
        [Placed { token: Token::Text(text), .. }] => Some(vec![Part::Text(text.clone())]),
        [first, ..] => Some(vec![Part::Value(source.get(first.start..tokens.last()?.end)?)]),
    }
}

/// The first token outside of all brackets that is wanted.
fn position(tokens: &[Placed], wanted: impl Fn(&Token) -> bool) -> Option<usize> {
    let mut depth = 0usize;
    tokens.iter().position(|placed| {
        match placed.token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => return depth == 0 && wanted(&placed.token),
        }
        false
    })
}

/// The tokens without round brackets around all of them.
fn without_brackets(tokens: &[Placed]) -> &[Placed] {
    let [Placed { token: Token::Sign('('), .. }, inner @ .., Placed { token: Token::Sign(')'), .. }] = tokens else {
        return tokens;
    };
    let mut depth = 0i32;
    let closes_early = inner.iter().any(|placed| {
        match placed.token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    if closes_early { tokens } else { without_brackets(inner) }
}
