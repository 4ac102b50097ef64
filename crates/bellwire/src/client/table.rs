//! Answers as tables: a row for each item of a list, a line for each field of one thing.

use serde_json::Value;

use super::plain;

/// A column: its title, and the JSON pointer of what stands in it.
pub(crate) type Column = (&'static str, &'static str);

/// The widest that a column is padded to; what is longer is shown whole, and its line is longer.
const PADDED_MAX: usize = 48;

/// The lines of a list, the titles first. Without items it says so.
pub(crate) fn rows(columns: &[Column], items: &[Value]) -> Vec<String> {
    if items.is_empty() {
        return vec!["(none)".to_owned()];
    }
    let titles = columns.iter().map(|(title, _)| title.to_uppercase()).collect();
    let cells = items.iter().map(|item| columns.iter().map(|(_, pointer)| plain::value(item.pointer(pointer))).collect());
    aligned(&std::iter::once(titles).chain(cells).collect::<Vec<Vec<String>>>())
}

/// A line for each field of an answer, in the order of their names.
pub(crate) fn fields(answer: &Value) -> Vec<String> {
    match answer.as_object() {
        Some(fields) => {
            let lines = fields.iter().map(|(name, value)| vec![plain::plain(name), plain::value(Some(value))]);
            aligned(&lines.collect::<Vec<_>>())
        }
        None => vec![plain::value(Some(answer))],
    }
}

/// Lines of which the cells stand below each other.
pub(crate) fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).filter(|width| *width <= PADDED_MAX).max().unwrap_or(0)
    };
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let items = [json!({ "id": "a", "more": { "n": 1 } }), json!({ "id": "long one", "more": {} })];
        assert_eq!(rows(&[("id", "/id"), ("n", "/more/n")], &items), ["ID        N", "a         1", "long one  -"]);
        assert_eq!(rows(&[("id", "/id")], &[]), ["(none)"]);
        assert_eq!(fields(&json!({ "b": 1, "long": null })), ["b     1", "long  -"]);
    }
}
