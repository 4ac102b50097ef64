//! `earlier_attempts`, the attempts that did not end their delivery, and the view `attempts`, which has all of them.

use std::time::Duration;

use bellwire_domain::{DeliveryId, Phases, Timestamp};
use rusqlite::types::Value;

use crate::StoreError;
use crate::sql::{Cell, Db, Select, columns, group, params, table};

group! {
    /// What came of an attempt: the columns that `deliveries` and `earlier_attempts` share.
    pub(crate) struct AttemptResult<'a> {
        started_at: Timestamp,
        duration_us: i64,
        outcome: &'a str,
        status: Option<u16>,
        /// One sentence, when there was no answer.
        detail: Option<&'a str>,
        response_sealed: Option<&'a [u8]>,
        due_at: Timestamp,
        phases: Option<&'a [u8]>,
        /// 1: somebody asked for it; NULL: it was due by itself.
        is_manual: Option<bool>,
    }
}

table! {
    /// An attempt that did not end its delivery.
    pub(crate) struct AttemptRow<'a> in "earlier_attempts" key { delivery_id: bellwire_domain::DeliveryId, number: u32 } {
        account: i64,
    } with { result: AttemptResult<'a> }
}

columns! {
    /// An attempt, the body of its answer still sealed.
    pub(crate) struct StoredAttempt<'r> of "attempts" {
        pub(crate) number: u32 = "number",
        pub(crate) started_at: Timestamp = "started_at",
        pub(crate) duration: Duration = "duration_us",
        pub(crate) outcome: String = "outcome",
        pub(crate) status: Option<u16> = "status",
        pub(crate) detail: Option<String> = "detail",
        pub(crate) response_sealed: Option<&'r [u8]> = "response_sealed",
        /// `None`: made before version 7 of the schema.
        pub(crate) due_at: Option<Timestamp> = "due_at",
        /// `None`: made before version 11 of the schema.
        pub(crate) phases: Option<Phases> = "phases",
        /// `None`: it was due by itself.
        pub(crate) is_manual: Option<bool> = "is_manual",
    }
}

columns! {
    /// How an attempt went.
    struct Went of "earlier_attempts" {
        number: u32 = "number",
        started_at: Timestamp = "started_at",
        outcome: String = "outcome",
        status: Option<u16> = "status",
    }
}

/// What is known of a delivery's earlier attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// When the first one was made; `None`: that is not kept any more.
    pub first_at: Option<Timestamp>,
    /// How the last one ended: in a word, and the status if there was an answer.
    pub previous: Option<(String, Option<u16>)>,
}

static FIRST_AND_LAST: Select<Went> =
    Select::new("FROM earlier_attempts WHERE delivery_id = $1 AND number IN (1, $2) ORDER BY number");

/// What came before, of a live delivery of which so many attempts were made.
pub(crate) fn find_past(db: Db<'_>, delivery: DeliveryId, attempts: u32) -> Result<Past, StoreError> {
    let mut past = Past::default();
    for went in FIRST_AND_LAST.list(db, params![delivery, attempts])? {
        if went.number == 1 {
            past.first_at = Some(went.started_at);
        }
        if went.number == attempts {
            past.previous = Some((went.outcome, went.status));
        }
    }
    Ok(past)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![FIRST_AND_LAST.sql()]
}

/// How many phases a column can hold, and the most bytes of one.
const PHASES: usize = 4;
const PHASE_BYTES_MAX: usize = 5;

/// The phases of an attempt as a column holds them: microseconds plus one of each, 0 where it did not take place, as a number of
/// seven bits to a byte, the lowest first (LEB128). The answer comes first, and what did not take place at the end is left out: over a
/// connection that was kept, which most are, that makes three bytes.
pub(crate) struct PackedPhases {
    bytes: [u8; PHASES * PHASE_BYTES_MAX],
    length: usize,
}

/// In the order of the column.
const fn in_order(phases: &Phases) -> [Option<Duration>; PHASES] {
    [phases.answer, phases.dns, phases.connect, phases.tls]
}

impl PackedPhases {
    /// More than an hour is an hour and a bit: 2^32 µs.
    pub(crate) fn of(phases: &Phases) -> Self {
        let mut packed = Self { bytes: [0; PHASES * PHASE_BYTES_MAX], length: 0 };
        let mut length = 0;
        for phase in in_order(phases) {
            let micros = phase.map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            let mut rest = micros.map_or(0, |micros| u64::from(micros) + 1);
            loop {
                let (low, more) = ((rest & 0x7f).to_le_bytes()[0], rest > 0x7f);
                if let Some(byte) = packed.bytes.get_mut(length) {
                    *byte = if more { low | 0x80 } else { low };
                }
                length += 1;
                rest >>= 7;
                if !more {
                    break;
                }
            }
            if phase.is_some() {
                packed.length = length;
            }
        }
        packed
    }

    /// What is bound.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Cell<'_> for Phases {
    fn read(cell: &Value) -> Option<Self> {
        let mut bytes = <&[u8]>::read(cell)?.iter();
        let mut read = [None; PHASES];
        for phase in &mut read {
            let mut number = 0;
            for place in 0..=PHASE_BYTES_MAX {
                let Some(byte) = bytes.next() else {
                    if place == 0 {
                        break;
                    }
                    return None; // cut off within a number
                };
                if place == PHASE_BYTES_MAX {
                    return None;
                }
                number |= u64::from(byte & 0x7f) << (7 * place);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            *phase = number.checked_sub(1).map(Duration::from_micros);
        }
        let [answer, dns, connect, tls] = read;
        bytes.next().is_none().then_some(Self { dns, connect, tls, answer })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phase() -> impl Strategy<Value = Option<Duration>> {
        proptest::option::of((0..=u32::MAX).prop_map(|micros| Duration::from_micros(micros.into())))
    }

    proptest! {
        #[test]
        fn phases_are_read_as_they_were_packed((answer, dns, connect, tls) in (phase(), phase(), phase(), phase())) {
            let phases = Phases { dns, connect, tls, answer };
            let packed = PackedPhases::of(&phases);
            prop_assert!(packed.bytes().len() <= PHASES * PHASE_BYTES_MAX);
            prop_assert_eq!(Phases::read(&Value::Blob(packed.bytes().to_vec())), Some(phases));
        }

        #[test]
        fn bytes_of_any_kind_are_phases_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = Phases::read(&Value::Blob(bytes));
        }
    }

    #[test]
    fn an_answer_over_a_kept_connection_takes_three_bytes_at_most_up_to_two_seconds() {
        for (micros, length) in [(0, 1), (126, 1), (127, 2), (16_382, 2), (16_383, 3), (2_097_150, 3)] {
            let phases = Phases { answer: Some(Duration::from_micros(micros)), ..Phases::default() };
            assert_eq!(PackedPhases::of(&phases).bytes().len(), length, "{micros}");
        }
        assert_eq!(PackedPhases::of(&Phases::default()).bytes(), b"");
        let hours = Phases { tls: Some(Duration::from_secs(9_999)), ..Phases::default() };
        let read = Phases::read(&Value::Blob(PackedPhases::of(&hours).bytes().to_vec()));
        assert_eq!(read.and_then(|phases| phases.tls), Some(Duration::from_micros(u32::MAX.into())), "as many as fit");
        for wrong in [&[0x80][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 1], &[0, 0, 0, 0, 0]] {
            assert_eq!(Phases::read(&Value::Blob(wrong.to_vec())), None, "{wrong:?}");
        }
    }
}
