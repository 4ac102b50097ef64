//! Draws the screen.

use std::fmt::Write as _;

use bellwire_domain::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, TableState};

use super::super::desk::Link;
use super::super::show::{plain, time};
use super::detail::{Kind, kind_of};
use super::state::{Pane, State};

const KEYS: &str = "↑↓ move  tab pane  r forward again  f filter  s save  c clear  q quit";

/// Draws all of it.
pub(super) fn draw(state: &State, now: Timestamp, frame: &mut Frame<'_>) {
    let (list, request) = state.heights;
    let rows = [1, list.saturating_add(1), 1, request, 1].map(Constraint::Length);
    let [top, list, between, request, foot] = Layout::vertical(rows).areas(frame.area());
    draw_top(state, now, top, frame);
    draw_list(state, list, frame);
    draw_between(state, between, frame);
    let lines = state.lines().into_iter().skip(state.scroll).take(usize::from(request.height));
    let lines: Vec<Line<'_>> = lines.map(|line| Line::styled(line.text, style(line.kind, state))).collect();
    frame.render_widget(Paragraph::new(lines), request);
    draw_foot(state, foot, frame);
}

/// Where requests come from.
fn draw_top(state: &State, now: Timestamp, area: Rect, frame: &mut Frame<'_>) {
    let (text, kind) = match &state.link {
        None => ("connecting".to_owned(), Kind::Doubtful),
        Some(Link::Open(opening)) => (plain(&opening.title), Kind::Title),
        Some(Link::Lost { reason, until }) => {
            let left = until.since(now).as_millis().div_ceil(1_000);
            (format!("reconnecting in {left} s: {}", plain(reason)), Kind::Bad)
        }
    };
    let seq = state.seq.map(|seq| format!("seq {seq}")).unwrap_or_default();
    let sides = [Constraint::Fill(1), Constraint::Length(u16::try_from(seq.len()).unwrap_or(0))];
    let [left, right] = Layout::horizontal(sides).spacing(1).areas(area);
    frame.render_widget(Line::styled(text, style(kind, state).add_modifier(Modifier::BOLD)), left);
    frame.render_widget(Line::raw(seq), right);
}

fn draw_list(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let selected = state.selected().map(|entry| entry.arrival.number);
    let mut place = TableState::new();
    let rows = state.shown().enumerate().map(|(index, entry)| {
        let arrival = &entry.arrival;
        if Some(arrival.number) == selected {
            place.select(Some(index));
        }
        // The date is below, with the request.
        let at = time(arrival.at).get(11..19).unwrap_or_default().to_owned();
        let judged = Span::styled(arrival.judged.word(), style(kind_of(&arrival.judged), state));
        Row::new([Line::raw(at), Line::raw(arrival.what()), Line::from(judged), Line::raw(entry.came_back())])
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let widths = [Constraint::Length(8), Constraint::Fill(1), Constraint::Length(11), Constraint::Length(14)];
    let marked = if state.pane == Pane::List { Modifier::REVERSED } else { Modifier::BOLD };
    let titles = Row::new(["time", "request", "verdict", "answer"]).style(Style::new().add_modifier(Modifier::DIM));
    let table = Table::new(rows, widths).header(titles).row_highlight_style(Style::new().add_modifier(marked));
    frame.render_stateful_widget(table, area, &mut place);
}

/// What part of the list, and of the request, is seen.
fn draw_between(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let shown = state.shown().count();
    let mut text = match (state.count(), state.filter.is_empty() && !state.is_typing) {
        (0, true) => "nothing has arrived yet".to_owned(),
        (1, true) => "1 request".to_owned(),
        (count, true) => format!("{count} requests"),
        (count, false) => format!("{shown} of {count} requests with `{}`", plain(&state.filter)),
    };
    if state.pane == Pane::Request {
        let _ = write!(text, "; line {} of {}", state.scroll + 1, state.lines().len());
    }
    let rule = "─".repeat(usize::from(area.width).saturating_sub(text.chars().count() + 4));
    let marked = if state.pane == Pane::Request { Modifier::REVERSED } else { Modifier::DIM };
    frame.render_widget(Line::styled(format!("── {text} {rule}"), Style::new().add_modifier(marked)), area);
}

fn draw_foot(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let text = match (&state.note, state.is_typing) {
        (_, true) => format!("filter: {}▏  enter keep  esc all", plain(&state.filter)),
        (Some(note), false) => plain(note),
        (None, false) => KEYS.to_owned(),
    };
    frame.render_widget(Line::raw(text), area);
}

fn style(kind: Kind, state: &State) -> Style {
    let coloured = |colour| if state.look.has_colours { Style::new().fg(colour) } else { Style::new() };
    match kind {
        Kind::Plain => Style::new(),
        Kind::Title => Style::new().add_modifier(Modifier::BOLD),
        Kind::Good => coloured(Color::Green),
        Kind::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
        Kind::Doubtful => coloured(Color::Yellow),
    }
}
