//! HTTP/1.1 as bytes: a request's head, and an answer as it arrives. Nothing here does IO.

use bellwire_domain::{AttemptOutcome, Timestamp};
use http::StatusCode;

use crate::answer::Answer;
use crate::failure;
use crate::framing::Framing;
use crate::head::{self, Asked};

/// The longest head of an answer, and the longest of anything else that must be complete before it can be parsed.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of a body's framing: chunk headers and trailers. Enough for a body in one-byte chunks.
const FRAMING_BYTES_MAX: usize = 256 * 1_024;
/// Interim answers (1xx) before the real one.
const INTERIM_ANSWERS_MAX: usize = 16;

/// An answer while it arrives.
pub(crate) struct Reception {
    asked: Asked,
    state: State,
    /// Bytes that cannot be parsed until more arrive.
    unread: Vec<u8>,
    /// Whether anything has arrived.
    has_begun: bool,
    interim: usize,
    /// Bytes of the body's framing so far.
    framing: usize,
    now: Timestamp,
}

#[expect(clippy::large_enum_variant, reason = "one for each attempt, which is in one of them for most of its time")]
enum State {
    Head,
    Body { framing: Framing, answer: Answer, stays_open: bool },
    Over,
}

/// A complete answer, or as much of it as we keep.
pub(crate) struct Received {
    pub(crate) answer: Answer,
    /// Whether the connection may carry another request.
    pub(crate) stays_open: bool,
}

impl Reception {
    /// Of the answer to what was asked at `now`.
    pub(crate) const fn new(asked: Asked, now: Timestamp) -> Self {
        Self { asked, state: State::Head, unread: Vec::new(), has_begun: false, interim: 0, framing: 0, now }
    }

    /// Whether the head is complete.
    pub(crate) const fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    /// Whether a byte of the answer has come.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes bytes as they arrive.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Option<Received>, AttemptOutcome> {
        self.has_begun = true;
        let mut unread = std::mem::take(&mut self.unread);
        let is_first = unread.is_empty();
        // What is waited for ends with a line. So a head that arrives byte by byte is not parsed again for each byte.
        let may_say_more = is_first || bytes.contains(&b'\n');
        if !is_first {
            unread.extend_from_slice(bytes);
        }
        let input = if is_first { bytes } else { &unread };
        let (used, received) = if may_say_more { self.advance(input)? } else { (0, None) };
        let left = input.len() - used;
        if let Some(received) = received {
            let stays_open = received.stays_open && left == 0;
            return Ok(Some(Received { stays_open, ..received }));
        }
        if left > HEAD_BYTES_MAX {
            return Err(too_large(if self.is_in_body() { "the head of a chunk" } else { "the head" }));
        }
        if is_first {
            unread.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            unread.drain(..used);
        }
        self.unread = unread;
        Ok(None)
    }

    /// The receiver has closed the connection. That ends an answer without a length, and breaks any other.
    pub(crate) fn end(&mut self) -> Result<Received, AttemptOutcome> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Body { framing: Framing::UntilClose, answer, .. } => Ok(Received { answer, stays_open: false }),
            State::Body { .. } | State::Head | State::Over => Err(failure::closed("closed")),
        }
    }

    /// How much of the input was used, and the answer, if it is complete.
    fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<Received>), AttemptOutcome> {
        let used = self.read_head(input)?;
        let (used_by_body, received) = self.read_body(input.get(used..).unwrap_or_default())?;
        Ok((used + used_by_body, received))
    }

    /// Reads a head, and those of interim answers before it.
    fn read_head(&mut self, input: &[u8]) -> Result<usize, AttemptOutcome> {
        let mut used = 0;
        while matches!(self.state, State::Head) {
            let rest = input.get(used..).unwrap_or_default();
            let Some((bytes, head)) = head::parse(rest, &self.asked).map_err(malformed)? else { break };
            used += bytes;
            if head.said.status.is_informational() && head.said.status != StatusCode::SWITCHING_PROTOCOLS {
                self.interim += 1;
                if self.interim > INTERIM_ANSWERS_MAX {
                    return Err(malformed("too many interim answers (1xx) and no final one".to_owned()));
                }
                continue;
            }
            let answer = Answer::new(head.said, self.now);
            self.state = State::Body { framing: head.framing, answer, stays_open: head.stays_open };
        }
        Ok(used)
    }

    fn read_body(&mut self, input: &[u8]) -> Result<(usize, Option<Received>), AttemptOutcome> {
        let State::Body { framing, answer, stays_open } = &mut self.state else { return Ok((0, None)) };
        let (mut used, mut wants_more) = (0, true);
        while wants_more && !framing.is_over() {
            let taken = framing.take(input.get(used..).unwrap_or_default()).map_err(malformed)?;
            if taken.used == 0 {
                return Ok((used, None));
            }
            used += taken.used;
            self.framing += taken.used - taken.piece.len();
            if self.framing > FRAMING_BYTES_MAX {
                return Err(too_large("the framing"));
            }
            wants_more = taken.piece.is_empty() || answer.push(taken.piece);
        }
        let stays_open = *stays_open && framing.is_over(); // if not, the rest is not drained
        match std::mem::replace(&mut self.state, State::Over) {
            State::Body { answer, .. } => Ok((used, Some(Received { answer, stays_open }))),
            State::Head | State::Over => Ok((used, None)),
        }
    }
}

