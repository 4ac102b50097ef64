//! What is on the screen: a value that changes with what is typed and what arrives.

use std::collections::VecDeque;
use std::sync::Arc;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::arrival::{Arrival, Judged};
use super::super::desk::{Link, Message};
use super::super::exchange::Answer;
use super::detail;
use super::entry::Entry;

/// The most requests that are kept.
pub(super) const ENTRIES_MAX: usize = 1_000;
/// The most bytes of their bodies and answers.
const BYTES_MAX: usize = 64 << 20;
/// The most characters of a filter.
const FILTER_CHARS_MAX: usize = 100;
/// Lines of the screen that are neither list nor request: the line at the top, the list's titles, the line between, and the keys.
const LINES_AROUND: u16 = 4;

/// What changes the screen.
pub(super) enum Input {
    /// A key, or another size.
    Terminal(Event),
    Message(Message),
    /// Time has passed.
    Tick,
}

/// What somebody asks for that the screen cannot do.
pub(super) enum Effect {
    Quit,
    /// Pass it on once more.
    Forward(Arc<Arrival>),
    /// Write its body to a file.
    Save(Arc<Arrival>),
}

/// Where keys that move go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    List,
    Request,
}

/// How somebody wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) has_colours: bool,
    /// Whether bodies and answers stay hidden.
    pub(crate) hide_body: bool,
}

/// The whole of it.
pub(super) struct State {
    pub(super) look: Look,
    pub(super) link: Option<Link>,
    pub(super) pane: Pane,
    pub(super) filter: String,
    /// Whether the filter is being typed.
    pub(super) is_typing: bool,
    /// What came of the last thing that was asked for.
    pub(super) note: Option<String>,
    /// The `seq` of the last event.
    pub(super) seq: Option<i64>,
    /// The first line of the request that is seen.
    pub(super) scroll: usize,
    /// Lines of the list, and of the request.
    pub(super) heights: (u16, u16),
    width: u16,
    /// What requests are signed with, where somebody has to know.
    signs: Option<String>,
    /// The oldest first.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The one that is seen whole; none: the newest.
    selected: Option<u64>,
}

impl State {
    pub(super) const fn new(look: Look) -> Self {
        Self {
            look,
            link: None,
            pane: Pane::List,
            filter: String::new(),
            is_typing: false,
            note: None,
            seq: None,
            scroll: 0,
            heights: (0, 0),
            width: 0,
            signs: None,
            entries: VecDeque::new(),
            bytes: 0,
            selected: None,
        }
    }

    /// The size of the screen.
    pub(super) fn fit(&mut self, width: u16, height: u16) {
        let free = height.saturating_sub(LINES_AROUND);
        let list = (free * 2 / 5).max(3).min(free);
        (self.width, self.heights) = (width, (list, free - list));
        self.scroll = self.scroll.min(self.scroll_max());
    }

    /// Whether it is drawn again as time passes.
    pub(super) const fn tells_time(&self) -> bool {
        matches!(self.link, Some(Link::Lost { .. }))
    }

    /// Something to say at the foot.
    pub(super) fn note(&mut self, note: String) {
        self.note = Some(note);
    }

    /// Takes in what was typed or what arrived.
    pub(super) fn update(&mut self, input: Input) -> Option<Effect> {
        match input {
            Input::Message(Message::Link(link)) => {
                if let Link::Open(opening) = &link {
                    self.signs.clone_from(&opening.signs);
                }
                self.link = Some(link);
            }
            Input::Message(Message::Noted(note)) => self.note(note),
            Input::Message(Message::Arrived(arrival)) => self.push(arrival),
            Input::Message(Message::Answered(number, answer)) => self.answer(number, answer),
            Input::Terminal(Event::Key(key)) if key.kind != KeyEventKind::Release => return self.key(key),
            Input::Terminal(_) | Input::Tick => {}
        }
        None
    }

    fn push(&mut self, arrival: Arc<Arrival>) {
        self.seq = arrival.seq.or(self.seq);
        self.bytes += arrival.request.body.len();
        self.entries.push_back(Entry { arrival, answer: None });
        self.drop_oldest();
    }

