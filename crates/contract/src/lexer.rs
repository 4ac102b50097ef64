//! Splits an expression into tokens, so that names and filters are checked before anything runs.

/// A token of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Number(String),
    Sign(char),
}

/// A token with the bytes of the source that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The tokens of `source`. A rough reading is enough: the library also parses the expression, and strictly.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    placed(source).into_iter().map(|placed| placed.token).collect()
}

/// The same, each with its place.
pub(crate) fn placed(source: &str) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let token = match first {
            ' ' | '\t' | '\n' | '\r' => continue,
            '"' | '\'' => {
                let mut text = String::new();
                while let Some((_, next)) = rest.next() {
                    match next {
                        '\\' => text.extend(rest.next().map(|(_, escaped)| escaped)),
                        quote if quote == first => break,
                        other => text.push(other),
                    }
                }
                Token::Text(text)
            }
            first if first.is_alphabetic() || first == '_' => {
                let mut name = String::from(first);
                while let Some((_, next)) = rest.next_if(|(_, next)| next.is_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                Token::Name(name)
            }
            first if first.is_ascii_digit() => {
                let mut number = String::from(first);
                while let Some((_, next)) = rest.next_if(|(_, next)| next.is_ascii_digit()) {
                    number.push(next);
                }
                Token::Number(number)
            }
            sign => Token::Sign(sign),
        };
        let end = rest.peek().map_or(source.len(), |(index, _)| *index);
        out.push(Placed { token, start, end });
    }
    out
}

/// The tokens joined again with canonical spacing and quotes, so that two spellings of one expression compare equal.
pub(crate) fn canonical(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        match token {
            Token::Name(word) | Token::Number(word) => {
                if out.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    out.push(' ');
                }
                out.push_str(word);
            }
            Token::Text(text) => crate::json::write_string(&mut out, text),
            Token::Sign(sign) => out.push(*sign),
        }
    }
    out
}

/// Whether a word belongs to the language rather than naming a value.
pub(crate) fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "is" | "if" | "else" | "true" | "false" | "none" | "True" | "False" | "None")
}
