//! Text as YAML writes it.

use serde_json::Value;

/// The text as a scalar that means this text and nothing else: as it is where that is clear, otherwise in quotes.
pub(super) fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { Value::from(text).to_string() }
}

/// Whether the text means itself without quotes. Fewer texts are than could be: a quote too many does no harm.
fn is_plain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./ ".contains(&byte);
    text.len() <= 80
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(inner)
        && !text.ends_with(' ')
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mean_something_else_is_quoted() {
        for text in ["acme", "order.created", "x-acme-id", "Order created", "a/b"] {
            assert_eq!(quoted(text), text);
        }
        for text in ["", "12", "1.10", "true", "Null", "no", "a: b", "a #b", "- a", "{{ x }}", "a ", "é", "*", "a\nb", "\"", "~"]
        {
            assert_eq!(quoted(text), serde_json::to_string(text).unwrap());
        }
    }
}
