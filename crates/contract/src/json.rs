//! JSON as text: written compactly, and walked without parsing it, so that a payload keeps the bytes it was posted with.
//!
//! The walkers expect valid JSON, which is checked where it enters. They return `None` for anything else and never panic.

use std::borrow::Cow;

/// The most bytes that one byte becomes in a JSON string: `\u0000`.
pub(crate) const ESCAPED_BYTES_MAX: usize = 6;

/// Appends `text` as a JSON string. Non-ASCII characters stay as they are.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(text.get(start..index).unwrap_or_default());
        if escape.is_empty() {
            const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
            out.push_str("\\u00");
            for digit in [byte >> 4, byte & 15] {
                out.push(DIGITS.get(usize::from(digit)).copied().unwrap_or('0'));
            }
        } else {
            out.push_str(escape);
        }
        start = index + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
    out.push('"');
}

/// The same JSON without the spaces and line breaks between its parts. Texts and numbers keep their spelling.
pub(crate) fn minified(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(|character: char| character == '"' || character.is_ascii_whitespace()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let is_text = rest.as_bytes().get(at) == Some(&b'"');
        let end = if is_text { string_end(rest.as_bytes(), at).unwrap_or(rest.len()) } else { at + 1 };
        if is_text {
            out.push_str(rest.get(at..end).unwrap_or_default());
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Whether `text` is a JSON number.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// The text of a JSON string value, unescaped; `None` when `raw` is not a string.
pub(crate) fn unquote(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.trim().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str::<String>(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The raw value of the member `key` of the object `raw`; the last one when there are several, as in most readers.
pub(crate) fn member<'a>(raw: &'a str, key: &str) -> Option<&'a str> {
    members(raw).filter(|(name, _)| name == key).map(|(_, value)| value).last()
}

/// The raw value at `index` of the list `raw`.
pub(crate) fn element(raw: &str, index: usize) -> Option<&str> {
    elements(raw).nth(index)
}

/// The members of the object `raw`, in order; none when it is not an object.
pub(crate) fn members(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    raw_members(raw).map_while(|(name, value)| Some((unquote(name)?, value)))
}

/// The same with names as they are written.
pub(crate) fn raw_members(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = raw.trim_start().strip_prefix('{');
    std::iter::from_fn(move || {
        let text = rest?.trim_start_matches([',', ' ', '\t', '\n', '\r']);
        let (key, after) = split_value(text)?;
        let (value, after) = split_value(after.trim_start().strip_prefix(':')?.trim_start())?;
        rest = Some(after);
        Some((key, value))
    })
}

/// The items of the list `raw`, in order; none when it is not a list.
pub(crate) fn elements(raw: &str) -> impl Iterator<Item = &str> {
    let mut rest = raw.trim_start().strip_prefix('[');
    std::iter::from_fn(move || {
        let text = rest?.trim_start_matches([',', ' ', '\t', '\n', '\r']);
        let (value, after) = split_value(text)?;
        rest = Some(after);
        Some(value)
    })
}

/// Every number inside `raw`, in order, as written.
pub(crate) fn numbers(raw: &str) -> impl Iterator<Item = &str> {
    let mut index = 0;
    std::iter::from_fn(move || {
        let bytes = raw.as_bytes();
        loop {
            match bytes.get(index)? {
                b'"' => index = string_end(bytes, index)?,
                b'-' | b'0'..=b'9' => {
                    let start = index;
                    let length = bytes.iter().skip(start).position(|byte| b",}] \t\r\n".contains(byte));
                    index = length.map_or(bytes.len(), |length| start + length);
                    return raw.get(start..index);
                }
                _ => index += 1,
            }
        }
    })
}

/// Splits a text after the JSON value that it starts with.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let end = match bytes.first()? {
        b'"' => string_end(bytes, 0)?,
        b'{' | b'[' => container_end(bytes)?,
        b'}' | b']' | b',' | b':' => return None,
        _ => bytes.iter().position(|byte| b",}] \t\r\n".contains(byte)).unwrap_or(bytes.len()),
    };
    text.split_at_checked(end)
}

/// The index after the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut index = start + 1;
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index + 1),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}

fn container_end(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut index) = (0usize, 0);
    loop {
        match bytes.get(index)? {
            b'"' => {
                index = string_end(bytes, index)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn walks_without_touching() {
        let raw = r#" { "a" : 1.10, "b\u0062": [ "x,]", {"c": "\"}"} ,-1e5], "a": {"z":9007199254740993} } "#;
        assert_eq!(member(raw, "a"), Some(r#"{"z":9007199254740993}"#));
        assert_eq!(member(raw, "bb").and_then(|list| element(list, 1)), Some(r#"{"c": "\"}"}"#));
        assert_eq!(member(raw, "bb").and_then(|list| element(list, 2)), Some("-1e5"));
        assert_eq!(elements("[]").count() + members("{}").count() + members("[1]").count() + elements("3").count(), 0);
    }

    #[test]
    fn knows_numbers() {
        for text in ["0", "-0", "10", "1.10", "1e5", "-1.5E+10", "123456789012345678901234567890"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "+1", "0x1", "1e", "NaN", "1_000"] {
            assert!(!is_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn strings_round_trip(text: String) {
            let mut out = String::new();
            write_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text.clone());
            prop_assert_eq!(unquote(&out).unwrap(), text);
        }

        #[test]
        fn what_is_minified_has_no_spaces_and_says_the_same(text: String, spaces in "[ \t\r\n]{0,3}") {
            let mut quoted = String::new();
            write_string(&mut quoted, &text);
            let raw = format!("{spaces}{{{spaces}\"a\"{spaces}:{spaces}[{quoted}{spaces},{spaces}1.10]{spaces}}}{spaces}");
            prop_assert_eq!(minified(&raw), format!("{{\"a\":[{quoted},1.10]}}"));
        }

        #[test]
        fn walkers_never_panic(text in "[\\[\\]{}\",:\\\\a1 ]{0,40}") {
            let _ = members(&text).count() + elements(&text).count();
        }
    }
}
