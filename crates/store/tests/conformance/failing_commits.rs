//! What a commit that fails leaves behind: nothing. Commits fail when the test says so, which only a file lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwire_domain::EventFilter;
use bellwire_store::{PublishError, PutResourceError};

use crate::documents::{events, found, put, update, wanted};
use crate::fixture::Fixture;

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
