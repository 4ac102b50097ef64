//! Who asked for an attempt, and what is known of those before it.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, Trigger};
use bellwire_store::{ClaimedDelivery, Past};

use crate::fixture::{Fixture, event};

const MINUTE: Duration = Duration::from_secs(60);

async fn claimed(fixture: &mut Fixture) -> ClaimedDelivery {
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    fixture.take().await.remove(0)
}

#[tokio::test]
async fn only_the_attempt_that_somebody_asked_for_is_manual() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let first = fixture.take().await.remove(0);
    let (id, first_at) = (first.id, fixture.now());
    let later = |fixture: &Fixture| Decision::Retry { due_at: fixture.now().plus(MINUTE) };
    fixture.record(&first, later(&fixture)).await;

    fixture.store.records.retry_delivery(id).await.unwrap();
    let mut fixture = fixture.reopen().await; // it is known after a restart as well
    let asked_for = claimed(&mut fixture).await;
    fixture.store.queue.unclaim(std::slice::from_ref(&asked_for)).await.unwrap();
    fixture.store.queue.look_again([asked_for.lane()]);
    let asked_for = claimed(&mut fixture).await;
    assert_eq!((first.trigger(), asked_for.trigger()), (Trigger::Automatic, Trigger::Manual));
    fixture.record(&asked_for, later(&fixture)).await;

    fixture.clock.advance(MINUTE);
    let by_schedule = claimed(&mut fixture).await;
    assert_eq!(by_schedule.trigger(), Trigger::Automatic);
    let past = Past { first_at: Some(first_at), previous: Some(("response".to_owned(), Some(500))) };
    assert_eq!(fixture.store.queue.find_past(id, by_schedule.attempts).await.unwrap(), past);
    fixture.record(&by_schedule, Decision::Failed { endpoint_gone: false }).await;

    fixture.store.records.retry_delivery(id).await.unwrap();
    let ended_before = claimed(&mut fixture).await;
    assert_eq!(ended_before.trigger(), Trigger::Manual);
    fixture.record(&ended_before, Decision::Delivered).await;
    let (_, attempts) = fixture.store.records.find_delivery(id).await.unwrap().unwrap();
    let kept: Vec<Trigger> = attempts.iter().map(|attempt| attempt.trigger).collect();
    assert_eq!(kept, [Trigger::Automatic, Trigger::Manual, Trigger::Automatic, Trigger::Manual]);
    fixture.reopen().await;
}
