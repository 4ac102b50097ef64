//! `bellwire events tail`: an account's events as they are published.

use std::time::Duration;

use serde_json::Value;

use crate::cli::{OutputForm, TailArguments};
use crate::client::failure::Failure;
use crate::client::session::{Session, path, with_query};
use crate::client::sse::Message;
use crate::client::table;
use crate::signals::Stops;
use crate::telemetry;

/// The first pause before the connection is made again; each that follows without an answer is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Prints events until it is asked to stop, or nobody reads any more.
pub(super) async fn run(session: &Session, account: &str, arguments: &TailArguments) -> Result<(), Failure> {
    let mut stops = Stops::new()?;
    let mut tail = Tail { session, seen: arguments.after.map(|seq| seq.to_string()), has_begun: false, is_read: true };
    let path = path(&["accounts", account, "events", "stream"]);
    tokio::select! {
        biased;
        () = stops.recv() => Ok(()),
        ended = tail.follow(&path, arguments.event_type.as_deref()) => ended,
    }
}

/// How far it is.
struct Tail<'a> {
    session: &'a Session,
    /// The `seq` up to which everything was printed; none: nobody has said where the log ends.
    seen: Option<String>,
    /// Whether the server has answered once. Until then, a failure is the end.
    has_begun: bool,
    /// Whether somebody still reads what is printed.
    is_read: bool,
}

impl Tail<'_> {
    async fn follow(&mut self, path: &str, event_type: Option<&str>) -> Result<(), Failure> {
        let mut pause = PAUSE_MIN;
        loop {
            let seen = self.seen.clone();
            let begin = if seen.is_none() { Some("now") } else { None };
            let path = with_query(path, &[("after_seq", begin), ("type", event_type)]);
            let mut has_answered = false;
            let ended = self.session.http().follow(&path, seen.as_deref(), |message| {
                has_answered = true;
                self.take(message)
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
            telemetry::say(&format!("bellwire: {reason}; trying again"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Prints an event; whether to go on.
    fn take(&mut self, message: Message) -> bool {
        if let Some(data) = message.data {
            self.is_read = match self.session.form() {
                OutputForm::Json => telemetry::print_while_read(&data.replace('\n', " ")),
                OutputForm::Table => match serde_json::from_str::<Value>(&data) {
                    Ok(event) => telemetry::print_while_read(&line(&event)),
                    Err(_) => true, // none of the API's
                },
            };
        }
        if let Some(id) = message.id.filter(|_| self.is_read) {
            self.seen = Some(id);
        }
        self.is_read
    }
}

/// The line of an event that has just come.
fn line(event: &Value) -> String {
    let cells = [("seq", "/seq"), ("created", "/created_at"), ("type", "/type"), ("id", "/id"), ("data", "/data")];
    table::rows(&cells, std::slice::from_ref(event)).pop().unwrap_or_default()
}
