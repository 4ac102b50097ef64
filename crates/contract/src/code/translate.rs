//! Expressions of the contract as values that a receiver computes.
//!
//! A receiver knows the body, the headers, its secret, the method and the URL. Everything else it has only where the request shows
//! it. Of the library's language this reads texts, names, `~`, parentheses, and the filters that every language has.

use super::model::{UrlText, Value};
use crate::expression::{Expression, read_path};
use crate::filters::FilterName;
use crate::lexer::{self, Token};
use crate::path::Path;
use crate::signature::{Encoding, Hash};

/// What an expression's names stand for.
pub(super) trait Names {
    /// The value of a whole expression, where the request shows its text.
    fn shown(&mut self, canonical: &str) -> Result<Option<Value>, String>;

    /// The value of a name.
    fn named(&mut self, path: &Path) -> Result<Value, String>;
}

/// The value of an expression; the error says what cannot be translated.
pub(super) fn translate(expression: &Expression, names: &mut dyn Names) -> Result<Value, String> {
    if let Some(value) = names.shown(&expression.text)? {
        return Ok(value);
    }
    let tokens = lexer::tokens(&expression.text);
    let mut reader = Reader { tokens: &tokens, at: 0, names };
    let unknown = || format!("`{}` cannot be translated", expression.text);
    if expression.has_escapes || expression.text.contains('\\') {
        return Err(unknown());
    }
    let value = reader.joined()?.ok_or_else(unknown)?;
    if reader.at == tokens.len() { Ok(value) } else { Err(unknown()) }
}

/// Reads tokens from left to right. `None` where they are nothing that can be translated.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    names: &'a mut dyn Names,
}

impl Reader<'_> {
    fn takes(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    /// `a ~ b ~ …`
    fn joined(&mut self) -> Result<Option<Value>, String> {
        let Some(first) = self.filtered()? else { return Ok(None) };
        let mut parts = vec![first];
        while self.takes('~') {
            let Some(next) = self.filtered()? else { return Ok(None) };
            parts.push(next);
        }
        Ok(Some(if parts.len() > 1 { Value::Joined(parts) } else { parts.remove(0) }))
    }

    /// `a | filter | …`
    fn filtered(&mut self) -> Result<Option<Value>, String> {
        let start = self.at;
        let value = match self.tokens.get(start) {
            Some(Token::Text(text)) => {
                self.at += 1;
                Value::Literal(text.clone())
            }
            Some(Token::Sign('(')) => {
                self.at += 1;
                let Some(inner) = self.joined()? else { return Ok(None) };
                if !self.takes(')') {
                    return Ok(None);
                }
                inner
            }
            Some(Token::Name(name)) if !lexer::is_keyword(name) => return self.named(start),
            _ => return Ok(None),
        };
        let ends = self.filter_ends(self.at);
        Ok(self.apply(value, &ends))
    }

    /// A name and its filters. The longest part of them that the request shows is read from there.
    fn named(&mut self, start: usize) -> Result<Option<Value>, String> {
        let Ok((path, taken)) = read_path(self.tokens, start, &[]) else { return Ok(None) };
        let ends = self.filter_ends(start + taken);
        for (index, end) in ends.iter().enumerate().rev() {
            let text = lexer::canonical(self.tokens.get(start..*end).unwrap_or_default());
            if let Some(value) = self.names.shown(&text)? {
                self.at = *end;
                return Ok(self.apply(value, ends.get(index..).unwrap_or_default()));
            }
        }
        self.at = start + taken;
        let value = self.names.named(&path)?;
        Ok(self.apply(value, &ends))
    }

    /// Where the value ends, and where each of its filters does.
    fn filter_ends(&self, start: usize) -> Vec<usize> {
        let mut ends = vec![start];
        let mut at = start;
        while let (Some(Token::Sign('|')), Some(Token::Name(_))) = (self.tokens.get(at), self.tokens.get(at + 1)) {
            at += 2;
            if self.tokens.get(at) == Some(&Token::Sign('(')) {
                let Some(close) = self.tokens.iter().skip(at).position(|token| *token == Token::Sign(')')) else { break };
                at += close + 1;
            }
            ends.push(at);
        }
        ends
    }

    /// Applies the filters between these ends.
    fn apply(&mut self, value: Value, ends: &[usize]) -> Option<Value> {
        let mut value = value;
        for pair in ends.windows(2) {
            let [start, end] = pair else { continue };
            let [Token::Sign('|'), Token::Name(name)] = self.tokens.get(*start..*end)? else { return None };
            value = filtered(FilterName::parse(name)?, value)?;
            self.at = *end;
        }
        Some(value)
    }
}

/// A filtered value; `None` if not every language has the filter.
fn filtered(filter: FilterName, value: Value) -> Option<Value> {
    let encoded = |encoding, value| Some(Value::Encoded(encoding, Box::new(value)));
    let digest = |hash, value| Some(Value::Digest(hash, Box::new(value)));
    let url = |part, value: &Value| (*value == Value::Url(UrlText::Whole)).then_some(Value::Url(part));
    match filter {
        FilterName::Base64 => encoded(Encoding::Base64, value),
        FilterName::Base64Url => encoded(Encoding::Base64Url, value),
        FilterName::Hex => encoded(Encoding::Hex, value),
        FilterName::Upper => match value {
            Value::Encoded(Encoding::Hex | Encoding::UpperHex, inner) => encoded(Encoding::UpperHex, *inner),
            _ => None,
        },
        FilterName::Lower => match value {
            Value::Encoded(Encoding::Hex | Encoding::UpperHex, inner) => encoded(Encoding::Hex, *inner),
            _ => None,
        },
        FilterName::String => (!value.is_bytes()).then_some(value),
        FilterName::Sha1 => digest(Hash::Sha1, value),
        FilterName::Sha256 => digest(Hash::Sha256, value),
        FilterName::Sha384 => digest(Hash::Sha384, value),
        FilterName::Sha512 => digest(Hash::Sha512, value),
        FilterName::Length => (value == Value::Body).then_some(Value::BodyLength),
        FilterName::UrlHost => url(UrlText::Host, &value),
        FilterName::UrlPath => url(UrlText::Path, &value),
        FilterName::UrlQuery => url(UrlText::Query, &value),
        FilterName::UrlTarget => url(UrlText::Target, &value),
        FilterName::Unix
        | FilterName::UnixMs
        | FilterName::Rfc3339
        | FilterName::HttpDate
        | FilterName::Json
        | FilterName::Md5
        | FilterName::Crc32
        | FilterName::UrlScheme
        | FilterName::UrlPort
        | FilterName::UrlOrigin
        | FilterName::UrlEncode
        | FilterName::Xml => None,
    }
}
