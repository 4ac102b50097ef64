//! A node of this version over a database in which nodes of an earlier one run, which know nothing of sealed endpoints.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::RoomLimits;
use bellwire_store::StoreOptions;
use bellwire_testkit::ManualClock;

use crate::backend::Place;
use crate::fixture::{Store, options};

/// So long that a node that lives shows it meanwhile.
const LEASE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_sealed_once_no_node_of_an_earlier_version_lives() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let open = |seed| {
        let options = StoreOptions { node_lease: LEASE, ..options(&place, &clock, RoomLimits::default(), seed) };
        Store::open(options)
    };
    let earlier = open(1).unwrap();
    place.psql("DELETE FROM meta WHERE key = 'endpoints.sealed'");
    let refused = open(2).map(drop).unwrap_err().to_string();
    assert!(refused.contains("a node of an earlier version runs on it"), "{refused}");
    assert_eq!(place.psql("SELECT count(*) FROM nodes"), "1", "the one that lives goes on");
    earlier.records.close().await;
    drop(earlier);
    place.psql("INSERT INTO nodes (token, slot, beat, registered_at) VALUES ('killed', 7, 1, 0)");
    let store = open(3).unwrap();
    assert_eq!(place.psql("SELECT count(*) FROM nodes WHERE token = 'killed'"), "0");
    assert_eq!(place.psql("SELECT count(*) FROM meta WHERE key = 'endpoints.sealed'"), "1");
    store.records.close().await;
}
