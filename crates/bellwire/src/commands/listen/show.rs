//! Texts of what arrived. All of it comes from a stranger, so none of it may control the terminal.

use std::fmt::Write as _;

use bellwire_domain::Timestamp;
use bellwire_domain::time::Zone;
use serde_json::value::RawValue;

/// The most characters of a name or path on a line.
const WORD_CHARS_MAX: usize = 200;
/// The most characters of a body that are shown.
const SHOWN_CHARS_MAX: usize = 64 * 1_024;
/// Indentation per level of JSON.
const INDENT: &str = "  ";

/// The instant, to the millisecond.
pub(super) fn time(at: Timestamp) -> String {
    at.rfc3339(3, Zone::Zulu)
}

/// One line of bounded length without control characters.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    push_plain(text.chars().take(WORD_CHARS_MAX), &mut out);
    if text.chars().nth(WORD_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn push_plain(characters: impl Iterator<Item = char>, out: &mut String) {
    for character in characters {
        if character.is_control() { out.extend(character.escape_unicode()) } else { out.push(character) }
    }
}

/// JSON with each member on its own line; other text unchanged.
pub(super) fn body(body: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(body) else { return format!("{INDENT}(bytes that are no text)") };
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    let shown = if is_json { pretty(text) } else { text.to_owned() };
    let mut out = String::new();
    for line in shown.get(..end(&shown)).unwrap_or_default().lines() {
        out.push_str(INDENT);
        push_plain(line.chars(), &mut out);
        out.push('\n');
    }
    if end(&shown) < shown.len() {
        let _ = writeln!(out, "{INDENT}…");
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

/// Where what is shown ends.
fn end(text: &str) -> usize {
    text.char_indices().nth(SHOWN_CHARS_MAX).map_or(text.len(), |(index, _)| index)
}

/// The same JSON on several lines. Only white space changes; numbers, escapes and the order of keys stay as sent.
fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped, mut opened) = (0_usize, false, false, false);
    for character in json.chars() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        if opened != closes {
            break_line(depth, &mut out); // an empty object or list stays on its line
        }
        out.push(character);
        opened = matches!(character, '{' | '[');
        match character {
            '{' | '[' => depth += 1,
            ',' => break_line(depth, &mut out),
            ':' => out.push(' '),
            '"' => in_string = true,
            _ => {}
        }
    }
    out
}

fn break_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(INDENT, depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_gets_lines_and_keeps_its_spelling() {
        let shown = pretty(r#" {"b":1.10,"a":[ 1,{}, [ ],{"x":"a\"{,:\\"}],"c":"\u00e9 é"}"#);
        let expected = "{\n  \"b\": 1.10,\n  \"a\": [\n    1,\n    {},\n    [],\n    {\n      \"x\": \"a\\\"{,:\\\\\"\n    }\n  ],\n  \
             \"c\": \"\\u00e9 é\"\n}";
        assert_eq!(shown, expected);
        assert_eq!((pretty("1.0"), pretty("[]"), pretty("[[1]]")), ("1.0".into(), "[]".into(), "[\n  [\n    1\n  ]\n]".into()));
    }

    #[test]
    fn nothing_that_arrives_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[2J\r\nb\u{9b}"), "a\\u{1b}[2J\\u{d}\\u{a}b\\u{9b}");
        assert_eq!(body(b"x\n\x1b[2Jy\n"), "  x\n  \\u{1b}[2Jy");
        assert_eq!(body("\"\u{9b}\"".as_bytes()), "  \"\\u{9b}\"");
        assert_eq!(body(&[0xff, 0xfe]), "  (bytes that are no text)");
        assert_eq!(plain(&"x".repeat(201)).chars().count(), 201);
    }

    #[test]
    fn what_is_long_is_cut() {
        let shown = body("x".repeat(SHOWN_CHARS_MAX + 1).as_bytes());
        assert!(shown.ends_with("x\n  …"), "{}", shown.len());
    }
}