    fn answer(&mut self, number: u64, answer: Answer) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.arrival.number == number) else { return };
        let before = entry.bytes();
        entry.answer = Some(answer);
        self.bytes = self.bytes + entry.bytes() - before;
        self.drop_oldest();
    }

    /// Lets go of the oldest while there are too many, or they are too large together; the newest stays.
    fn drop_oldest(&mut self) {
        while self.entries.len() > ENTRIES_MAX || (self.bytes > BYTES_MAX && self.entries.len() > 1) {
            let Some(gone) = self.entries.pop_front() else { return };
            self.bytes -= gone.bytes();
            if self.selected == Some(gone.arrival.number) {
                self.select(None);
            }
        }
    }

    fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Effect::Quit); // in raw mode it is a key
        }
        self.note = None;
        if self.is_typing {
            self.type_filter(key.code);
            return None;
        }
        let (list, request) = self.heights;
        let page = isize::try_from(if self.pane == Pane::List { list } else { request }).unwrap_or(1).max(2) - 1;
        match key.code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-page),
            KeyCode::PageDown => self.step(page),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            KeyCode::Tab | KeyCode::Enter => {
                self.pane = if self.pane == Pane::List { Pane::Request } else { Pane::List };
            }
            KeyCode::Esc if self.pane == Pane::Request => self.pane = Pane::List,
            KeyCode::Esc => self.filter_by(String::new()),
            KeyCode::Char('f' | '/') => (self.is_typing, self.pane) = (true, Pane::List),
            KeyCode::Char('c') => self.clear(),
            KeyCode::Char('r') => return self.forward_again(),
            KeyCode::Char('s') => return self.save(),
            _ => {}
        }
        None
    }

    /// Moves in the list, or in the request.
    fn step(&mut self, by: isize) {
        match self.pane {
            Pane::Request => self.scroll = self.scroll.saturating_add_signed(by).min(self.scroll_max()),
            Pane::List => {
                let shown: Vec<u64> = self.shown().map(|entry| entry.arrival.number).collect();
                let at = self.selected().and_then(|entry| shown.iter().position(|number| *number == entry.arrival.number));
                let to = at.unwrap_or(0).saturating_add_signed(by).min(shown.len().saturating_sub(1));
                // At the top it stays with the newest.
                self.select(shown.get(to).copied().filter(|_| to > 0));
            }
        }
    }

    fn select(&mut self, number: Option<u64>) {
        (self.selected, self.scroll) = (number, 0);
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.select(None);
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter | KeyCode::Tab => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter_by(String::new());
            }
            KeyCode::Backspace => {
                let mut shorter = self.filter.clone();
                shorter.pop();
                self.filter_by(shorter);
            }
            KeyCode::Char(character) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter_by(format!("{}{character}", self.filter));
            }
            _ => {}
        }
    }

    fn filter_by(&mut self, filter: String) {
        self.filter = filter;
        self.select(None);
    }

    fn forward_again(&mut self) -> Option<Effect> {
        let arrival = self.selected().map(|entry| Arc::clone(&entry.arrival))?;
        if arrival.forwarder.is_none() {
            self.note("nothing to forward it to: start with --forward URL".to_owned());
            return None;
        }
        self.note("forwarded again".to_owned());
        Some(Effect::Forward(arrival))
    }

    fn save(&self) -> Option<Effect> {
        let arrival = &self.selected()?.arrival;
        (!matches!(arrival.judged, Judged::Withheld(_))).then(|| Effect::Save(Arc::clone(arrival)))
    }

    /// How many requests are kept.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Those that pass the filter, the newest first.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Entry> {
        let wanted = self.filter.to_lowercase();
        self.entries.iter().rev().filter(move |entry| wanted.is_empty() || entry.text().to_lowercase().contains(&wanted))
    }

    /// The one that is seen whole.
    pub(super) fn selected(&self) -> Option<&Entry> {
        match self.selected {
            Some(number) => self.shown().find(|entry| entry.arrival.number == number),
            None => self.shown().next(),
        }
    }

    /// The lines of the request that is seen; before there is one, what they will be signed with.
    pub(super) fn lines(&self) -> Vec<detail::Line> {
        let width = usize::from(self.width);
        let waiting = || {
            let titled = self.signs.iter().flat_map(|signs| std::iter::once("Requests are signed with").chain(signs.lines()));
            titled.flat_map(|line| detail::wrapped(detail::Kind::Plain, line, width)).collect()
        };
        self.selected().map_or_else(waiting, |entry| detail::lines(entry, width, self.look.hide_body))
    }

    fn scroll_max(&self) -> usize {
        self.lines().len().saturating_sub(usize::from(self.heights.1))
    }
}
