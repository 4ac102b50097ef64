//! Splits an expression into tokens, so that names and filters are checked before anything runs.

/// A token of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Number(String),
    Sign(char),
}

/// The tokens of `source`. A rough reading is enough: the library also parses the expression, and strictly.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = source.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            ' ' | '\t' | '\n' | '\r' => {}
            '"' | '\'' => {
                let mut text = String::new();
                while let Some(next) = rest.next() {
                    match next {
                        '\\' => text.extend(rest.next()),
                        quote if quote == first => break,
                        other => text.push(other),
                    }
                }
                out.push(Token::Text(text));
            }
            first if first.is_alphabetic() || first == '_' => {
                let mut name = String::from(first);
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                out.push(Token::Name(name));
            }
            first if first.is_ascii_digit() => {
                let mut number = String::from(first);
                while let Some(next) = rest.next_if(char::is_ascii_digit) {
                    number.push(next);
                }
                out.push(Token::Number(number));
            }
            sign => out.push(Token::Sign(sign)),
        }
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
