//! The events' data: observations as a health record sends them, so that they compress as well as real ones, and no better.

use std::sync::LazyLock;

use fastrand::Rng;

use crate::sink::now_us;

/// Distinct observations; an event has as many as fit.
const OBSERVATIONS: usize = 4_096;
/// More than is left after the last observation that fits.
const NOTE_BYTES: usize = 1_024;
const GIVEN_NAMES: [&str; 8] = ["Amara", "Luis", "Chen", "Priya", "Noah", "Fatima", "Olga", "Jamal"];
const FAMILY_NAMES: [&str; 8] = ["Okafor", "Garcia", "Wei", "Nair", "Smith", "Haddad", "Petrov", "Rossi"];
const STATES: [&str; 3] = ["final", "amended", "preliminary"];
const UNITS: [&str; 4] = ["mg/dL", "mmol/L", "%", "mmHg"];

/// The same in every run.
static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    let mut rng = Rng::with_seed(1);
    let observations = (0..OBSERVATIONS).map(|_| observation(&mut rng)).collect();
    Content { observations, note: (0..NOTE_BYTES).map(|_| rng.alphanumeric()).collect() }
});

struct Content {
    observations: Vec<String>,
    /// Fills up what is left.
    note: String,
}

/// JSON of `size` bytes that contains the current time.
pub(crate) fn data(size: usize) -> String {
    let now = now_us();
    let first = usize::try_from(now).unwrap_or(0) % OBSERVATIONS;
    document(now, first, size)
}

/// A document that starts with the observation `first`. It has `size` bytes, or as few as possible.
fn document(now: u64, first: usize, size: usize) -> String {
    let (middle, end) = ("],\"note\":\"", "\"}");
    let mut text = String::with_capacity(size);
    for part in ["{\"posted_at_us\":", &now.to_string(), ",\"entry\":["] {
        text.push_str(part);
    }
    let ends_with = middle.len() + end.len();
    let mut separator = "";
    let (before, from_first) = CONTENT.observations.split_at(first);
    for observation in from_first.iter().chain(before) {
        if text.len() + separator.len() + observation.len() + ends_with > size {
            break;
        }
        text.push_str(separator);
        text.push_str(observation);
        separator = ",";
    }
    text.push_str(middle);
    let left = size.saturating_sub(text.len() + end.len());
    text.push_str(CONTENT.note.get(..left).unwrap_or(&CONTENT.note));
    text.push_str(end);
    text
}

fn observation(rng: &mut Rng) -> String {
    let mut of = |choices: &[&'static str]| rng.choice(choices.iter().copied()).unwrap_or_default();
    let (given, family, state, unit) = (of(&GIVEN_NAMES), of(&FAMILY_NAMES), of(&STATES), of(&UNITS));
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"{id:032x}\",\"status\":\"{state}\",\
         \"subject\":{{\"reference\":\"Patient/{patient:016x}\",\"display\":\"{given} {family}\"}},\
         \"code\":{{\"coding\":[{{\"system\":\"urn:loinc\",\"code\":\"{code}-{check}\"}}]}},\
         \"effectiveDateTime\":\"2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\",\
         \"valueQuantity\":{{\"value\":{value}.{tenth},\"unit\":\"{unit}\"}}}}",
        id = rng.u128(..),
        patient = rng.u64(..),
        code = rng.u32(100..100_000),
        check = rng.u8(0..10),
        month = rng.u8(1..13),
        day = rng.u8(1..29),
        hour = rng.u8(0..24),
        minute = rng.u8(0..60),
        second = rng.u8(0..60),
        value = rng.u8(..),
        tenth = rng.u8(0..10),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_json_of_the_size_that_is_asked_for() {
        for first in (0..OBSERVATIONS).step_by(7) {
            for size in [100, 500, 501, 2_048, 20_480] {
                let text = document(1_234_567_890_123_456, first, size);
                assert_eq!(text.len(), size, "{text}");
                let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
                let entries = parsed["entry"].as_array().unwrap().len();
                assert!(entries >= size / 400, "{entries} observations in {size} bytes");
            }
        }
    }

    #[test]
    fn no_observation_is_there_twice() {
        let distinct: std::collections::HashSet<_> = CONTENT.observations.iter().collect();
        assert_eq!(distinct.len(), OBSERVATIONS);
    }
}
