//! What a commit that fails leaves behind: nothing. Commits fail when the test says so, which only a file lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwire_domain::EventFilter;
use bellwire_store::{EndpointChanges, PublishError, PutResourceError};

use crate::documents::{events, found, put, update, wanted};
use crate::fixture::{Fixture, event, lane};
use crate::recipients::{gets, many, types};

#[tokio::test]
async fn a_commit_that_fails_stores_nothing_and_gives_the_room_back() {
    let works = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&works);
    let mut fixture = Fixture::inline(move || asked.load(Ordering::Relaxed));
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    works.store(false, Ordering::Relaxed);
    let failed = put(&fixture, &account, wanted("o", "1"), update("s", &[("e1", false)])).await;
    assert!(matches!(failed, Err(PutResourceError::Publish(PublishError::Store(_)))), "{failed:?}");
    works.store(true, Ordering::Relaxed);
    assert!(found(&fixture, "o").await.is_none());
    assert_eq!((events(&fixture).await.len(), fixture.take().await.len(), fixture.store.queue.held()), (0, 0, 0));
    assert_eq!(put(&fixture, &account, wanted("o", "1"), update("s", &[("e1", false)])).await.unwrap().events[0].0.seq, 1);
}

#[tokio::test]
async fn what_a_commit_that_fails_said_of_endpoints_is_forgotten() {
    let works = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&works);
    let fixture = Fixture::inline(move || asked.load(Ordering::Relaxed));
    let account = many(&fixture).await;
    assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e30", "e31"]);
    works.store(false, Ordering::Relaxed);
    fixture.publish(&account, vec![event("lost", "t03")]).await.unwrap_err();
    let changed = EndpointChanges { filter: Some(types(&["t29"])), ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&lane("a", "e03"), changed).await.unwrap_err();
    works.store(true, Ordering::Relaxed);
    assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e30", "e31"]);
    fixture.assert_sound(); // the numbers of the one that was lost are given again
}
