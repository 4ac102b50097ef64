//! What a commit that fails leaves behind: nothing. Commits fail when the test says so, which only a file lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwire_domain::EventFilter;
use bellwire_domain::RoomLimits;
use bellwire_store::{Execution, PublishError, PutResourceError};
use bellwire_testkit::ManualClock;

use crate::backend::Place;
use crate::documents::{events, found, put, update, wanted};
use crate::fixture::{Fixture, Store, options};

#[tokio::test]
async fn a_commit_that_fails_stores_nothing_and_gives_the_room_back() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let works = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&works);
    let limits = RoomLimits::default();
    let mut options = options(&place, &clock, limits, 1);
    options.execution = Execution::Inline { commits: Arc::new(move || asked.load(Ordering::Relaxed)) };
    let store = Store::open(options).unwrap();
    let mut fixture = Fixture { store, clock, place, limits };
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
