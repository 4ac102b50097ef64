//! What may go wrong when a store is opened has a name and a way out.

use bellwire_store::{MasterKey, OpenError};

use crate::fixture::{Fixture, Store, options};

#[tokio::test]
async fn another_master_key_is_refused() {
    let fixture = Fixture::new();
    fixture.store.records.close().await;
    let Fixture { store, clock, place, limits } = fixture;
    drop(store);
    let mut wrong = options(&place, &clock, limits, 2);
    wrong.master_key = MasterKey::new([8; 32]);
    assert!(matches!(Store::open(wrong).map(drop), Err(OpenError::WrongMasterKey)));
}
