//! `bellwire events tail`: an account's events as they are published.

use std::time::Duration;

use serde_json::Value;

use crate::cli::{OutputForm, TailArguments};
use crate::client::failure::Failure;
use crate::client::following::{Following, Reader};
use crate::client::session::{Session, path};
use crate::client::sse::Message;
use crate::client::table;
use crate::signals::Stops;
use crate::telemetry;

/// Prints events until it is asked to stop, or nobody reads any more.
pub(super) async fn run(session: &Session, account: &str, arguments: &TailArguments) -> Result<(), Failure> {
    let mut stops = Stops::new()?;
    let path = path(&["accounts", account, "events", "stream"]);
    let parameters = [("type", arguments.event_type.as_deref())];
    let mut following = Following::new(session, path, &parameters, arguments.after);
    let mut tail = Tail { form: session.form() };
    tokio::select! {
        biased;
        () = stops.recv() => Ok(()),
        ended = following.run(&mut tail) => ended,
    }
}

/// Prints.
struct Tail {
    form: OutputForm,
}

impl Reader for Tail {
    /// Prints an event; whether somebody still reads what is printed.
    async fn take(&mut self, message: Message) -> bool {
        let Some(data) = message.data else { return true };
        match self.form {
            OutputForm::Json => telemetry::print_while_read(&data.replace('\n', " ")),
            OutputForm::Table => match serde_json::from_str::<Value>(&data) {
                Ok(event) => telemetry::print_while_read(&line(&event)),
                Err(_) => true, // none of the API's
            },
        }
    }

    fn lost(&mut self, reason: &str, _: Duration) {
        telemetry::say(&format!("bellwire: {reason}; trying again"));
    }
}

/// The line of an event that has just come.
fn line(event: &Value) -> String {
    let cells = [("seq", "/seq"), ("created", "/created_at"), ("type", "/type"), ("id", "/id"), ("data", "/data")];
    table::rows(&cells, std::slice::from_ref(event)).pop().unwrap_or_default()
}
