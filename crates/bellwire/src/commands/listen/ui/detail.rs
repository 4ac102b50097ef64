//! One request whole, line by line.

use bytes::Bytes;
use http::HeaderMap;
use ratatui::text::Span;

use super::super::arrival::Judged;
use super::super::exchange::Answer;
use super::super::show::{body, plain, time};
use super::entry::Entry;

/// A line, and what kind of text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Title,
    Good,
    Bad,
    Doubtful,
    Plain,
}

/// How the verdict of a request is shown.
pub(super) const fn kind_of(judged: &Judged) -> Kind {
    match judged {
        Judged::Genuine => Kind::Good,
        Judged::Rejected(_) => Kind::Bad,
        Judged::Unsigned | Judged::Unknown(_) | Judged::Withheld(_) => Kind::Doubtful,
    }
}

/// A text as lines that are not wider than the screen.
pub(super) fn wrapped(kind: Kind, text: &str, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    wrap(text, width, |text| lines.push(Line { text, kind }));
    lines
}

/// The lines of a request and its answer, none of them wider than the screen.
pub(super) fn lines(entry: &Entry, width: usize, hide_body: bool) -> Vec<Line> {
    let arrival = &entry.arrival;
    let mut lines = Vec::new();
    let mut add = |kind, text: String| wrap(&text, width, |text| lines.push(Line { text, kind }));
    let shown = |body: &Bytes| if hide_body { Bytes::new() } else { body.clone() };
    let judged = match arrival.judged.reason() {
        Some(reason) => format!("{}: {}", arrival.judged.word(), plain(reason)),
        None => arrival.judged.word().to_owned(),
    };
    let seq = arrival.seq.map(|seq| format!("  seq {seq}")).unwrap_or_default();
    add(kind_of(&arrival.judged), format!("{}{seq}  {judged}", time(arrival.at)));
    if !matches!(arrival.judged, Judged::Withheld(_)) {
        add(Kind::Title, plain(&arrival.target()));
        add_message(&arrival.request.headers, &shown(&arrival.request.body), &mut add);
    }
    match &entry.answer {
        None | Some(Answer::Shown) => {}
        Some(Answer::Here(status)) => add(Kind::Title, format!("Answered {}", status.as_u16())),
        Some(Answer::Failed { reason, took, .. }) => {
            add(Kind::Bad, format!("Not forwarded after {} ms: {}", took.as_millis(), plain(reason)));
        }
        Some(Answer::Forwarded { status, headers, body, took }) => {
            let kind = if status.is_success() { Kind::Good } else { Kind::Bad };
            add(kind, format!("Answered {} in {} ms", status.as_u16(), took.as_millis()));
            add_message(headers, &shown(body), &mut add);
        }
    }
    lines
}

/// Headers, the body below them, and a blank line at the end.
fn add_message(headers: &HeaderMap, bytes: &[u8], add: &mut impl FnMut(Kind, String)) {
    for (name, value) in headers {
        add(Kind::Plain, format!("{name}: {}", plain(&String::from_utf8_lossy(value.as_bytes()))));
    }
    if !bytes.is_empty() {
        add(Kind::Plain, String::new());
        body(bytes).lines().for_each(|line| add(Kind::Plain, line.to_owned()));
    }
    add(Kind::Plain, String::new());
}

/// Breaks a line where the screen ends.
fn wrap(text: &str, width: usize, mut add: impl FnMut(String)) {
    let (mut line, mut taken) = (String::new(), 0);
    for character in text.chars() {
        let wide = Span::raw(character.encode_utf8(&mut [0; 4]) as &str).width();
        if taken + wide > width.max(2) {
            add(std::mem::take(&mut line));
            taken = 0;
        }
        line.push(character);
        taken += wide;
    }
    add(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_goes_on_below() {
        let wrapped = |text: &str, width| {
            let mut lines = Vec::new();
            wrap(text, width, |line| lines.push(line));
            lines
        };
        assert_eq!(wrapped("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"], "a character may take two places");
    }
}
