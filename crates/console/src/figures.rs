//! Figures in words, and the charts of a time.

use std::time::Duration;

use bellwire_app::FiguresAnswer;
use bellwire_domain::{Figures, Span, Timestamp};
use bellwire_store::FiguresOfSpan;

use crate::charts::{self, Column, Range};
use crate::show::{When, count, span};

/// Figures of a time, as people read them.
pub(crate) struct Summary {
    pub(crate) attempts: String,
    pub(crate) delivered: String,
    pub(crate) failed: String,
    pub(crate) success: String,
    pub(crate) p50: String,
    pub(crate) p99: String,
}

const NONE: &str = "–";

impl Summary {
    pub(crate) fn new(figures: &Figures) -> Self {
        let latency = |share| figures.latency(share).map_or_else(|| NONE.to_owned(), span);
        Self {
            attempts: count(figures.tally.attempts),
            delivered: count(figures.tally.delivered),
            failed: count(figures.tally.failed),
            success: success(figures),
            p50: latency(0.5),
            p99: latency(0.99),
        }
    }
}

/// The share of attempts that delivered. Only what is whole is 100 %.
pub(crate) fn success(figures: &Figures) -> String {
    let Some(share) = figures.success() else { return NONE.to_owned() };
    let percent = share * 100.0;
    if share >= 1.0 {
        "100%".to_owned()
    } else if percent > 99.9 {
        "99.9%".to_owned()
    } else if percent > 0.0 && percent < 0.1 {
        "0.1%".to_owned()
    } else {
        format!("{percent:.1}%")
    }
}

/// The charts of a page.
pub(crate) struct Charts {
    pub(crate) deliveries: String,
    pub(crate) success: String,
    pub(crate) latency: String,
    /// The same in numbers.
    pub(crate) rows: Vec<(When, Summary)>,
}

impl Charts {
    pub(crate) fn new(answer: &FiguresAnswer, now: Timestamp) -> Self {
        let range = Range { by: answer.by, since: answer.since, until: answer.until };
        let chart = |parts: &dyn Fn(&Figures) -> Vec<(&'static str, f64)>, top, unit| {
            let column =
                |(start, figures): &FiguresOfSpan| Column { start: *start, parts: parts(figures), title: title(*start, figures) };
            charts::columns(range, &answer.spans.iter().map(column).collect::<Vec<_>>(), top, unit)
        };
        Self {
            deliveries: chart(&outcome_parts, 1.0, ""),
            success: chart(&success_parts, 100.0, "%"),
            latency: chart(&latency_parts, 1.0, " ms"),
            rows: answer.spans.iter().rev().map(|(start, figures)| (When::new(*start, now), Summary::new(figures))).collect(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "the height of a column")]
fn outcome_parts(figures: &Figures) -> Vec<(&'static str, f64)> {
    let tally = figures.tally;
    let again = tally.attempts - tally.delivered - tally.failed;
    vec![("good", tally.delivered as f64), ("warn", again as f64), ("bad", tally.failed as f64)]
}

fn success_parts(figures: &Figures) -> Vec<(&'static str, f64)> {
    let percent = figures.success().unwrap_or_default() * 100.0;
    vec![("good", percent), ("bad", 100.0 - percent)]
}

fn latency_parts(figures: &Figures) -> Vec<(&'static str, f64)> {
    let millis = |share| figures.latency(share).unwrap_or_default().as_secs_f64() * 1_000.0;
    let (p50, p99) = (millis(0.5), millis(0.99));
    vec![("wait", p50), ("soft", (p99 - p50).max(0.0))]
}

fn title(start: Timestamp, figures: &Figures) -> String {
    let summary = Summary::new(figures);
    let when = When::new(start, start).full();
    format!(
        "{when}: {} attempts, {} delivered, {} failed, half within {}, 99% within {}",
        summary.attempts, summary.delivered, summary.failed, summary.p50, summary.p99
    )
}

/// The last day of an endpoint, for its row.
pub(crate) struct Day {
    pub(crate) spark: String,
    pub(crate) success: String,
    /// For readers of the screen.
    pub(crate) words: String,
}

impl Day {
    pub(crate) fn new(spans: &[FiguresOfSpan], now: Timestamp) -> Self {
        let last = Span::Hour.number(now);
        let total: Figures = spans.iter().map(|(_, figures)| figures).sum();
        let hour = |number: i64| {
            let found = spans.iter().find(|(start, _)| Span::Hour.number(*start) == number);
            let tally = found.map(|(_, figures)| figures.tally).unwrap_or_default();
            #[allow(clippy::cast_precision_loss, reason = "the height of a column")]
            let height = tally.attempts as f64;
            (height, tally.delivered < tally.attempts)
        };
        let hours: Vec<_> = (last - 23..=last).map(hour).collect();
        let words = format!("{} attempts in 24 hours, {} delivered", count(total.tally.attempts), count(total.tally.delivered));
        Self { spark: charts::spark(&hours), success: success(&total), words }
    }
}

/// A time that can be chosen.
pub(crate) const RANGES: [(&str, Duration, Span); 4] = [
    ("1h", Duration::from_secs(3_600), Span::Minute),
    ("24h", Duration::from_secs(86_400), Span::Hour),
    ("7d", Duration::from_secs(7 * 86_400), Span::Hour),
    ("30d", Duration::from_secs(30 * 86_400), Span::Day),
];

/// The spans that suit a time: some dozens of columns.
pub(crate) fn spans_for(length: Duration) -> Span {
    let fitting = RANGES.iter().find(|(_, longest, _)| length <= *longest);
    fitting.map_or(Span::Day, |(_, _, by)| *by)
}

#[cfg(test)]
mod tests {
    use bellwire_domain::rollup::{LatencyBin, Tally};

    use super::*;

    fn figures(delivered: i64, attempts: i64) -> Figures {
        let mut figures = Figures::default();
        figures.count("2xx", LatencyBin::default(), Tally { attempts, delivered, failed: 0 });
        figures
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_to_nothing() {
        let table =
            [(0, 0, "–"), (10, 10, "100%"), (99_999, 100_000, "99.9%"), (1, 100_000, "0.1%"), (2, 3, "66.7%"), (0, 5, "0.0%")];
        for (delivered, attempts, expected) in table {
            assert_eq!(success(&figures(delivered, attempts)), expected, "{delivered} of {attempts}");
        }
    }

    #[test]
    fn a_time_is_drawn_in_some_dozens_of_columns() {
        for (hours, by) in [(1, Span::Minute), (2, Span::Hour), (48, Span::Hour), (24 * 7, Span::Hour), (24 * 8, Span::Day)] {
            assert_eq!(spans_for(Duration::from_secs(hours * 3_600)), by, "{hours} h");
        }
    }
}
