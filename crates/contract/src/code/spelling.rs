//! How a language spells the values of the model.

use std::fmt::Write as _;

use super::model::{Proof, Token, UrlText, Value};
use crate::signature::{Encoding, Hash, KeyDerivation, SecretEncoding};

/// The longest line of a comment, in characters, without its mark.
const COMMENT_WIDTH: usize = 100;

/// The words of one language. Each takes and gives expressions of that language: of text, or of bytes.
pub(super) trait Spelling {
    /// A variable for a name in snake case.
    fn variable(&self, snake: &str) -> String;
    /// A constant text.
    fn literal(&self, text: &str) -> String;
    /// A constant text as bytes.
    fn literal_bytes(&self, text: &str) -> String {
        self.utf8(&self.literal(text))
    }
    /// The bytes of a text.
    fn utf8(&self, text: &str) -> String;
    /// Texts, one after the other.
    fn join(&self, texts: &[String]) -> String;
    /// Bytes, one after the other.
    fn join_bytes(&self, parts: &[String]) -> String;
    /// The bytes of a digest of bytes.
    fn digest(&self, hash: Hash, bytes: &str) -> String;
    /// The bytes of an HMAC of bytes.
    fn mac(&self, hash: Hash, key: &str, bytes: &str) -> String;
    /// Bytes as text.
    fn encode(&self, encoding: Encoding, bytes: &str) -> String;
    /// The bytes that a secret stands for.
    fn decode(&self, encoding: SecretEncoding, text: &str) -> String;
    /// A text without a prefix, which it need not have.
    fn strip(&self, text: &str, prefix: &str) -> String;
    /// How many bytes the body has, as text.
    fn body_length(&self) -> String;
    /// The URL or a part of it, as text.
    fn url(&self, part: UrlText) -> String;
    /// Whether two texts are the same, in constant time.
    fn same(&self, expected: &str, shown: &str) -> String;
    /// The same for one of the parts of a text.
    fn same_as_one(&self, expected: &str, shown: &str, split: &str) -> String;
    /// The word between two conditions of which one is enough.
    fn or(&self) -> &'static str {
        " || "
    }
    /// The condition that something does not hold.
    fn not(&self, condition: &str) -> String {
        format!("!{condition}")
    }
    /// The condition that a text is there.
    fn is_there(&self, text: &str) -> String;

    /// The mark of a comment that ends with its line.
    fn mark(&self) -> &'static str;

    /// The lines of a comment.
    fn comment(&self, text: &str) -> String {
        let (mut out, mut line) = (String::new(), String::new());
        // What ends a PHP file, and an escape of Java, mean the same in a comment.
        for word in text.replace("?>", "? >").replace("\\u", "\\ u").split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COMMENT_WIDTH {
                let _ = writeln!(out, "{} {line}", self.mark());
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let _ = write!(out, "{} {line}", self.mark());
        out
    }

    /// A value as text.
    fn text(&self, value: &Value) -> String {
        match value {
            Value::Literal(text) => self.literal(text),
            Value::Field(field) => self.variable(field),
            Value::Secret => self.variable("secret"),
            Value::Method => self.variable("method"),
            Value::Body => self.variable("body"),
            Value::Bytes(name) => self.variable(name),
            Value::BodyLength => self.body_length(),
            Value::Url(part) => self.url(*part),
            Value::Joined(parts) => match parts.as_slice() {
                [one] => self.text(one),
                parts => self.join(&parts.iter().map(|part| self.text(part)).collect::<Vec<_>>()),
            },
            Value::Encoded(encoding, inner) => self.encode(*encoding, &self.bytes(inner)),
            Value::Digest(..) | Value::Mac { .. } => self.bytes(value),
        }
    }

    /// A value as bytes.
    fn bytes(&self, value: &Value) -> String {
        match value {
            Value::Body => self.variable("body"),
            Value::Bytes(name) => self.variable(name),
            Value::Literal(text) => self.literal_bytes(text),
            Value::Joined(parts) if value.is_bytes() => match parts.as_slice() {
                [one] => self.bytes(one),
                parts => self.join_bytes(&parts.iter().map(|part| self.bytes(part)).collect::<Vec<_>>()),
            },
            Value::Digest(hash, inner) => self.digest(*hash, &self.bytes(inner)),
            Value::Mac { hash, derived, over } => self.mac(*hash, &self.key_of(*derived), &self.bytes(over)),
            text => self.utf8(&self.text(text)),
        }
    }

    /// The key: the secret, or what was derived from it.
    fn key_of(&self, derived: bool) -> String {
        if derived { self.variable("key") } else { self.utf8(&self.variable("secret")) }
    }

    /// The bytes of the key that a secret becomes.
    fn key(&self, key: &KeyDerivation) -> String {
        let secret = self.variable("secret");
        let stripped = if key.strip.is_empty() { secret } else { self.strip(&secret, &key.strip) };
        let mut parts = vec![match key.encoding {
            SecretEncoding::Text => self.utf8(&stripped),
            decoded => self.decode(decoded, &stripped),
        }];
        if !key.prefix.is_empty() {
            parts.insert(0, self.literal_bytes(&key.prefix));
        }
        if !key.suffix.is_empty() {
            parts.push(self.literal_bytes(&key.suffix));
        }
        match parts.as_slice() {
            [one] => one.clone(),
            parts => self.join_bytes(parts),
        }
    }

    /// Whether one of the texts shows what is expected.
    fn shows(&self, proof: &Proof) -> String {
        let each = proof.candidates.iter().map(|candidate| {
            let mut expected = vec![self.variable(&proof.name)];
            if !candidate.before.is_empty() {
                expected.insert(0, self.literal(&candidate.before));
            }
            if !candidate.after.is_empty() {
                expected.push(self.literal(&candidate.after));
            }
            let expected = match expected.as_slice() {
                [one] => one.clone(),
                parts => self.join(parts),
            };
            let shown = self.variable(&candidate.field);
            match &candidate.split {
                Some(split) => self.same_as_one(&expected, &shown, split),
                None => self.same(&expected, &shown),
            }
        });
        each.collect::<Vec<_>>().join(self.or())
    }

    /// The condition under which a proof is refused.
    fn refused(&self, proof: &Proof) -> String {
        let shows = self.shows(proof);
        self.not(&if proof.candidates.len() > 1 { format!("({shows})") } else { shows })
    }

    /// The condition that one of some texts is there.
    fn are_there<'f>(&self, fields: impl Iterator<Item = &'f String>) -> String
    where
        Self: Sized,
    {
        let each: Vec<String> = fields.map(|field| self.is_there(&self.variable(field))).collect();
        if let [one] = each.as_slice() { one.clone() } else { format!("({})", each.join(self.or())) }
    }

    /// The bytes of a token's HMAC over its signed part, which is in the variable `signed`.
    fn token_mac(&self, token: &Token) -> String {
        self.mac(token.hash, &self.key_of(token.derived), &self.utf8(&self.variable("signed")))
    }
}

