//! Names with `-`, which are a subtraction unless they stand in brackets: `header.x-ts`.

use crate::diagnostic::Mistake;
use crate::lexer::{Placed, Token, placed};

/// The token with the first part of a name that may go on after a `-`: before a name that is not known (`failed`), or at the end of the
/// path that starts at `index`.
pub(super) fn last_name(tokens: &[Token], index: usize, failed: bool) -> Option<usize> {
    let name = if failed { index.checked_sub(2)? } else { index + 2 };
    let is_name = |index: usize| matches!(tokens.get(index), Some(Token::Name(_)));
    let is_sign = |index: usize, sign: char| tokens.get(index) == Some(&Token::Sign(sign));
    (is_sign(name.checked_sub(1)?, '.') && is_name(name) && is_sign(name + 1, '-') && is_name(name + 2)).then_some(name)
}

/// What to say of a name whose first part is the token at `first`; `None` if there are spaces around its `-`.
pub(super) fn mistake(source: &str, first: usize) -> Option<Mistake> {
    let tokens = placed(source);
    let name = source.get(tokens.get(first)?.start..end(&tokens, first)?)?;
    let dots =
        (0..first).rev().step_by(2).take_while(|dot| matches!(tokens.get(*dot), Some(Placed { token: Token::Sign('.'), .. })));
    let (dot, root) = (first.checked_sub(1)?, dots.last()?.checked_sub(1)?);
    let owner = source.get(tokens.get(root)?.start..tokens.get(dot)?.start)?;
    let help = format!("a name with `-` goes into brackets: write `{owner}['{name}']`");
    name.contains('-').then(|| Mistake::new(format!("`{owner}.{name}` is a subtraction"), help))
}

/// Where the name ends: it goes on as long as its parts and its hyphens touch.
fn end(tokens: &[Placed], first: usize) -> Option<usize> {
    let mut last = first;
    loop {
        let here = tokens.get(last)?;
        let next = tokens.get(last + 1).filter(|next| next.start == here.end);
        match next.map(|next| &next.token) {
            Some(Token::Sign('-') | Token::Name(_) | Token::Number(_)) => last += 1,
            _ => return Some(here.end),
        }
    }
}
