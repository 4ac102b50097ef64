//! What arrived, for people.

use std::fmt::Write as _;
use std::time::Duration;

/// One delivery.
pub(super) struct Row {
    pub(super) contract: String,
    pub(super) event: String,
    pub(super) status: String,
    pub(super) latency: Option<Duration>,
    /// Genuine, or why not.
    pub(super) verdict: Result<(), String>,
}

const HEADINGS: [&str; 5] = ["contract", "event", "status", "latency", "verified"];

/// A table with a line per delivery.
pub(super) fn render(rows: &[Row]) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let lengths = cells.iter().filter_map(|row| row.get(column)).map(String::len);
        lengths.chain(HEADINGS.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    line(&mut text, &widths, HEADINGS.iter().copied());
    for row in &cells {
        line(&mut text, &widths, row.iter().map(String::as_str));
    }
    text
}

fn cells(row: &Row) -> [String; 5] {
    let latency = row.latency.map_or_else(|| "-".to_owned(), |latency| format!("{:.1} ms", latency.as_secs_f64() * 1_000.0));
    let verified = if row.verdict.is_ok() { "yes" } else { "NO" };
    [row.contract.clone(), row.event.clone(), row.status.clone(), latency, verified.to_owned()]
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let mut printed = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        let _ = write!(printed, "{cell:width$}  ");
    }
    text.push_str(printed.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_failures_stand_out() {
        let row = |event: &str, verdict| Row {
            contract: "noyo".into(),
            event: event.into(),
            status: "delivered".into(),
            latency: Some(Duration::from_micros(1_250)),
            verdict,
        };
        let text = render(&[row("difference.created", Ok(())), row("x", Err("tampered".into()))]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "contract  event               status     latency  verified");
        assert_eq!(lines[1], "noyo      difference.created  delivered  1.2 ms   yes");
        assert_eq!(lines[2], "noyo      x                   delivered  1.2 ms   NO");
    }
}
