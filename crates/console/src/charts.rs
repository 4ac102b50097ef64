//! Charts, drawn as SVG on the server: columns over time, and the small line of a row.
//!
//! Colours are classes of the style sheet. Each column is a link to its own span, which the script widens to whatever the reader
//! drags over. What a chart shows stands beside it in numbers, so it is hidden from readers of the screen.

use std::fmt::Write as _;

use bellwire_domain::time::Zone;
use bellwire_domain::{Span, Timestamp};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;
/// Room above the highest column.
const AIR: f64 = 1.08;

/// One span of a chart: what is stacked from the bottom up, each with its class.
pub(crate) struct Column {
    pub(crate) start: Timestamp,
    pub(crate) parts: Vec<(&'static str, f64)>,
    /// What it says when pointed at.
    pub(crate) title: String,
}

/// The time that a chart is about.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) by: Span,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Range {
    /// How many spans it has.
    pub(crate) fn spans(&self) -> usize {
        usize::try_from(self.by.number(self.until) - self.by.number(self.since)).unwrap_or(0).max(1)
    }

    fn place(&self, at: Timestamp) -> f64 {
        as_share(self.by.number(at) - self.by.number(self.since), self.spans()) * WIDTH
    }
}

#[allow(clippy::cast_precision_loss, reason = "a place on a picture")]
fn as_share(count: i64, of: usize) -> f64 {
    count as f64 / of as f64
}

/// Columns over time; `top`: the value that reaches the top, or the highest column where it is higher.
pub(crate) fn columns(range: Range, columns: &[Column], top: f64, unit: &str) -> String {
    let heights = columns.iter().map(|column| column.parts.iter().map(|(_, value)| value).sum::<f64>());
    let top = heights.fold(top, f64::max).max(f64::MIN_POSITIVE) * AIR;
    let step = WIDTH / as_f64(range.spans());
    let (width, gap) = (step * 0.84, step * 0.08);
    let mut svg = open("chart", WIDTH, HEIGHT);
    let _ = write!(svg, " data-since=\"{}\" data-until=\"{}\">", range.since, range.until);
    for share in [0.5, 1.0] {
        let y = HEIGHT * (1.0 - share / AIR);
        let _ = write!(svg, r#"<line class="grid" x1="0" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}"/>"#);
    }
    for column in columns {
        let end = column.start.plus(range.by.length());
        let x = range.place(column.start);
        let _ = write!(
            svg,
            r#"<a tabindex="-1" href="/console?since={}&amp;until={}"><title>{}</title><rect class="hit" x="{x:.2}" y="0" width="{step:.2}" height="{HEIGHT}"/>"#,
            instant(column.start),
            instant(end),
            escape(&column.title),
        );
        let mut y = HEIGHT;
        for (class, value) in column.parts.iter().filter(|(_, value)| *value > 0.0) {
            let height = (value / top * HEIGHT).max(1.0);
            y -= height;
            let left = x + gap;
            let _ = write!(svg, r#"<rect class="{class}" x="{left:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}"/>"#);
        }
        svg.push_str("</a>");
    }
    svg.push_str("</svg>");
    let highest = top / AIR;
    let label = if highest >= 10.0 || highest.fract() == 0.0 { format!("{highest:.0}") } else { format!("{highest:.1}") };
    format!(
        r#"<div class="plot"><span class="top-of" aria-hidden="true">{label}{unit}</span>{svg}<div class="axis" aria-hidden="true">{}</div></div>"#,
        axis(range)
    )
}

/// The times under a chart: the first, the middle one and the last.
fn axis(range: Range) -> String {
    let half = range.until.since(range.since) / 2;
    [range.since, range.since.plus(half), range.until].map(|at| format!("<span>{}</span>", clock(range, at))).concat()
}

fn clock(range: Range, at: Timestamp) -> String {
    let text = at.rfc3339(0, Zone::Zulu);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let day = date.get(5..).unwrap_or_default();
    let minute = time.get(..5).unwrap_or_default();
    match range.by {
        Span::Day => day.to_owned(),
        _ if range.until.since(range.since) > std::time::Duration::from_secs(26 * 60 * 60) => format!("{day} {minute}"),
        Span::Minute | Span::Hour => minute.to_owned(),
    }
}

/// An instant as it stands in an address.
fn instant(at: Timestamp) -> String {
    at.rfc3339(0, Zone::Zulu)
}

/// The small columns of a row: `values` of equal spans, the failed ones marked.
pub(crate) fn spark(values: &[(f64, bool)]) -> String {
    let (width, height) = (96.0, 20.0);
    let top = values.iter().map(|(value, _)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let step = width / as_f64(values.len().max(1));
    let mut svg = open("spark", width, height);
    svg.push('>');
    for (index, (value, failed)) in values.iter().enumerate() {
        let tall = if *value > 0.0 { (value / top * height).max(2.0) } else { 1.0 };
        let class = match (*value > 0.0, failed) {
            (false, _) => "none",
            (true, true) => "bad",
            (true, false) => "good",
        };
        let (x, y, wide) = (as_f64(index) * step, height - tall, step * 0.75);
        let _ = write!(svg, r#"<rect class="{class}" x="{x:.2}" y="{y:.2}" width="{wide:.2}" height="{tall:.2}"/>"#);
    }
    svg.push_str("</svg>");
    svg
}

fn open(class: &str, width: f64, height: f64) -> String {
    format!(
        r#"<svg class="{class}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true" focusable="false""#
    )
}

#[allow(clippy::cast_precision_loss, reason = "a number of columns")]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_links_to_its_span_and_stands_at_its_time() {
        let since = Timestamp::parse_rfc3339("2025-01-15T10:00:00Z").unwrap();
        let range = Range { by: Span::Minute, since, until: since.plus(10 * Span::Minute.length()) };
        let column = Column {
            start: since.plus(5 * Span::Minute.length()),
            parts: vec![("good", 3.0), ("bad", 1.0), ("warn", 0.0)],
            title: "4 \"attempts\" <b>".to_owned(),
        };
        let svg = columns(range, &[column], 1.0, "");
        assert!(svg.contains("href=\"/console?since=2025-01-15T10:05:00Z&amp;until=2025-01-15T10:06:00Z\""), "{svg}");
        assert!(svg.contains("4 &quot;attempts&quot; &lt;b&gt;") && svg.contains("x=\"360.00\""), "{svg}");
        assert_eq!((svg.matches("class=\"good\"").count(), svg.matches("class=\"warn\"").count()), (1, 0), "{svg}");
        assert!(svg.contains(">10:05<"), "the middle of the axis: {svg}");
    }

    #[test]
    fn nothing_at_all_is_a_flat_line() {
        let svg = spark(&[(0.0, false); 24]);
        assert_eq!(svg.matches("class=\"none\"").count(), 24);
        assert!(!svg.contains("NaN") && !spark(&[]).contains("NaN"));
    }
}
