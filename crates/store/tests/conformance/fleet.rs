//! What several nodes over one database come to: told with stores in one process, which know of each other only through it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bellwire_domain::{AttemptOutcome, Decision, EventFilter, HealthPolicy};
use bellwire_domain::{Role, RoomLimits, Secret, Suspicion};
use bellwire_store::{
    Account, ApiKey, ClaimedDelivery, EndpointChanges, EventQuery, NewEvent, Recording, Rotation, StoreError, StoreOptions,
    key_hash,
};
use bellwire_testkit::ManualClock;
use bellwire_testkit::postgres::{Cluster, OpenTransaction};

use crate::backend::Place;
use crate::fixture::{Fixture, Store, account_id, event, options, outcome, page};

const LEASE: Duration = Duration::from_millis(900);
const PATIENCE: Duration = Duration::from_secs(30);

impl Fixture {
    /// The first node over a new database.
    fn first(place: Place, limits: RoomLimits, node_lease: Duration) -> Self {
        let clock = Arc::new(ManualClock::default());
        let options = StoreOptions { node_lease, ..options(&place, &clock, limits, 1) };
        let store = Store::open(options).unwrap();
        Self { store, clock, place, limits }
    }

    /// One more node over the same database.
    fn another(&self, seed: u64, node_lease: Duration) -> Self {
        let (place, clock) = (self.place.clone(), Arc::clone(&self.clock));
        let options = StoreOptions { node_lease, ..options(&place, &clock, self.limits, seed) };
        let store = Store::open(options).unwrap();
        Self { store, clock, place, limits: self.limits }
    }

    /// Claims until something is handed over.
    async fn claim_some(&mut self) -> Vec<ClaimedDelivery> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let _ = self.store.queue.claim_due(self.now(), 100).await;
            let found = self.take().await;
            if !found.is_empty() {
                return found;
            }
            assert!(Instant::now() < deadline, "nothing is claimed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Asks again and again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_publish_at_once_leave_no_gaps_and_no_deadlock() {
    let one = Fixture::new();
    let nodes = [one.another(2, LEASE * 100), one.another(3, LEASE * 100)];
    let mut accounts = Vec::new();
    for account in ["a", "b", "c"] {
        accounts.push(one.account(account).await);
        for endpoint in ["e1", "e2"] {
            one.endpoint(account, endpoint, EventFilter::All).await;
        }
    }
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..240 {
        let store = nodes[number % 2].store.clone();
        let account = accounts[number % 3].clone();
        let event = event(&format!("ev{number}"), "x");
        calls.spawn(async move { store.records.commit_events(&account, vec![event]).await.unwrap().remove(0).seq });
    }
    let mut seqs: Vec<i64> = calls.join_all().await;
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=80).flat_map(|seq| [seq; 3]).collect::<Vec<_>>());
    one.assert_sound();
}

