//! A store that is filled with a history: it keeps every promise, and the console has something to show on each page.

use std::collections::BTreeSet;

use bellwire_testkit::postgres::Cluster;
use serde_json::Value;

use crate::harness::{Home, KEY, MASTER_KEY, Run, bellwire, run, send};

fn seed(home: &Home, flags: &[&str]) -> Run {
    let mut command = bellwire();
    command.args(["seed", "--database", &home.database(), "--accounts", "6", "--days", "2"]).args(flags);
    run(command.envs(key(home)))
}

/// A store that is filled; how far it is was said on standard error.
#[track_caller]
fn seeded(home: &Home, flags: &[&str]) -> Run {
    let made = seed(home, flags);
    assert!(made.code == Some(0) && made.stderr.lines().all(|line| line.starts_with("day ")), "{made:?}");
    made
}

/// The master key, where none is kept next to the database.
fn key(home: &Home) -> Option<(&'static str, &'static str)> {
    (!home.database().starts_with("sqlite:")).then_some(("BELLWIRE_MASTER_KEY", MASTER_KEY))
}

#[track_caller]
fn is_sound(home: &Home) {
    let examined = run(bellwire().args(["doctor", "--database", &home.database()]).envs(key(home)));
    assert!(examined.success().contains(" is sound"), "{examined:?}");
}

#[test]
fn a_store_in_a_file_has_something_for_each_page() {
    let home = Home::new();
    let made = seeded(&home, &[]);
    assert!(made.stdout.starts_with("6 accounts, ") && made.stderr.lines().count() >= 9, "{made:?}");
    is_sound(&home);
    let again = seed(&home, &["--seed", "2"]);
    assert!(again.refusal().contains("has accounts already; --force"), "{again:?}");
    seeded(&home, &["--seed", "2", "--force"]);
    assert!(seed(&home, &["--force"]).refusal().contains("already; draw others with --seed"));
    is_sound(&home);
    shows_something(&home, 12);
}

#[test]
fn a_store_over_postgres_has_it_too() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let home = Home::over(&url);
    seeded(&home, &[]);
    is_sound(&home);
    shows_something(&home, 6);
    cluster.drop_database(&url);
}

#[test]
fn the_same_number_makes_the_same_store() {
    let told = |number: &str| {
        let home = Home::new();
        seeded(&home, &["--seed", number]);
        let server = home.start_with(&[]);
        let accounts = server.api.get("/v1/accounts").expect(200);
        let ids: Vec<String> = items(&accounts).iter().map(|account| account["id"].as_str().unwrap().to_owned()).collect();
        let events = |account: &String| {
            let page = server.api.get(&format!("/v1/accounts/{account}/events?limit=20")).expect(200);
            items(&page)
                .iter()
                .map(|event| (event["seq"].clone(), event["type"].clone(), event["data"].clone()))
                .collect::<Vec<_>>()
        };
        ids.into_iter().map(|account| (events(&account), account)).collect::<Vec<_>>()
    };
    let (first, second, other) = (told("3"), told("3"), told("4"));
    assert_eq!(first, second);
    assert_ne!(first, other);
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

/// Every list of the API has items in each state that a page shows, and every list of the console answers with something.
fn shows_something(home: &Home, accounts: usize) {
    let server = home.start_with(&[]);
    let all = server.api.get("/v1/accounts").expect(200);
    assert_eq!(items(&all).len(), accounts);
    let contracts: BTreeSet<&str> = items(&all).iter().map(|account| account["contract"].as_str().unwrap()).collect();
    assert_eq!(contracts.len(), 6, "{contracts:?}");
    for list in [
        "/v1/deliveries?state=delivered",
        "/v1/deliveries?state=failed",
        "/v1/deliveries?state=pending",
        "/v1/deliveries?attempts_min=2",
        "/v1/incidents?state=open",
        "/v1/incidents?state=acknowledged",
        "/v1/incidents?state=resolved",
        "/v1/audit",
        "/v1/keys",
        "/v1/bulk/retries",
    ] {
        assert!(!items(&server.api.get(list).expect(200)).is_empty(), "{list}");
    }
    let mut healths = BTreeSet::new();
    for account in items(&all) {
        let endpoints = server.api.get(&format!("/v1/accounts/{}/endpoints", account["id"].as_str().unwrap())).expect(200);
        healths.extend(items(&endpoints).iter().map(|endpoint| endpoint["health"].as_str().unwrap().to_owned()));
    }
    assert!(healths.contains("active") && healths.contains("unhealthy"), "{healths:?}");

    let address = server.api.address;
    let form = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    let signed_in = send(address, "POST", "/console/sign-in", &form, format!("key={KEY}").as_bytes()).unwrap();
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let named = all["items"][0]["name"].as_str().unwrap();
    for (page, shown) in [
        ("/console", "incident"),
        ("/console/accounts", named),
        ("/console/deliveries", "delivered"),
        ("/console/incidents", "Acknowledge"),
        ("/console/replays", "Replays"),
        ("/console/audit", "bellwire seed"),
    ] {
        let answer = send(address, "GET", page, &[("cookie".to_owned(), cookie.clone())], b"").unwrap();
        assert!(answer.status == 200 && answer.text().contains(shown), "{page}: {} {}", answer.status, answer.text());
    }
}
