//! The likeliest mistake of all: `{{ … }}` without quotes, which YAML takes for a mapping.

use crate::diagnostic::{At, Mistake};

/// The template without quotes in a line that could not be read, and what to write instead.
pub(super) fn unquoted_template(source: &str, line: usize) -> Option<(At, Mistake)> {
    let text = source.lines().nth(line.checked_sub(1)?)?;
    let open = first_unquoted(text)?;
    let (before, _) = text.split_at_checked(open)?;
    let start =
        ["- ", ": ", ", ", "[", "{", "? "].iter().filter_map(|mark| Some(before.rfind(mark)? + mark.len())).max().unwrap_or(0);
    let start = start + before.get(start..)?.chars().take_while(|character| *character == ' ').count();
    let in_brackets = depth(text.get(..start)?) > 0;
    let template = text.get(start..start + value_end(text.get(start..)?, in_brackets))?.trim_end();
    let at = At { line, column: text.get(..start)?.chars().count() + 1 };
    let Some(template) = template.strip_suffix(':') else { return Some((at, needs_quotes(template))) };
    Some((at, Mistake::new(format!("a key must be text, and `{template}` is an expression"), "write the name itself")))
}

fn needs_quotes(template: &str) -> Mistake {
    let help = match (template.contains('"'), template.contains('\'')) {
        (false, _) => format!("write `\"{template}\"`"),
        (true, false) => format!("write `'{template}'`"),
        (true, true) => "put the whole template into double quotes, and texts in it into single ones".to_owned(),
    };
    Mistake::new("an expression needs quotes", help)
}

/// Where the first `{{` stands that is neither in quotes nor in a comment.
fn first_unquoted(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let (mut index, mut quote) = (0, None);
    while let Some(byte) = bytes.get(index) {
        let before = index.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        match (quote, byte) {
            (Some(b'"'), b'\\') => index += 1,
            (Some(open), byte) if *byte == open => quote = None,
            (None, b'"' | b'\'') if b" [{,:".contains(&before) => quote = Some(*byte),
            (None, b'#') if before == b' ' => return None,
            (None, b'{') if bytes.get(index + 1) == Some(&b'{') => return Some(index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// How many brackets are open at the end of a text.
fn depth(text: &str) -> usize {
    text.bytes().fold(0usize, |depth, byte| match byte {
        b'[' | b'{' => depth + 1,
        b']' | b'}' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Where the value ends that starts a text: inside of brackets with a comma or the bracket that closes them, otherwise with the line.
fn value_end(text: &str, in_brackets: bool) -> usize {
    let bytes = text.as_bytes();
    let mut open = 0usize;
    let mut quote = None;
    for (index, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open_quote), byte) if *byte == open_quote => quote = None,
            (None, b'"' | b'\'') if open > 0 => quote = Some(*byte),
            (None, b'{') => open += 1,
            (None, b'}') if open > 0 => open -= 1,
            (None, b',' | b'}' | b']') if in_brackets && open == 0 => return index,
            (None, b':') if open == 0 && matches!(bytes.get(index + 1), None | Some(b' ')) => return index + 1,
            (None, b'#') if open == 0 && index > 0 && bytes.get(index - 1) == Some(&b' ') => return index,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_template_is_shown_in_quotes() {
        for (line, column, expected) in [
            ("    x: {{ event.id }}", 8, "write `\"{{ event.id }}\"`"),
            ("    x: {{ a }}.{{ body }} # why", 8, "write `\"{{ a }}.{{ body }}\"`"),
            ("  - {{ event.id }}", 5, "write `\"{{ event.id }}\"`"),
            ("  h: { x-id: t={{ a | f(b, c) }}, y: z }", 14, "write `\"t={{ a | f(b, c) }}\"`"),
            ("  b: [ {{ a }}, \"{{ b }}\" ]", 8, "write `\"{{ a }}\"`"),
            ("  m: { hmac: sha256, over: {{ header['x'] }}.{{ body }} }", 28, "write `\"{{ header['x'] }}.{{ body }}\"`"),
            ("x: {{ a ~ \"b\" }}", 4, "write `'{{ a ~ \"b\" }}'`"),
            ("x: {{ 'a' ~ \"b\" }}", 4, "put the whole template into double quotes"),
            ("    {{ event.type }}: 1", 5, "write the name itself"),
        ] {
            let (at, mistake) = unquoted_template(line, 1).unwrap();
            assert!(at.column == column && mistake.help.contains(expected), "{line}: {at:?} {mistake:?}");
        }
        for line in ["x: \"{{ a }}\"", "x: 1 # {{ a }}", "x: '{{ a }}' ]", "x: {"] {
            assert_eq!(unquoted_template(line, 1), None, "{line}");
        }
    }
}
