//! The screen: what arrived as a list, and one request whole.
//!
//! [`state`] is a value that changes with what is typed and what arrives, and [`draw`] shows it: neither reads nor writes anything, so
//! both are tested without a terminal. Here is what does: the terminal, which is put back as it was however this ends, the keys, and
//! what they ask for.

mod detail;
mod draw;
mod entry;
mod state;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{Stdout, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bellwire_domain::Clock;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::task::TaskTracker;

use super::arrival::Arrival;
use super::desk::Message;
use super::forward::pass_on;
use crate::environment::SystemClock;
use state::{Effect, Input, State};

pub(super) use state::Look;

/// How long a look for keys waits for one.
const KEY_LOOK: Duration = Duration::from_millis(100);
/// How often the screen is drawn while it tells the time.
const TICK: Duration = Duration::from_millis(250);
/// The most that is taken in before the screen is drawn again.
const TAKEN_AT_ONCE: usize = 256;

/// Shows what arrives until somebody has seen enough.
pub(super) async fn run(mut messages: UnboundedReceiver<Message>, look: Look) -> anyhow::Result<()> {
    let mut screen = Screen::open()?;
    let mut keys = keys()?;
    let (again, mut answers) = mpsc::unbounded_channel();
    let tasks = TaskTracker::new();
    let mut state = State::new(look);
    loop {
        screen.draw(&mut state)?;
        let input = tokio::select! {
            biased;
            key = keys.recv() => match key {
                Some(key) => Input::Terminal(key),
                None => return Ok(()), // the terminal is gone
            },
            Some(message) = messages.recv() => Input::Message(message),
            Some(message) = answers.recv() => Input::Message(message),
            () = tokio::time::sleep(TICK), if state.tells_time() => Input::Tick,
        };
        let more = std::iter::from_fn(|| messages.try_recv().ok()).take(TAKEN_AT_ONCE).map(Input::Message);
        for input in std::iter::once(input).chain(more) {
            match state.update(input) {
                None => {}
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Forward(arrival)) => forward(&tasks, arrival, again.clone()),
                Some(Effect::Save(arrival)) => state.note(save(&arrival)),
            }
        }
    }
}

/// Passes a request on once more.
fn forward(tasks: &TaskTracker, arrival: Arc<Arrival>, answers: UnboundedSender<Message>) {
    let Some(forwarder) = arrival.forwarder.clone() else { return };
    tasks.spawn(async move {
        let answer = pass_on(&forwarder, &arrival.request).await.into_answer();
        let _ = answers.send(Message::Answered(arrival.number, answer));
    });
}

/// Writes a body to a file of its own, which nobody else may read; what came of it.
fn save(arrival: &Arrival) -> String {
    let body = &arrival.request.body;
    let ending = match std::str::from_utf8(body) {
        Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => "json",
        Ok(_) => "txt",
        Err(_) => "bin",
    };
    let name = format!("request-{}-{}.{ending}", arrival.seq.unwrap_or_default(), arrival.at.as_millis());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name);
    match file.and_then(|mut file| file.write_all(body)) {
        Ok(()) => format!("the body is in {name}"),
        Err(error) => format!("{name} cannot be written: {error}"),
    }
}

/// What is typed, from now on.
fn keys() -> anyhow::Result<UnboundedReceiver<Event>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let look = move || {
        while !sender.is_closed() {
            let event = match event::poll(KEY_LOOK) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(_) => return,
            };
            if event.is_err() || event.is_ok_and(|event| sender.send(event).is_err()) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(look).context("keys cannot be read")?;
    Ok(receiver)
}

/// The terminal while it is drawn on. Dropped, it is as before.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let failed = "the terminal cannot be drawn on; --plain prints lines";
        enable_raw_mode().context(failed)?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        let opened = execute!(std::io::stdout(), EnterAlternateScreen);
        let terminal = opened.and_then(|()| Terminal::new(CrosstermBackend::new(std::io::stdout())));
        terminal.map(Self).context(failed).inspect_err(|_| restore())
    }

    fn draw(&mut self, state: &mut State) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let size = self.0.size().context("the terminal has no size")?;
        state.fit(size.width, size.height);
        self.0.draw(|frame| draw::draw(state, now, frame)).context("the terminal cannot be drawn on")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back as it was. What cannot be done has no other way.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(std::io::stdout(), LeaveAlternateScreen, Show);
}
