//! Success by what the answer says, and a receiver that ends the retries.

use std::sync::atomic::{AtomicUsize, Ordering};

use bellwire_testkit::sink::Reply;

use super::{ACCOUNT, World};
use crate::harness::{Sink, until};

/// One answer after another, the last again and again.
fn answering(answers: Vec<Reply>) -> Sink {
    let next = AtomicUsize::new(0);
    Sink::start_with(move |_| answers[next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone())
}

fn answer(status: u16, header: Option<&str>, body: &str) -> Reply {
    let headers = header.map(|value| ("X-No-Retry", value.to_owned())).into_iter().collect();
    Reply { status, headers, body: body.as_bytes().to_vec() }
}

/// The state in which a delivery ends whose receiver answers like this, and after how many attempts.
fn end(answers: Vec<Reply>) -> (String, usize) {
    let (world, sink) = (World::of("answers"), answering(answers));
    world.endpoint(&sink.url("/in"));
    let event = world.server.api.publish(ACCOUNT, "thing.happened", "{}");
    let ended = until("the delivery has ended", || {
        world.server.api.delivery(ACCOUNT, &event).filter(|delivery| delivery["state"] != "pending")
    });
    assert_eq!(ended["attempts"].as_array().unwrap().len(), sink.count());
    (ended["state"].as_str().unwrap().to_owned(), sink.count())
}

#[test]
fn an_answer_is_success_by_its_body_and_not_by_its_status() {
    let no = || answer(200, None, "{\"accepted\":false}");
    assert_eq!(end(vec![no(), answer(200, None, ""), answer(200, None, "{\"accepted\":true}")]), ("delivered".to_owned(), 3));
    assert_eq!(
        end(vec![answer(201, None, "{\"accepted\":true}"), answer(200, None, " [accepted] ")]),
        ("delivered".to_owned(), 2)
    );
    assert_eq!(end(vec![no()]), ("failed".to_owned(), 6));
}

#[test]
fn a_receiver_ends_the_retries_by_a_status_or_by_a_header() {
    assert_eq!(end(vec![answer(500, None, ""), answer(422, None, "")]), ("failed".to_owned(), 2));
    let stop = || answer(503, Some("1"), "");
    assert_eq!(end(vec![stop(), stop(), answer(200, None, "[accepted]")]), ("failed".to_owned(), 2));
}