fn too_large(part: &str) -> AttemptOutcome {
    malformed(format!("{part} of the answer is too large"))
}

fn malformed(detail: String) -> AttemptOutcome {
    AttemptOutcome::Protocol { detail }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    /// Feeds an answer in pieces that end at `cuts`, then the end of the connection: status, body, and whether it stays open.
    fn received(method: &Method, answer: &[u8], cuts: &[usize]) -> Result<(u16, String, bool), String> {
        let mut reception = Reception::new(Asked { method: method.clone(), heeded: [].into() }, Timestamp::default());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (answer.len() + 1)).chain([0, answer.len()]).collect();
        cuts.sort_unstable();
        for piece in cuts.windows(2).map(|cut| &answer[cut[0]..cut[1]]).filter(|piece| !piece.is_empty()) {
            if let Some(received) = reception.take(piece).map_err(|outcome| outcome.kind().to_owned())? {
                return Ok(told(received));
            }
        }
        reception.end().map(told).map_err(|outcome| outcome.kind().to_owned())
    }

    fn told(received: Received) -> (u16, String, bool) {
        match received.answer.finish() {
            AttemptOutcome::Response { status, body, .. } => {
                (status, String::from_utf8_lossy(&body).into_owned(), received.stays_open)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Status, body, and whether the connection stays open; or the kind of failure.
    type Expected = Result<(u16, &'static str, bool), &'static str>;

    const ANSWERS: &[(&str, Expected)] = &[
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Ok((200, "ok", true))),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok", Ok((200, "ok", false))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok((200, "", true))),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", true))),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", Ok((304, "", true))),
        ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 2\r\n\r\nno", Ok((302, "no", true))),
        ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", Ok((302, "", true))),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Ok((200, "ok", false))),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", Ok((200, "ok", true))),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Ok((200, "until the end", false))),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Ok((200, "abcde", true))),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: trailer\r\n\r\n", Ok((200, "a", true))),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Ok((200, "", true))),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Ok((200, "ok", true)),
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", Ok((101, "", false))),
        ("HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", Ok((200, "ok", true))),
        ("", Err("closed")),
        ("HTTP/1.1 200 OK\r\ncontent-le", Err("closed")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Err("closed")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab", Err("closed")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", Err("closed")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", Err("protocol")),
        ("HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n", Err("protocol")),
        ("HTTP/1.1 099 No\r\n\r\n", Err("protocol")),
    ];

    #[test]
    fn every_framing_ends_where_it_says() {
        for (answer, expected) in ANSWERS {
            let expected = expected.map(|(status, body, open)| (status, body.to_owned(), open)).map_err(str::to_owned);
            assert_eq!(received(&Method::POST, answer.as_bytes(), &[]), expected, "{answer:?}");
            let every_byte: Vec<usize> = (0..answer.len()).collect();
            assert_eq!(received(&Method::POST, answer.as_bytes(), &every_byte), expected, "byte by byte: {answer:?}");
        }
    }

    #[test]
    fn a_connection_on_which_more_comes_than_the_answer_is_not_used_again() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n";
        assert_eq!(received(&Method::POST, answer, &[]), Ok((200, "ok".to_owned(), false)));
    }

    #[test]
    fn a_body_in_chunks_of_a_byte_is_read_and_trailers_without_end_are_not() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let small = format!("{chunked}{}0\r\n\r\n", "1\r\nx\r\n".repeat(16_000));
        assert_eq!(received(&Method::POST, small.as_bytes(), &[]), Ok((200, "x".repeat(16_000), true)));
        let endless = format!("{chunked}0\r\n{}", "x: trailer\r\n".repeat(FRAMING_BYTES_MAX / 12 + 1));
        assert_eq!(received(&Method::POST, endless.as_bytes(), &[]), Err("protocol".to_owned()));
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        assert_eq!(received(&Method::HEAD, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", &[]), Ok((200, String::new(), true)));
    }

    proptest! {
        #[test]
        fn an_answer_says_the_same_however_it_is_cut(which in 0..ANSWERS.len(), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
            let answer = ANSWERS[which].0.as_bytes();
            prop_assert_eq!(received(&Method::POST, answer, &cuts), received(&Method::POST, answer, &[]));
        }

        /// The result does not matter, but nothing may panic.
        #[test]
        fn nonsense_is_survived(
            which in 0..ANSWERS.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cuts in prop::collection::vec(any::<usize>(), 0..4),
        ) {
            let mut answer = ANSWERS[which].0.as_bytes().to_vec();
            for (place, byte) in changes {
                if !answer.is_empty() {
                    let place = place.index(answer.len());
                    answer[place] = byte;
                }
            }
            let _ = received(&Method::POST, &answer, &cuts);
        }
    }
}