/// A text between double quotes, with the escapes that most languages share; `unicode` writes what is not ASCII.
pub(super) fn quoted(text: &str, special: &[char], unicode: impl Fn(char) -> String) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' => out.extend(['\\', character]),
            special_one if special.contains(&special_one) => out.extend(['\\', special_one]),
            ' '..='~' => out.push(character),
            other => out.push_str(&unicode(other)),
        }
    }
    out.push('"');
    out
}

/// `webhook_id` as `webhookId`.
pub(super) fn camel(snake: &str) -> String {
    let mut words = snake.split('_').filter(|word| !word.is_empty());
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// Renders a template again with what it made, since what is used further down decides what is
/// imported and defined above.
pub(super) fn settle(render: impl Fn(&str) -> askama::Result<String>) -> askama::Result<String> {
    // A definition may need an import, and so on: no chain is longer than this.
    let mut draft = String::new();
    for _ in 0..4 {
        draft = render(&without_texts(&draft))?;
    }
    Ok(draft + "\n")
}

/// Code without its comments and texts: what only they speak of is not used.
fn without_texts(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for line in code.lines().filter(|line| !["#", "//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark))) {
        let (mut quoted, mut escaped) = (false, false);
        for letter in line.chars() {
            match letter {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                other => out.push(other),
            }
        }
        out.push('\n');
    }
    out
}

/// An expression that a method can be called on: in parentheses if an operator stands outside of all of its own.
pub(super) fn atomic(expression: &str, operator: &str) -> String {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (index, letter) in expression.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 && expression.get(index..).is_some_and(|rest| rest.starts_with(operator)) => {
                return format!("({expression})");
            }
            _ => {}
        }
    }
    expression.to_owned()
}
