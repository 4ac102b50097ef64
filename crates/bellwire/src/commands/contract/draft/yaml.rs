//! A tree, written as YAML.

use super::super::yaml_text::quoted;
use super::document::{Content, Node};

/// The longest line on which a list or mapping is written whole.
const LINE_LENGTH_MAX: usize = 110;

/// The value on one line.
pub(super) fn flow(node: &Node) -> String {
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Bool(value) => value.to_string(),
        Content::Number(text) => text.clone(),
        Content::Text(text) => quoted(text),
        Content::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Content::Map(members) if members.is_empty() => "{}".to_owned(),
        Content::Map(members) => {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("{}: {}", quoted(key), flow(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// Writes `key: value` with its line break, on one line if it is short.
pub(super) fn write_member(out: &mut String, indent: usize, key: &str, value: &Node) {
    let start = format!("{}{}:", " ".repeat(indent), quoted(key));
    let whole = flow(value);
    let is_nested = !value.items().is_empty() || !value.members().is_empty();
    out.push_str(&start);
    if !is_nested || start.len() + whole.len() < LINE_LENGTH_MAX {
        out.push(' ');
        out.push_str(&whole);
        out.push('\n');
        return;
    }
    out.push('\n');
    write_inside(out, indent + 2, value);
}

/// Writes the items of a list or the members of a mapping, a line or more each.
fn write_inside(out: &mut String, indent: usize, value: &Node) {
    for (key, member) in value.members() {
        write_member(out, indent, key, member);
    }
    for item in value.items() {
        let whole = flow(item);
        let is_nested = !item.items().is_empty() || !item.members().is_empty();
        out.push_str(&" ".repeat(indent));
        if !is_nested || indent + whole.len() < LINE_LENGTH_MAX {
            out.push_str("- ");
            out.push_str(&whole);
            out.push('\n');
        } else {
            out.push_str("-\n");
            write_inside(out, indent + 2, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let long = "x".repeat(120);
        let source = format!(
            "a: [1, 1.10, null, true, 'true', '1', '', ' b', \"\\u0000\\n\\u2028\\u00e9\\u007f\\\"\"]\n'': {{}}\n'- x': []\n\
             b: {{ c: [{long}, [{long}, 1], {{ d: {long}, e: [] }}], '{long}': {{ 'f: g': {long} }} }}\n"
        );
        let read = document::read(&source).unwrap();
        let mut written = String::new();
        for (key, value) in read.members() {
            write_member(&mut written, 0, key, value);
        }
        let again = document::read(&written).unwrap_or_else(|fault| panic!("{fault:?}\n{written}"));
        assert_eq!(flow(&again), flow(&read), "{written}");
        assert_eq!(flow(&document::read(&flow(&read)).unwrap()), flow(&read));
        assert!(written.lines().count() > 8, "{written}");
    }
}
