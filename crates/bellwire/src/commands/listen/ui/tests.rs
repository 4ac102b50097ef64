//! The screen without a terminal: what is typed and what arrives in, characters out.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::super::arrival::{Arrival, Judged};
use super::super::desk::{Link, Message, Opening};
use super::super::exchange::{Answer, Received};
use super::super::forward::Forwarder;
use super::draw::draw;
use super::state::{ENTRIES_MAX, Effect, Input, Look, Pane, State};

const WIDTH: u16 = 80;
const HEIGHT: u16 = 24;
const LOOK: Look = Look { has_colours: true, hide_body: false };

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-01-15T09:00:00Z").unwrap()
}

fn opened() -> State {
    let mut state = State::new(LOOK);
    state.fit(WIDTH, HEIGHT);
    let opening = Opening {
        from: String::new(),
        title: "connected to https://hooks.example  clinic-7  noyo".to_owned(),
        signs: Some("whsec_c2VjcmV0".to_owned()),
        then: String::new(),
    };
    state.update(Input::Message(Message::Link(Link::Open(opening))));
    state
}

fn arrival(number: u64, judged: Judged, body: &str) -> Arc<Arrival> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
        .insert("x-noyo-signature", HeaderValue::from_static("0000000000000000000000000000000000000000000000000000000000000000"));
    Arc::new(Arrival {
        number,
        at: now().plus(Duration::from_secs(number)),
        seq: i64::try_from(number).ok().map(|number| number + 40),
        event_type: Some(if number.is_multiple_of(2) { "member.updated" } else { "difference.created" }.to_owned()),
        id: Some(format!("eb73184b-{number}")),
        request: Received {
            method: http::Method::POST,
            uri: "http://localhost/hooks".parse().unwrap(),
            headers,
            body: Bytes::from(body.to_owned()),
        },
        judged,
        forwarder: Some(Arc::new(Forwarder::new("http://localhost:3000".parse().unwrap(), Duration::from_secs(5)))),
    })
}

fn arrive(state: &mut State, arrival: &Arc<Arrival>) {
    state.update(Input::Message(Message::Arrived(Arc::clone(arrival))));
}

fn answered(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer::Forwarded { status, headers: HeaderMap::new(), body: Bytes::from_static(b"thanks"), took: Duration::from_millis(12) }
}

