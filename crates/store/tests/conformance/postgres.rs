//! The suite over PostgreSQL: a database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use bellwire_store::Location;
use bellwire_testkit::postgres::{Cluster, psql};

/// Where a store of a test is.
#[derive(Clone)]
pub struct Place(String);

impl Place {
    /// A database that is there already.
    pub fn at(url: String) -> Self {
        Self(url)
    }

    pub fn new() -> Self {
        Self(Cluster::shared().database())
    }

    /// What is left where the process dies at this instant, once its lease has ended.
    pub fn after_a_kill(&self) -> Self {
        self.psql("DELETE FROM nodes");
        self.clone()
    }

    pub fn location(&self) -> Location {
        self.0.parse().unwrap()
    }

    pub fn url(&self) -> &str {
        &self.0
    }

    pub fn psql(&self, sql: &str) -> String {
        psql(&self.0, sql)
    }
}

/// Changes a store in use as somebody with the database does.
pub fn damage(place: &Place, damage: &str) {
    place.psql(damage);
}

/// The one text that a query finds.
pub fn read(place: &Place, query: &str) -> String {
    place.psql(query)
}

/// A copy of a closed store, changed by `damage`.
pub fn damaged_copy(original: &Location, damage: &str) -> Place {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let original = original.to_string();
    let (_, original) = original.rsplit_once('/').unwrap();
    let copy = format!("{original}_copy_{}", COPIES.fetch_add(1, Ordering::Relaxed));
    let cluster = Cluster::shared();
    cluster.psql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE {original}"));
    cluster.psql(&copy, &damage.replace("x'0", "'\\x0"));
    Place(cluster.url(&copy))
}

/// Checks of this database only that notice a damage.
pub fn also_found(damage: &str) -> Vec<&'static str> {
    if damage.starts_with("UPDATE queue SET claim = 'x'") { vec!["queue.holders"] } else { Vec::new() }
}