/// Sends what a call asks for, and does not wait for the answer.
async fn send<T>(call: &mut Pin<Box<impl Future<Output = T>>>) {
    let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await;
    assert!(polled, "nobody can have answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_another_holds_the_account_shares_a_commit() {
    let node = Fixture::new();
    let (a, b) = (node.account("a").await, node.account("b").await);
    let held = OpenTransaction::begin(node.place.url(), "SELECT id FROM accounts WHERE id = 'a' FOR UPDATE");
    let publish = |account: &Account, name: String| {
        let (store, account) = (node.store.clone(), account.clone());
        Box::pin(async move { store.records.commit_events(&account, vec![event(&name, "x")]).await.unwrap() })
    };
    let mut first = publish(&a, "first".to_owned());
    send(&mut first).await;
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the group waits", || async { node.place.psql(waiting) == "1" }).await;
    let of = |number: usize| if number < 50 { &a } else { &b };
    let mut later: Vec<_> = (0..60).map(|number| publish(of(number), format!("ev{number}"))).collect();
    for call in &mut later {
        send(call).await;
    }
    held.commit();
    first.await;
    for call in later {
        call.await;
    }
    let groups = "SELECT COUNT(*) FROM (SELECT DISTINCT xmin::text, account FROM events) groups";
    assert_eq!(node.place.psql(groups), "2", "one for each account");
    node.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_and_publications_of_several_nodes_keep_the_counts() {
    let one = Fixture::new();
    let account = one.account("a").await;
    one.endpoint("a", "e", EventFilter::All).await;
    let mut tasks = tokio::task::JoinSet::new();
    for seed in [2, 3, 4] {
        let mut node = one.another(seed, LEASE * 100);
        let account = account.clone();
        tasks.spawn(async move {
            for round in 0..20 {
                let events = (0..5).map(|number| event(&format!("{seed}-{round}-{number}"), "x")).collect();
                node.publish(&account, events).await.unwrap();
                for delivery in node.take().await {
                    assert_eq!(node.record(&delivery, Decision::Delivered).await, Recording::Stored(None));
                }
            }
            node.store.records.close().await;
        });
    }
    tasks.join_all().await;
    one.assert_sound();
    let states = one.states("a").await;
    assert_eq!(states.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), (1..=300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_shared_and_nothing_is_claimed_twice() {
    let limits = RoomLimits { lane_deliveries_max: 20, deliveries_max: 400, bytes_max: 1 << 20 };
    let mut one = Fixture::first(Place::new(), limits, LEASE * 100);
    let account = one.account("a").await;
    for number in 0..10 {
        one.endpoint("a", &format!("e{number}"), EventFilter::All).await;
    }
    one.publish(&account, (0..60).map(|number| event(&format!("ev{number}"), "x")).collect()).await.unwrap();
    let mut two = one.another(2, LEASE * 100);
    let mut seen = HashSet::new();
    let mut both = [0, 0];
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 600 {
        for (index, node) in [&mut one, &mut two].into_iter().enumerate() {
            node.store.queue.claim_due(node.now(), 50).await.unwrap();
            for delivery in node.take().await {
                assert!(seen.insert(delivery.id), "claimed twice: {}", delivery.id);
                both[index] += 1;
                node.record(&delivery, Decision::Delivered).await;
            }
        }
        assert!(Instant::now() < deadline, "{} of 600, {both:?}", seen.len());
    }
    assert!(both.iter().all(|claimed| *claimed > 0), "{both:?}");
    one.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_is_taken_over_and_its_outcomes_are_fenced_off() {
    let mut silent = Fixture::first(Place::new(), RoomLimits::default(), LEASE);
    let account = silent.account("a").await;
    silent.endpoint("a", "e", EventFilter::All).await;
    silent.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    let held = silent.take().await;
    assert!(held.len() == 2 && held.iter().all(|delivery| silent.store.queue.covers(delivery)));
    // As if it were frozen: its beat is taken back as often as it says it.
    let mut other = silent.another(2, LEASE);
    let place = silent.place.clone();
    place.psql("CREATE FUNCTION still() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.beat := OLD.beat; RETURN NEW; END'");
    let first = place.psql("SELECT token FROM nodes ORDER BY registered_at, slot LIMIT 1");
    place.psql(&format!(
        "CREATE TRIGGER still BEFORE UPDATE ON nodes FOR EACH ROW WHEN (OLD.token = '{first}') EXECUTE FUNCTION still()"
    ));
    let again = other.claim_some().await;
    assert_eq!(again.iter().map(|delivery| delivery.id).collect::<BTreeSet<_>>().len(), again.len());
    assert!(again.iter().all(|delivery| delivery.suspicion == Suspicion::Held), "nobody knows that it lives");
    // Of what it does not hold any more, it notes nothing.
    let notes = held.iter().map(|delivery| (Suspicion::Building, delivery.clone())).collect();
    let _ = silent.store.queue.note_suspicion(notes).await;
    assert_eq!(place.psql("SELECT COUNT(*) FROM queue WHERE suspicion = 2"), "0");
    let late = silent.record(&held[0], Decision::Delivered).await;
    assert_eq!(late, Recording::Lost);
    until("it knows", || async { !silent.store.queue.covers(&held[0]) }).await;
    assert!(silent.store.queue.forget_lost(&held[1]));
    for delivery in &again {
        assert_eq!(other.record(delivery, Decision::Delivered).await, Recording::Stored(None));
    }
    let ids: HashSet<_> = again.iter().map(|delivery| delivery.id).collect();
    for delivery in held.iter().filter(|delivery| !ids.contains(&delivery.id)) {
        let mine = other.claim_some().await;
        assert!(mine.iter().any(|claimed| claimed.id == delivery.id));
        other.record(&mine[0], Decision::Delivered).await;
    }
    place.psql("DROP TRIGGER still ON nodes");
    // It has begun anew, under a new token, and does its part.
    let deadline = Instant::now() + PATIENCE;
    while silent.publish(&account, vec![event("e3", "x")]).await.is_err() {
        assert!(Instant::now() < deadline, "it does not begin anew");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let new = silent.claim_some().await;
    assert!(new.len() == 1 && silent.store.queue.covers(&new[0]));
    assert_eq!(silent.record(&new[0], Decision::Delivered).await, Recording::Stored(None));
    silent.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_frees_what_it_held_at_once() {
    let mut one = Fixture::new();
    let mut two = one.another(2, Duration::from_secs(600));
    let account = one.account("a").await;
    one.endpoint("a", "e", EventFilter::All).await;
    one.publish(&account, vec![event("e1", "x")]).await.unwrap();
    assert_eq!(one.take().await.len(), 1);
    one.store.records.close().await;
    let freed = two.claim_some().await;
    assert!(freed.len() == 1 && freed[0].suspicion == Suspicion::Nothing, "it took its leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_changes_the_others_see() {
    let one = Fixture::new();
    let two = one.another(2, LEASE * 100);
    let key = ApiKey::new(bellwire_domain::KeyId::try_new("key_1").unwrap(), Role::Publisher, one.now());
    let account = one.account("a").await;
    one.store.records.create_key(key.clone(), key_hash("secret")).await.unwrap();
    assert!(two.store.records.find_key(key_hash("secret")).await.unwrap().is_some());
    assert_eq!(two.store.records.find_account(&account.id).await.unwrap().unwrap().version, account.version);
    one.store.records.delete_key(&key.id).await.unwrap();
    let rotation = Rotation { secret: Secret::new("new".to_owned()), old_expire_at: one.now(), active_max: 8 };
    let changed = one.store.records.rotate_account_secret(&account.id, rotation).await.unwrap().unwrap();
    until("the key is revoked", || async { two.store.records.find_key(key_hash("secret")).await.unwrap().is_none() }).await;
    until("the change is seen", || async {
        two.store.records.find_account(&account_id("a")).await.unwrap().unwrap().version == changed.version
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_opens_at_once_what_another_seals_with_a_renewed_key() {
    let one = Fixture::new();
    let two = one.another(2, LEASE * 100);
    let account = one.account("a").await;
    let over = std::sync::atomic::AtomicBool::new(false);
    let reading = async {
        let (mut read, mut after) = (0, 0);
        while !over.load(std::sync::atomic::Ordering::SeqCst) {
            let log = two
                .store
                .records
                .list_events(&account.id, bellwire_store::EventQuery { after_seq: after, ..Default::default() }, page(100))
                .await;
            let log = log.unwrap();
            after = log.items.last().map_or(after, |event| event.seq);
            read += log.items.len();
            tokio::task::yield_now().await;
        }
        read
    };
    let publishing = async {
        let publish = async |number: usize| {
            let account = one.store.records.find_account(&account.id).await.unwrap().unwrap();
            one.publish(&account, vec![event(&format!("e{number}"), "x")]).await.unwrap();
        };
        publish(0).await;
        let renewing = one.store.records.renew_data_key(&account.id);
        tokio::pin!(renewing);
        let mut number = 1;
        let renewed = loop {
            tokio::select! {
                renewed = &mut renewing => break renewed,
                () = publish(number) => number += 1,
            }
        };
        renewed.unwrap();
        for more in number..number + 20 {
            publish(more).await;
        }
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        number
    };
    let (read, published) = tokio::join!(reading, publishing);
    assert!(read >= published, "{read} of {published}");
    one.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_made_anew_elsewhere_is_another() {
    let one = Fixture::new();
    let two = one.another(2, LEASE * 100);
    let old = one.account("a").await;
    two.publish(&old, vec![event("e1", "x")]).await.unwrap();
    one.delete_account(&old.id).await;
    one.clock.advance(Duration::from_secs(1));
    let new = one.account("a").await;
    assert!(two.publish(&old, vec![event("e2", "x")]).await.is_err(), "decided by an account that is gone");
    two.publish(&new, vec![event("e3", "x")]).await.unwrap();
    let page = one.store.records.list_events(&new.id, EventQuery::default(), page(10)).await.unwrap();
    assert_eq!(page.items.len(), 1, "and its payload opens with the new key");
    one.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_endpoint_is_found_by_every_node() {
    let limits = RoomLimits { lane_deliveries_max: 1, deliveries_max: 4, bytes_max: 1 << 20 };
    let one = Fixture::first(Place::new(), limits, LEASE * 100);
    let mut two = one.another(2, LEASE * 100);
    let account = one.account("a").await;
    let lane = one.endpoint("a", "e", EventFilter::All).await;
    one.publish(&account, (0..3).map(|number| event(&format!("e{number}"), "x")).collect()).await.unwrap();
    one.store.records.update_endpoint(&lane, EndpointChanges::default()).await.unwrap();
    assert_eq!(two.claim_some().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_nothing_and_needs_nobody() {
    let cluster = Cluster::start(&["fsync=on"]);
    let mut one = Fixture::first(Place::at(cluster.database()), RoomLimits::default(), Duration::from_secs(20));
    let account = one.account("a").await;
    one.endpoint("a", "e", EventFilter::All).await;
    one.publish(&account, vec![event("before", "x")]).await.unwrap();
    let held = one.take().await;
    cluster.stop();
    let refused = one.publish(&account, vec![event("during", "x")]).await.unwrap_err();
    assert!(matches!(refused, bellwire_store::PublishError::Store(StoreError::Unavailable(_))), "{refused}");
    assert!(matches!(one.store.records.check().await, Err(StoreError::Unavailable(_))));
    cluster.resume();
    until("it works again", || async { one.store.records.check().await.is_ok() }).await;
    one.publish(&account, vec![event("during", "x")]).await.unwrap();
    // Lost before a commit, the connection took nothing with it: what was held is held.
    let recorded = one.record(&held[0], Decision::Delivered).await;
    assert_eq!(recorded, Recording::Stored(None));
    let mut arrived = BTreeMap::new();
    for delivery in one.take().await {
        arrived.insert(delivery.number, one.record(&delivery, Decision::Delivered).await);
    }
    assert_eq!(arrived.len(), 1);
    one.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_know_how_many_they_are() {
    let one = Fixture::first(Place::new(), RoomLimits::default(), LEASE);
    let two = one.another(2, LEASE);
    until("both are counted", || async { (one.store.queue.nodes(), two.store.queue.nodes()) == (2, 2) }).await;
    two.store.records.close().await;
    until("one is left", || async { one.store.queue.nodes() == 1 }).await;
}

/// Statements that the server has run in a database, and transactions.
fn statements(cluster: &Cluster, database: &str) -> (i64, i64) {
    let number = |sql: &str| cluster.psql("postgres", sql).parse::<i64>().unwrap();
    let statements = "SELECT COALESCE(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
         WHERE d.datname = ";
    let writes = " AND s.query NOT LIKE '%pg_stat%'";
    let begun = " AND s.query = 'BEGIN'";
    (number(&format!("{statements}'{database}'{writes}")), number(&format!("{statements}'{database}'{begun}")))
}

/// Callers that publish at once.
const CALLERS: usize = 900;

/// Publishes so many events, of accounts with one endpoint each, and records that all were delivered.
async fn work(node: &mut Fixture, accounts: &[Account], calls: usize, name: &str) {
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..CALLERS {
        let (store, account) = (node.store.clone(), accounts[publisher % accounts.len()].clone());
        let name = format!("{name}-{publisher}");
        publishers.spawn(async move {
            for number in 0..calls / CALLERS {
                let event = NewEvent { id_chosen: false, ..event(&format!("{name}-{number}"), "x") };
                store.records.commit_events(&account, vec![event]).await.unwrap();
            }
        });
    }
    let now = node.now();
    let mut recorded = 0;
    while recorded < calls {
        let Ok(Some(mut batch)) = tokio::time::timeout(Duration::from_millis(300), node.store.queue.next_claimed()).await else {
            node.store.queue.claim_due(now, 512).await.unwrap();
            continue;
        };
        while let Ok(Some(more)) = tokio::time::timeout(Duration::ZERO, node.store.queue.next_claimed()).await {
            batch.extend(more);
        }
        let answer = || AttemptOutcome::answered(200);
        let outcomes = batch.iter().map(|one| outcome(one, answer(), Decision::Delivered, HealthPolicy::default(), now));
        let outcomes: Vec<_> = outcomes.collect();
        recorded += outcomes.len();
        node.store.queue.record_outcomes(outcomes.into()).await.unwrap();
    }
    publishers.join_all().await;
}

/// Accounts with an endpoint each.
async fn furnish(node: &Fixture) -> Vec<Account> {
    let mut accounts = Vec::new();
    for id in ["a", "b", "c", "d"] {
        accounts.push(node.account(id).await);
        node.endpoint(id, "e", EventFilter::All).await;
    }
    accounts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_a_few_statements_however_many_deliveries_are_in_it() {
    const CALLS: usize = 8 * CALLERS;
    /// Of one group: its transaction's beginning and end among them.
    const STATEMENTS_MAX: i64 = 15;
    let cluster = Cluster::start(&["shared_preload_libraries=pg_stat_statements", "fsync=on"]);
    cluster.psql("postgres", "CREATE EXTENSION pg_stat_statements");
    let url = cluster.database();
    let name = url.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let mut node = Fixture::first(Place::at(url), RoomLimits::default(), Duration::from_secs(600));
    let accounts = furnish(&node).await;
    let before = statements(&cluster, &name);
    work(&mut node, &accounts, CALLS, "event").await;
    let after = statements(&cluster, &name);
    let hundreds = i64::try_from(CALLS / 100).unwrap();
    let (all, transactions) = (after.0 - before.0, after.1 - before.1);
    let often = "SELECT calls || ' ' || rows || ' ' || left(query, 90) FROM pg_stat_statements ORDER BY calls DESC LIMIT 16";
    assert!(
        transactions <= 3 * hundreds && all <= STATEMENTS_MAX * transactions,
        "{all} statements, {transactions} transactions, {hundreds} hundreds\n{}",
        cluster.psql("postgres", often)
    );
}
