//! What a process died with is suspect, and is refused only where the next death shows that it was the one.

use bellwire_domain::{AttemptOutcome, Decision, EventFilter, HealthPolicy, Suspicion};
use bellwire_store::{ClaimedDelivery, Recording, RetryResult};

use crate::fixture::{Fixture, event, outcome};

/// A store in which so many deliveries to one endpoint are held.
async fn holding(count: usize) -> Fixture {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, (0..count).map(|number| event(&format!("e{number}"), "x")).collect()).await.unwrap();
    let held = fixture.take().await;
    assert!(held.len() == count && held.iter().all(|delivery| delivery.suspicion == Suspicion::Nothing));
    fixture
}

impl Fixture {
    /// Claims all there is, in the order of the lane.
    async fn claim_all(&mut self) -> Vec<ClaimedDelivery> {
        while self.store.queue.claim_due(self.now(), 100).await.unwrap().more {}
        let mut all = self.take().await;
        all.sort_by_key(|delivery| delivery.number);
        all
    }

    /// Kills the process; what the next one claims.
    async fn killed_and_claimed(self) -> (Self, Vec<ClaimedDelivery>) {
        let mut next = self.killed();
        let all = next.claim_all().await;
        next.assert_sound();
        (next, all)
    }

    /// Notes the same of each.
    async fn note(&self, suspicion: Suspicion, held: &[ClaimedDelivery]) {
        let notes = held.iter().map(|delivery| (suspicion, delivery.clone())).collect();
        self.store.queue.note_suspicion(notes).await.unwrap();
    }
}

fn suspicions(all: &[ClaimedDelivery]) -> Vec<Suspicion> {
    all.iter().map(|delivery| delivery.suspicion).collect()
}

#[tokio::test]
async fn what_a_process_held_when_it_died_is_suspect_until_it_is_built() {
    let (fixture, held) = holding(2).await.killed_and_claimed().await;
    assert_eq!(suspicions(&held), [Suspicion::Held; 2]);
    fixture.store.queue.unclaim(&held[..1]).await.unwrap();
    fixture.note(Suspicion::Building, &held[1..]).await;
    fixture.note(Suspicion::Nothing, &held[1..]).await;
    let mut fixture = fixture.reopen().await;
    let claimed = fixture.claim_all().await;
    assert_eq!(suspicions(&claimed), [Suspicion::Held, Suspicion::Nothing], "the first was put back, the second is built");
}

#[tokio::test]
async fn an_orderly_stop_leaves_no_suspects_and_blames_nobody() {
    let mut fixture = holding(1).await.reopen().await;
    let claimed = fixture.claim_all().await;
    assert_eq!(suspicions(&claimed), [Suspicion::Nothing]);
    let (fixture, held) = fixture.killed_and_claimed().await;
    fixture.note(Suspicion::Blamed, &held).await;
    let mut fixture = fixture.reopen().await;
    let claimed = fixture.claim_all().await;
    assert_eq!(suspicions(&claimed), [Suspicion::Alone], "it was being built, and nobody died of it");
}

#[tokio::test]
async fn what_had_long_been_built_at_the_second_death_is_refused_and_its_neighbours_are_not() {
    let (fixture, held) = holding(3).await.killed_and_claimed().await;
    fixture.note(Suspicion::Blamed, &held[1..2]).await;
    let (fixture, held) = fixture.killed_and_claimed().await;
    assert_eq!(suspicions(&held), [Suspicion::Held, Suspicion::Refused, Suspicion::Held]);
    assert_eq!(held.iter().map(|delivery| delivery.number).collect::<Vec<_>>(), [1, 2, 3], "the lane keeps its order");
    let (mut fixture, held) = fixture.killed_and_claimed().await;
    assert_eq!(held[1].suspicion, Suspicion::Refused, "a death before it is recorded changes nothing");

    let unbuildable = AttemptOutcome::Unbuildable { reason: "the process died".to_owned() };
    let failed = Decision::Failed { endpoint_gone: false };
    let outcome = outcome(&held[1], unbuildable, failed, HealthPolicy::default(), fixture.now());
    assert_eq!(fixture.store.queue.record_outcomes([outcome].into()).await.unwrap(), [Recording::Stored(None)]);
    assert_eq!(fixture.states("a").await, [(1, "pending", 0), (2, "failed", 1), (3, "pending", 0)]);
    let retried = fixture.store.records.retry_delivery(held[1].id).await.unwrap();
    assert_eq!(retried, RetryResult::Due(held[1].lane()));
    let again = fixture.claim_all().await;
    assert_eq!(suspicions(&again), [Suspicion::Nothing], "whoever retries it by hand begins anew");
    fixture.assert_sound();
}

#[tokio::test]
async fn what_is_built_or_waits_is_never_refused_however_often_the_process_dies() {
    let (mut fixture, mut held) = holding(2).await.killed_and_claimed().await;
    for _ in 0..4 {
        // The first is built and being sent at the next death, the second waits.
        fixture.note(Suspicion::Building, &held[..1]).await;
        fixture.note(Suspicion::Nothing, &held[..1]).await;
        (fixture, held) = fixture.killed_and_claimed().await;
        assert_eq!(suspicions(&held), [Suspicion::Held; 2]);
    }
}

#[tokio::test]
async fn what_was_being_built_when_the_process_was_killed_is_not_refused_before_it_was_built_alone_twice() {
    let (fixture, held) = holding(3).await.killed_and_claimed().await;
    fixture.note(Suspicion::Building, &held[..2]).await;
    let (fixture, held) = fixture.killed_and_claimed().await;
    assert_eq!(suspicions(&held), [Suspicion::Alone, Suspicion::Alone, Suspicion::Held]);
    fixture.note(Suspicion::BuildingAlone, &held[..1]).await;
    fixture.note(Suspicion::Nothing, &held[..1]).await;
    fixture.note(Suspicion::BuildingAlone, &held[1..2]).await;
    let (fixture, held) = fixture.killed_and_claimed().await;
    assert_eq!(suspicions(&held), [Suspicion::Held, Suspicion::Accused, Suspicion::Held]);
    fixture.note(Suspicion::Blamed, &held[1..2]).await;
    let (_, held) = fixture.killed_and_claimed().await;
    assert_eq!(suspicions(&held), [Suspicion::Held, Suspicion::Refused, Suspicion::Held]);
}
