//! How values look on a page.

use std::time::Duration;

use bellwire_domain::time::Zone;
use bellwire_domain::{DataRemoval, DeliveryState, HealthStatus, IncidentState, ReplayState, Timestamp};

/// An instant, as far from now as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    at: Timestamp,
    now: Timestamp,
}

impl When {
    pub(crate) const fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// For machines, in UTC.
    pub(crate) fn iso(&self) -> String {
        self.at.rfc3339(3, Zone::Zulu)
    }

    /// For people, in UTC: `2026-11-28 17:56:23`.
    pub(crate) fn full(&self) -> String {
        let text = self.at.rfc3339(0, Zone::Zulu);
        format!("{} UTC", text.trim_end_matches('Z').replace('T', " "))
    }

    /// For people: `3 min ago`, `in 20 s`.
    pub(crate) fn distance(&self) -> String {
        if self.at > self.now {
            let left = self.at.since(self.now);
            return if left < Duration::from_secs(1) { "now".to_owned() } else { format!("in {}", span(left)) };
        }
        let past = self.now.since(self.at);
        if past < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", span(past)) }
    }
}

/// A span of time in its two largest units, or one: `2 d 4 h`, `3 min`, `20 s`, `420 ms`.
pub(crate) fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = span.as_secs();
    if seconds == 0 {
        return if span.as_millis() == 0 { format!("{} µs", span.as_micros()) } else { format!("{} ms", span.as_millis()) };
    }
    if seconds < 10 && span.subsec_millis() > 0 {
        return format!("{:.1} s", span.as_secs_f64());
    }
    let mut parts = Vec::new();
    let mut left = seconds;
    for (size, name) in UNITS {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
        // Minutes beside days would be noise.
        if parts.len() == 2 || (parts.len() == 1 && size <= 60) {
            break;
        }
    }
    parts.join(" ")
}

/// A count, with thin spaces between thousands.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// A count that ends at `most`: there may be more.
pub(crate) fn counted(number: i64, most: i64) -> String {
    if number < most { count(number) } else { format!("{}+", count(most)) }
}

/// So many bytes, in the largest unit of which there is at least one: `3.4 MiB`.
pub(crate) fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut unit, mut tenths) = ("bytes", i128::from(bytes.max(0)) * 10);
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        (unit, tenths) = (larger, tenths / 1_024);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// A word with a colour.
#[derive(Debug, Clone)]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    /// `good`, `bad`, `warn`, `wait` or `off`.
    pub(crate) tone: &'static str,
}

/// How a delivery stands.
pub(crate) const fn state_badge(state: DeliveryState, attempts: u32) -> Badge {
    match state {
        DeliveryState::Pending if attempts > 0 => Badge { word: "retrying", tone: "warn" },
        DeliveryState::Pending => Badge { word: "pending", tone: "wait" },
        DeliveryState::Delivered => Badge { word: "delivered", tone: "good" },
        DeliveryState::Failed => Badge { word: "failed", tone: "bad" },
        DeliveryState::Cancelled => Badge { word: "cancelled", tone: "off" },
    }
}

/// How an incident stands.
pub(crate) const fn incident_badge(state: IncidentState) -> Badge {
    match state {
        IncidentState::Open => Badge { word: "open", tone: "bad" },
        IncidentState::Acknowledged => Badge { word: "acknowledged", tone: "warn" },
        IncidentState::Resolved => Badge { word: "resolved", tone: "good" },
    }
}

/// How a replay stands, or a retry of many deliveries.
pub(crate) const fn replay_badge(state: ReplayState) -> Badge {
    match state {
        ReplayState::Running => Badge { word: "running", tone: "wait" },
        ReplayState::Done => Badge { word: "done", tone: "good" },
        ReplayState::Cancelled => Badge { word: "cancelled", tone: "off" },
    }
}

/// How an endpoint stands.
pub(crate) const fn health_badge(enabled: bool, status: HealthStatus) -> Badge {
    match (enabled, status) {
        (false, _) => Badge { word: "disabled", tone: "off" },
        (true, HealthStatus::Active) => Badge { word: "active", tone: "good" },
        (true, HealthStatus::Unhealthy) => Badge { word: "unhealthy", tone: "warn" },
        (true, HealthStatus::Pending) => Badge { word: "unverified", tone: "wait" },
        (true, HealthStatus::Expired) => Badge { word: "expired", tone: "off" },
        (true, HealthStatus::Failed) => Badge { word: "failed", tone: "bad" },
    }
}

/// Why there is no payload any more, in a sentence.
pub(crate) const fn gone(why: DataRemoval) -> &'static str {
    match why {
        DataRemoval::Erased => "The data of this event was erased.",
        DataRemoval::Expired => "The data of this event is older than payloads are kept.",
    }
}

/// Bytes as people read them: text, JSON indented.
pub(crate) fn pretty(bytes: &[u8]) -> String {
    match serde_json::from_slice::<&serde_json::value::RawValue>(bytes) {
        Ok(_) => indented(bytes),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// JSON text, indented, every value as it is spelled: numbers keep all their digits, names their order.
fn indented(json: &[u8]) -> String {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => {
                in_text = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ if byte.is_ascii_whitespace() => {}
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Deeper than anybody reads, lines are no longer indented further.
const INDENT_MAX: usize = 40;

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth.min(INDENT_MAX), b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let table = [
            (0, "0 µs"),
            (1_500, "1 ms"),
            (420_000, "420 ms"),
            (1_240_000, "1.2 s"),
            (20_000_000, "20 s"),
            (185_000_000, "3 min"),
            (7_260_000_000, "2 h 1 min"),
            (187_200_000_000, "2 d 4 h"),
        ];
        for (micros, text) in table {
            assert_eq!(span(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn counts_have_spaces_between_thousands() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567, -4_200].map(count),
            ["0", "999", "1\u{2009}000", "1\u{2009}234\u{2009}567", "-4\u{2009}200"]
        );
    }

    #[test]
    fn json_is_indented_and_keeps_every_digit_and_the_order_of_names() {
        let shown = pretty(br#"{"z":12345678901234567890.10,"a":[1,{"b":"x,{\"y\":1}"}],"e":{},"f":[ ]}"#);
        let expected = "{\n  \"z\": 12345678901234567890.10,\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\"y\\\":1}\"\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}";
        assert_eq!(shown, expected);
        assert_eq!(pretty(b"<html>\xff"), "<html>\u{fffd}");
    }
}
