//! Retries that say why there is one.

use super::{ACCOUNT, World};
use crate::harness::Sink;

#[test]
fn a_retry_says_which_one_it_is_and_why_and_when_it_all_began() {
    let (world, sink) =
        (World::of("previous"), Sink::start(|request| if request.header("x-retry-num") == Some("2") { 200 } else { 503 }));
    world.endpoint(&sink.url("/in"));
    world.server.api.publish(ACCOUNT, "thing.happened", "{}");
    let requests = sink.wait_for(3);
    let said: Vec<[Option<&str>; 3]> = requests
        .iter()
        .map(|request| ["x-retry-num", "x-retry-reason", "x-retry-status"].map(|name| request.header(name)))
        .collect();
    let retry = |number| [Some(number), Some("response"), Some("503")];
    assert_eq!(said, [[None; 3], retry("1"), retry("2")]);
    let began: Vec<Option<&str>> = requests.iter().map(|request| request.header("x-first-attempt")).collect();
    assert!(began.iter().all(|one| one.is_some() && *one == began[0]), "{began:?}");
}
