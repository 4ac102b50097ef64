//! Values as words on a terminal. What others have written must not move its cursor.

use serde_json::Value;

/// A text without control characters.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { out.extend(character.escape_unicode()) } else { out.push(character) }
    }
    out
}

/// A value of an answer in a word or two; what is not there is a dash.
pub(crate) fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => plain(&instant(text)),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            plain(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        Some(other) => plain(&other.to_string()),
    }
}

/// An instant of the API without what is below a second; any other text as it is.
pub(crate) fn instant(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_instant = bytes.len() == 27 && bytes.get(10) == Some(&b'T') && bytes.get(19) == Some(&b'.') && text.ends_with('Z');
    match (is_instant, text.get(..19)) {
        (true, Some(seconds)) => format!("{seconds}Z"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_words() {
        let shown = |json: Value| value(Some(&json));
        assert_eq!(shown(json!("2025-01-15T10:30:00.012000Z")), "2025-01-15T10:30:00Z");
        assert_eq!(shown(json!(["a", "b"])), "a,b");
        assert_eq!(shown(json!({ "n": 1 })), r#"{"n":1}"#);
        assert_eq!(
            (shown(json!(true)), shown(json!(null)), shown(json!([]))),
            ("yes".to_owned(), "-".to_owned(), "-".to_owned())
        );
        assert_eq!(shown(json!("a\u{1b}[2J\n")), "a\\u{1b}[2J\\u{a}");
    }
}
