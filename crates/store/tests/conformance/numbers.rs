//! An endpoint's deliveries by their numbers, and endpoints of which a version is expected.

use bellwire_domain::{Decision, DeliveryState, EventFilter};
use bellwire_store::{EndpointChanges, ExpectedError, Page, PageRequest, Precondition};

use crate::fixture::{Fixture, event, lane, page};

/// The numbers and states of a page, and where the next one begins.
type Shown = (Vec<(i64, DeliveryState)>, Option<String>);

async fn list(fixture: &Fixture, endpoint: &str, (since, until): (i64, i64), page: PageRequest) -> Shown {
    let found = fixture.store.records.list_numbered_deliveries(&lane("a", endpoint), (since, until), page).await;
    let Page { items, next } = found.unwrap();
    assert!(
        items.iter().all(|item| item.endpoint_id.as_str() == endpoint && item.event_id.as_str() == format!("e{}", item.number))
    );
    (items.iter().map(|item| (item.number, item.state)).collect(), next)
}

#[tokio::test]
async fn deliveries_are_found_by_their_numbers_wherever_they_are() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "one", EventFilter::All).await;
    fixture.endpoint("a", "other", EventFilter::All).await;
    assert_eq!(list(&fixture, "one", (1, i64::MAX), page(10)).await, (Vec::new(), None));
    for number in 1..=12 {
        fixture.publish(&account, vec![event(&format!("e{number}"), "x")]).await.unwrap();
        // Hours between them, so that ids lie far apart.
        fixture.clock.advance(std::time::Duration::from_secs(5_000 * number));
    }
    for delivery in fixture.take().await {
        match delivery.number % 3 {
            0 => drop(fixture.record(&delivery, Decision::Delivered).await),
            1 => drop(fixture.record(&delivery, Decision::Failed { endpoint_gone: false }).await),
            _ => {}
        }
    }
    let state = |number: i64| match number % 3 {
        0 => DeliveryState::Delivered,
        1 => DeliveryState::Failed,
        _ => DeliveryState::Pending,
    };
    let numbers = |from: i64, to: i64| (from..=to).map(|number| (number, state(number))).collect::<Vec<_>>();
    for (since, until, limit, first, last) in [
        (1, i64::MAX, 100, 1, 12),
        (0, 12, 12, 1, 12),
        (5, 5, 10, 5, 5),
        (4, 9, 10, 4, 9),
        (12, i64::MAX, 10, 12, 12),
        (2, 1, 10, 2, 1),
        (13, i64::MAX, 10, 1, 0),
        (i64::MAX, i64::MAX, 10, 1, 0),
    ] {
        let found = list(&fixture, "one", (since, until), page(limit)).await;
        assert_eq!(found, (numbers(first, last), None), "{since} to {until}");
    }
    let mut after = None;
    for (first, last, next) in [(3, 6, Some("6")), (7, 10, Some("10")), (11, 11, None)] {
        let found = list(&fixture, "one", (3, 11), PageRequest { limit: 4, after }).await;
        assert_eq!(found, (numbers(first, last), next.map(str::to_owned)));
        after = found.1;
    }
    assert_eq!(list(&fixture, "none", (1, 9), page(10)).await, (Vec::new(), None));
    let wrong = PageRequest { limit: 4, after: Some("x".to_owned()) };
    assert_eq!(list(&fixture, "other", (1, 9), wrong).await, (Vec::new(), None));
    fixture.assert_sound();
}

#[tokio::test]
async fn an_endpoint_that_has_another_version_than_is_expected_stays_as_it_is() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let e1 = fixture.endpoint("a", "e1", EventFilter::All).await;
    let records = &fixture.store.records;
    let before = records.find_endpoint(&e1).await.unwrap().unwrap();
    let named = |name: &str| EndpointChanges { name: Some(Some(name.to_owned())), ..EndpointChanges::default() };
    let of = |version: i64| Precondition::Versions(vec![0, version]);
    let changed = records.update_expected_endpoint(&e1, named("one"), of(before.version)).await.unwrap().unwrap();
    assert_eq!((changed.version, changed.name.as_deref()), (before.version + 1, Some("one")));
    let late = records.update_expected_endpoint(&e1, named("two"), of(before.version)).await;
    assert!(matches!(late, Err(ExpectedError::Other { version }) if version == changed.version), "{late:?}");
    let late = records.delete_expected_endpoint(&e1, of(before.version)).await;
    assert!(matches!(late, Err(ExpectedError::Other { version }) if version == changed.version), "{late:?}");
    assert_eq!(records.find_endpoint(&e1).await.unwrap(), Some(changed.clone()));
    // Of two who expect the same, one is too late.
    let both = made_of_two(records, &e1, changed.version).await;
    assert_eq!(both, 1, "one of them changed it");
    let none = lane("a", "none");
    assert_eq!(records.update_expected_endpoint(&none, named("x"), of(1)).await.unwrap(), None);
    assert!(!records.delete_expected_endpoint(&none, of(1)).await.unwrap());
    assert!(records.delete_expected_endpoint(&e1, Precondition::Present).await.unwrap());
    fixture.assert_sound();
}

/// How many of two changes that expect the same version are made.
async fn made_of_two(records: &bellwire_store::Records, lane: &bellwire_store::LaneKey, version: i64) -> usize {
    let change = || {
        let (records, lane) = (records.clone(), lane.clone());
        async move { records.update_expected_endpoint(&lane, EndpointChanges::default(), Precondition::Versions(vec![version])).await }
    };
    let (one, other) = tokio::join!(change(), change());
    usize::from(one.is_ok()) + usize::from(other.is_ok())
}