fn key(state: &mut State, code: KeyCode) -> Option<Effect> {
    state.update(Input::Terminal(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn type_in(state: &mut State, text: &str) {
    text.chars().for_each(|character| drop(key(state, KeyCode::Char(character))));
}

fn terminal(state: &mut State, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    state.fit(width, height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(state, now(), frame)).unwrap();
    terminal
}

fn shown(state: &mut State) -> String {
    terminal(state, (WIDTH, HEIGHT)).backend().to_string()
}

/// Three requests, of which each has another end.
fn with_three() -> State {
    let mut state = opened();
    let body = r#"{"id":"eb73184b","changes":[{"field":"plan","before":1.10,"after":"\u00e9"}],"tags":[]}"#;
    arrive(&mut state, &arrival(1, Judged::Genuine, body));
    state.update(Input::Message(Message::Answered(1, answered(200))));
    let reason = "the signature in the header `x-noyo-signature` does not fit".to_owned();
    arrive(&mut state, &arrival(2, Judged::Rejected(reason), body));
    let failed = Answer::Failed { reason: "the server cannot be reached".to_owned(), told: None, took: Duration::from_millis(3) };
    state.update(Input::Message(Message::Answered(2, failed)));
    arrive(&mut state, &arrival(3, Judged::Genuine, body));
    state
}

#[test]
fn before_anything_has_arrived() {
    insta::assert_snapshot!(shown(&mut State::new(LOOK)));
    insta::assert_snapshot!(shown(&mut opened()));
}

#[test]
fn a_list_and_the_newest_whole() {
    let mut state = with_three();
    insta::assert_snapshot!(shown(&mut state));
    key(&mut state, KeyCode::Down);
    insta::assert_snapshot!(shown(&mut state));
}

#[test]
fn the_connection_is_gone_and_comes_back() {
    let mut state = with_three();
    assert!(!state.tells_time());
    let lost = Link::Lost { reason: "the stream has ended".to_owned(), until: now().plus(Duration::from_millis(3_200)) };
    state.update(Input::Message(Message::Link(lost)));
    assert!(state.tells_time());
    let text = shown(&mut state);
    assert!(text.contains("reconnecting in 4 s: the stream has ended"), "{text}");
}

#[test]
fn what_is_withheld_has_a_reason_and_no_request() {
    let mut state = opened();
    let withheld = Arrival {
        request: Received::default(),
        forwarder: None,
        ..Arc::into_inner(arrival(1, Judged::Withheld("erased: the data of this event was removed".to_owned()), "")).unwrap()
    };
    arrive(&mut state, &Arc::new(withheld));
    insta::assert_snapshot!(shown(&mut state));
    assert!(key(&mut state, KeyCode::Char('s')).is_none());
    assert!(key(&mut state, KeyCode::Char('r')).is_none());
    assert!(shown(&mut state).contains("nothing to forward it to"));
}

#[test]
fn keys_move_in_the_list_and_in_the_request() {
    let mut state = opened();
    for number in 1..=50 {
        arrive(&mut state, &arrival(number, Judged::Genuine, &format!("[{}]", "1,".repeat(30) + "1")));
    }
    let selected = |state: &State| state.selected().unwrap().arrival.number;
    assert_eq!(selected(&state), 50);
    for (code, expected) in [
        (KeyCode::Down, 49),
        (KeyCode::Char('j'), 48),
        (KeyCode::Up, 49),
        (KeyCode::PageDown, 42),
        (KeyCode::End, 1),
        (KeyCode::Down, 1),
        (KeyCode::PageUp, 8),
    ] {
        key(&mut state, code);
        assert_eq!(selected(&state), expected, "{code:?}");
    }
    arrive(&mut state, &arrival(51, Judged::Genuine, ""));
    assert_eq!(selected(&state), 8, "it stays where somebody has moved to");
    key(&mut state, KeyCode::Home);
    arrive(&mut state, &arrival(52, Judged::Genuine, &format!("[{}]", "1,".repeat(30) + "1")));
    assert_eq!(selected(&state), 52, "at the top it stays with the newest");

    key(&mut state, KeyCode::Tab);
    assert_eq!(state.pane, Pane::Request);
    key(&mut state, KeyCode::End);
    let end = state.scroll;
    assert_eq!(end + usize::from(state.heights.1), state.lines().len());
    key(&mut state, KeyCode::Down);
    assert_eq!(state.scroll, end);
    key(&mut state, KeyCode::PageUp);
    assert!(state.scroll < end);
    insta::assert_snapshot!(shown(&mut state));
    key(&mut state, KeyCode::Enter);
    assert_eq!((state.pane, selected(&state)), (Pane::List, 52));
}

#[test]
fn a_filter_looks_at_what_a_line_says() {
    let mut state = with_three();
    key(&mut state, KeyCode::Char('f'));
    type_in(&mut state, "MEMBERq");
    key(&mut state, KeyCode::Backspace);
    insta::assert_snapshot!(shown(&mut state));
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.shown().count(), 1);
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.shown().count(), 3);
    key(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "200 in");
    assert_eq!(state.shown().map(|entry| entry.arrival.number).collect::<Vec<_>>(), [1]);
    type_in(&mut state, "nowhere");
    assert!(state.selected().is_none() && shown(&mut state).contains("0 of 3 requests with `200 innowhere`"));
}

#[test]
fn what_the_screen_cannot_do_is_asked_for() {
    let mut state = with_three();
    key(&mut state, KeyCode::End);
    assert!(matches!(key(&mut state, KeyCode::Char('r')), Some(Effect::Forward(arrival)) if arrival.number == 1));
    assert!(matches!(key(&mut state, KeyCode::Char('s')), Some(Effect::Save(arrival)) if arrival.number == 1));
    assert!(matches!(key(&mut state, KeyCode::Char('q')), Some(Effect::Quit)));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(matches!(state.update(Input::Terminal(interrupt)), Some(Effect::Quit)));
    state.update(Input::Message(Message::Answered(1, answered(503))));
    assert!(shown(&mut state).contains("503 in 12 ms"), "the last answer counts");
    key(&mut state, KeyCode::Char('c'));
    assert_eq!((state.count(), state.selected().is_none()), (0, true));
    state.update(Input::Message(Message::Answered(1, answered(200)))); // of one that is gone
}

#[test]
fn the_newest_are_kept_and_not_too_much_of_them() {
    let mut state = opened();
    for number in 1..=1_200 {
        arrive(&mut state, &arrival(number, Judged::Genuine, "{}"));
    }
    assert_eq!((state.count(), state.shown().last().unwrap().arrival.number), (ENTRIES_MAX, 201));
    let large = "x".repeat(30 << 20);
    for number in 1_201..=1_204 {
        arrive(&mut state, &arrival(number, Judged::Genuine, &large));
    }
    assert_eq!(state.count(), 2, "64 MiB are room for two of 30");
    key(&mut state, KeyCode::End);
    arrive(&mut state, &arrival(1_205, Judged::Genuine, &large));
    assert_eq!(state.selected().unwrap().arrival.number, 1_205, "the one that was selected is gone");
}

#[test]
fn colours_are_for_those_who_want_them_and_any_size_is_drawn() {
    let coloured = |state: &mut State| {
        let terminal = terminal(state, (WIDTH, HEIGHT));
        terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset)
    };
    let mut state = with_three();
    assert!(coloured(&mut state));
    state.look.has_colours = false;
    assert!(!coloured(&mut state));
    for size in [(1, 1), (10, 3), (20, 5), (200, 60), (80, 8)] {
        let _ = terminal(&mut state, size);
    }
}

#[test]
fn bodies_and_answers_stay_hidden_where_somebody_wants_that() {
    let mut state = State::new(Look { hide_body: true, ..LOOK });
    arrive(&mut state, &arrival(1, Judged::Genuine, r#"{"planted":1}"#));
    state.update(Input::Message(Message::Answered(1, answered(200))));
    let text = shown(&mut state);
    assert!(text.contains("x-noyo-signature") && !text.contains("planted") && !text.contains("thanks"), "{text}");
}

#[test]
fn nothing_that_arrives_steers_the_terminal() {
    let mut state = opened();
    let mut nasty = Arc::into_inner(arrival(1, Judged::Rejected("a\u{1b}[2Jb".to_owned()), "\u{1b}[2J\u{9b}")).unwrap();
    nasty.event_type = Some("a\u{1b}[2J\r\n".to_owned());
    arrive(&mut state, &Arc::new(nasty));
    let terminal = terminal(&mut state, (WIDTH, HEIGHT));
    assert!(terminal.backend().buffer().content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
}
