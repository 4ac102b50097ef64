//! Guards around the operators that can make more than they are given.
//!
//! The library computes `a ~ b`, `a + b` and `a * b` itself, so nothing could stop them while they do. Before an expression is
//! compiled, each of their operands gets a filter that charges it first: `a|… ~ b|…`. A filter binds tighter than every operator, so
//! nothing else changes.

use crate::lexer::{Placed, Token, placed};

/// The most operators and filters of one expression. Each may go through all of the data.
const STEPS_MAX: usize = 64;
/// The filter that lets a value through and charges its size. No expression can spell it.
pub(super) const SIZED: &str = "bellwire_sized_";
/// The filter that lets only a number through.
pub(super) const NUMBER: &str = "bellwire_number_";

/// The source with its guards; the error says what it may not do.
pub(super) fn guarded(source: &str) -> Result<String, String> {
    let tokens = placed(source);
    let sign = |index: usize| match tokens.get(index) {
        Some(Placed { token: Token::Sign(sign), .. }) => Some(*sign),
        _ => None,
    };
    let mut guards: Vec<(usize, &str)> = Vec::new();
    let mut steps = 0;
    for index in 0..tokens.len() {
        let Some(operator @ ('|' | '~' | '+' | '*')) = sign(index) else { continue };
        steps += 1;
        if operator == '|' {
            continue;
        }
        let before = index.checked_sub(1);
        if operator == '*' && before.is_none_or(|before| matches!(sign(before), Some('(' | '[' | '{' | ','))) {
            return Err("`*` before an argument is not part of the language".to_owned());
        }
        if operator == '*' && (sign(index + 1) == Some('*') || before.is_some_and(|before| sign(before) == Some('*'))) {
            continue; // a power is a number or fails
        }
        let guard = if operator == '*' { NUMBER } else { SIZED };
        let left = before.and_then(|before| tokens.get(before)).map(|token| token.end);
        for place in left.into_iter().chain(operand_end(&tokens, index + 1)) {
            guards.push((place, guard));
        }
    }
    if steps > STEPS_MAX {
        return Err(format!("more than {STEPS_MAX} operators and filters"));
    }
    guards.sort_unstable();
    guards.dedup();
    let mut out = String::with_capacity(source.len() + guards.len() * 20);
    let mut from = 0;
    for (place, guard) in guards {
        out.push_str(source.get(from..place).unwrap_or_default());
        out.push('|');
        out.push_str(guard);
        from = place;
    }
    out.push_str(source.get(from..).unwrap_or_default());
    Ok(out)
}

/// The byte after the operand that starts with the token at `index`: signs, a value, and whatever follows the value directly.
fn operand_end(tokens: &[Placed], index: usize) -> Option<usize> {
    let at = |index: usize| tokens.get(index).map(|placed| &placed.token);
    let mut index = index;
    while at(index) == Some(&Token::Sign('-')) {
        index += 1;
    }
    let mut last = match at(index)? {
        Token::Sign('(' | '[' | '{') => closing(tokens, index)?,
        Token::Sign(_) => return None,
        Token::Name(_) | Token::Text(_) | Token::Number(_) => index,
    };
    loop {
        let end = tokens.get(last)?.end;
        let adjacent = tokens.get(last + 1).is_some_and(|next| next.start == end);
        last = match (at(last)?, at(last + 1)) {
            // `1e5`: what directly follows a number belongs to it, and so do texts side by side.
            (Token::Number(_), Some(Token::Name(_))) if adjacent => last + 1,
            (Token::Text(_), Some(Token::Text(_))) => last + 1,
            (_, Some(Token::Sign('.'))) if matches!(at(last + 2), Some(Token::Name(_) | Token::Number(_))) => last + 2,
            (_, Some(Token::Sign('|'))) if matches!(at(last + 2), Some(Token::Name(_))) => last + 2,
            (_, Some(Token::Sign('(' | '['))) => closing(tokens, last + 1)?,
            _ => return Some(end),
        };
    }
}

/// The index of the token that closes the bracket at `open`.
fn closing(tokens: &[Placed], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, placed) in tokens.iter().enumerate().skip(open) {
        match placed.token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operand_that_could_grow_is_guarded() {
        for (source, expected) in [
            ("a.b ~ c", "a.b|S ~ c|S"),
            ("a ~ b ~ c", "a|S ~ b|S ~ c|S"),
            ("a.b[0] * -c.d|int(1) + 2", "a.b[0]|N * -c.d|int(1)|N|S + 2|S"),
            ("(a ~ b) * [1, (2)][0]", "(a|S ~ b|S)|N * [1, (2)][0]|N"),
            ("a ** 2", "a ** 2"),
            ("1.5 * 1e5", "1.5|N * 1e5|N"),
            ("a|join('+ * ~')", "a|join('+ * ~')"),
            ("'a' 'b' * 3", "'a' 'b'|N * 3|N"),
        ] {
            let guarded = guarded(source).unwrap();
            assert_eq!(guarded.replace(SIZED, "S").replace(NUMBER, "N"), expected);
        }
        for source in ["f(*a)", "f(**a)", "[*a]", &"a ~ ".repeat(65)] {
            assert!(guarded(source).is_err(), "{source}");
        }
    }
}
