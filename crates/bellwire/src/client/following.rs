//! Following a stream of the server's, connection after connection: nothing is missed, and nothing comes twice.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::failure::Failure;
use super::session::{Parameters, Session, with_query};
use super::sse::Message;

/// The first pause before the connection is made again; each that follows without an answer is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The header of a client that comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Who reads a stream.
pub(crate) trait Reader {
    /// Takes a message; whether to go on. What was taken is not asked for again.
    async fn take(&mut self, message: Message) -> bool;

    /// Headers of the next request, beside those of every client.
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }

    /// The connection has ended, and is made again after a pause.
    fn lost(&mut self, reason: &str, pause: Duration);
}

/// A stream, and how far it was read.
pub(crate) struct Following<'a> {
    session: &'a Session,
    path: String,
    parameters: Parameters<'a>,
    /// The `seq` up to which everything was taken; none: nobody has said where the log ends.
    seen: Option<String>,
    /// Whether the server has answered once. Until then, a failure is the end.
    has_begun: bool,
    /// Whether somebody still reads.
    is_read: bool,
}

impl<'a> Following<'a> {
    /// A stream that begins after a `seq`, or else with what comes from now on.
    pub(crate) fn new(session: &'a Session, path: String, parameters: Parameters<'a>, after: Option<i64>) -> Self {
        let seen = after.map(|seq| seq.to_string());
        Self { session, path, parameters, seen, has_begun: false, is_read: true }
    }

    /// Reads until the reader has had enough, or until the server says why it will not answer.
    pub(crate) async fn run(&mut self, reader: &mut impl Reader) -> Result<(), Failure> {
        let mut pause = PAUSE_MIN;
        loop {
            let seen = self.seen.clone();
            let begin = [("after_seq", seen.is_none().then_some("now"))];
            let path = with_query(&self.path, &[self.parameters, &begin].concat());
            let mut has_answered = false;
            let mut headers = reader.headers();
            headers.extend(seen.and_then(|seen| Some((LAST_EVENT_ID, HeaderValue::from_str(&seen).ok()?))));
            let (is_read, seen_by_now) = (&mut self.is_read, &mut self.seen);
            let ended = self.session.http().follow(&path, headers, async |message: Message| {
                has_answered = true;
                let id = message.id.clone();
                *is_read = reader.take(message).await;
                if let Some(id) = id.filter(|_| *is_read) {
                    *seen_by_now = Some(id);
                }
                *is_read
            });
            let reason = match ended.await {
                Ok(()) if !self.is_read => return Ok(()),
                Ok(()) => "the stream has ended".to_owned(),
                Err(failure) if !failure.may_pass() || !(self.has_begun || has_answered) => return Err(failure),
                Err(failure) => failure.text().trim_start_matches("bellwire: ").lines().next().unwrap_or_default().to_owned(),
            };
            if has_answered {
                (self.has_begun, pause) = (true, PAUSE_MIN);
            }
            reader.lost(&reason, pause);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
