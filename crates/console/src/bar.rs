//! The bar of an attempt: where its time went, drawn, and the same in words.

use std::time::Duration;

use bellwire_domain::{Phase, Phases};

use crate::show::span;

/// An attempt's time, divided. The whole bar is the time from when it was due to its end.
pub(crate) struct Bar {
    pub(crate) parts: Vec<Part>,
    /// The longest part, as a sentence.
    pub(crate) longest: Option<String>,
}

/// One phase that took place.
pub(crate) struct Part {
    /// Names its colour.
    pub(crate) phase: &'static str,
    pub(crate) words: &'static str,
    pub(crate) took: String,
    /// Where it begins, and how wide it is, of [`STEPS`].
    pub(crate) from: u64,
    pub(crate) width: u64,
    pub(crate) is_longest: bool,
}

/// The width of a bar.
const STEPS: u64 = 1_000;
/// What is short is seen as well.
const WIDTH_MIN: u64 = 8;

const fn words(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Wait => ("waiting here", "waiting here took"),
        Phase::Dns => ("name look-up", "looking the name up took"),
        Phase::Connect => ("connecting", "connecting took"),
        Phase::Tls => ("TLS", "the TLS handshake took"),
        Phase::Answer => ("their answer", "their answer took"),
    }
}

impl Bar {
    /// Of an attempt that waited for so long before it started.
    pub(crate) fn new(phases: &Phases, waited: Option<Duration>) -> Self {
        // A wait of less than a millisecond is how long it takes to start, and no part of the story.
        let waited = waited.filter(|waited| waited.as_millis() > 0);
        let told: Vec<(Phase, Duration)> = phases.after(waited).collect();
        let longest = told.iter().max_by_key(|(_, took)| *took).copied();
        let widths = widths(&told.iter().map(|(_, took)| *took).collect::<Vec<_>>());
        let mut from = 0;
        let mut parts = Vec::with_capacity(told.len());
        for ((phase, took), width) in told.into_iter().zip(widths) {
            let is_longest = longest.is_some_and(|(longest, _)| longest == phase);
            parts.push(Part { phase: phase.as_str(), words: words(phase).0, took: span(took), from, width, is_longest });
            from += width;
        }
        Self { parts, longest: longest.map(|(phase, took)| format!("{} {}", words(phase).1, span(took))) }
    }
}

/// Their shares of the bar: together all of it, and each wide enough to be seen. What that takes, the widest gives.
fn widths(times: &[Duration]) -> Vec<u64> {
    let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX / STEPS).min(u64::MAX / STEPS);
    let total = times.iter().map(micros).fold(0_u64, u64::saturating_add).max(1);
    let mut widths: Vec<u64> = times.iter().map(|time| (micros(time) * STEPS / total).max(WIDTH_MIN)).collect();
    let taken: u64 = widths.iter().sum();
    if let Some(widest) = widths.iter_mut().max() {
        *widest = (*widest + STEPS).saturating_sub(taken);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_divided_among_what_took_place_and_names_the_longest() {
        let millis = |millis| Some(Duration::from_millis(millis));
        let phases = Phases { dns: millis(3), connect: millis(5), tls: millis(92), answer: millis(2_100) };
        let bar = Bar::new(&phases, millis(800));
        assert_eq!(bar.longest.as_deref(), Some("their answer took 2.1 s"));
        let parts: Vec<_> = bar.parts.iter().map(|part| (part.phase, part.from, part.width, part.took.as_str())).collect();
        assert_eq!(
            parts,
            [
                ("wait", 0, 266, "800 ms"),
                ("dns", 266, 8, "3 ms"),
                ("connect", 274, 8, "5 ms"),
                ("tls", 282, 30, "92 ms"),
                ("answer", 312, 688, "2.1 s"),
            ]
        );
        assert_eq!(bar.parts.iter().filter(|part| part.is_longest).count(), 1);
    }

    #[test]
    fn over_a_kept_connection_their_answer_is_all_there_is() {
        let phases = Phases { answer: Some(Duration::from_millis(12)), ..Phases::default() };
        let bar = Bar::new(&phases, Some(Duration::from_micros(400)));
        assert_eq!(bar.parts.iter().map(|part| (part.words, part.width)).collect::<Vec<_>>(), [("their answer", STEPS)]);
        let nothing = Bar::new(&Phases::default(), None);
        assert!(nothing.parts.is_empty() && nothing.longest.is_none());
    }

    #[test]
    fn the_parts_are_the_whole_however_long_they_took() {
        for times in [&[0_u64, 0][..], &[u64::MAX, 1, u64::MAX], &[1, 1, 1, 1, 1_000_000], &[7]] {
            let times: Vec<Duration> = times.iter().map(|micros| Duration::from_micros(*micros)).collect();
            let found = widths(&times);
            assert_eq!(found.iter().sum::<u64>(), STEPS, "{times:?}");
            assert!(found.iter().all(|width| *width >= WIDTH_MIN), "{times:?}: {found:?}");
        }
    }
}
