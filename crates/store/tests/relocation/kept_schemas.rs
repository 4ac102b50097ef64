//! A store of every schema that was ever on `main` opens in this version, with all that is in it, and is sound.
//!
//! `tests/schemas` keeps a small store of each schema, as an SQLite file and as a PostgreSQL dump. To add those of a new schema:
//! `BELLWIRE_UPDATE=1 cargo nextest run -p bellwire-store kept_schemas`. Those that are there already never change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwire_domain::RoomLimits;
use bellwire_store::doctor::examine;
use bellwire_store::{Location, StoreOptions};
use bellwire_testkit::ManualClock;
use bellwire_testkit::postgres::{Cluster, dump, load};

use crate::backend::Place;
use crate::everything::told;
use crate::fixture::{Store, options};
use crate::furnished::{KEY, Sides};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas")
}

/// The kept stores whose names end so, by version.
fn kept(ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut kept: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    kept.sort();
    assert!(!kept.is_empty(), "no store is kept as .{ending}");
    kept
}

fn version(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Opens a kept store, and closes it again: what it says of itself.
async fn opened(location: Location) -> Vec<String> {
    let clock = Arc::new(ManualClock::default());
    let options = StoreOptions { location: location.clone(), ..options(&Place::new(), &clock, RoomLimits::default(), 9) };
    let store = Store::open(options).unwrap();
    let told = told(&store).await;
    store.records.close().await;
    drop(store);
    let found = examine(&location, Some(&KEY)).unwrap();
    assert!(found.is_sound(), "{location}: {found:#?}");
    told
}

#[tokio::test]
async fn a_store_of_each_schema_opens_and_is_sound() {
    let (files, dumps) = (kept("sqlite"), kept("sql"));
    assert_eq!(files.len(), dumps.len(), "each schema is kept for both databases");
    for (file, dump) in files.iter().zip(&dumps) {
        let copy = Place::new();
        std::fs::copy(file, copy.path()).unwrap();
        let of_sqlite = opened(copy.location()).await;
        let url = Cluster::shared().database();
        load(&url, dump);
        let of_postgres = opened(url.parse().unwrap()).await;
        assert!(of_sqlite.len() > 10, "{}: {of_sqlite:#?}", file.display());
        assert_eq!(of_sqlite, of_postgres, "{}", file.display());
        assert!(version(&copy.path()) >= version(file), "it is migrated");
    }
}

#[tokio::test]
async fn this_schema_is_kept() {
    let sides = Sides::new().await;
    let name = format!("version-{}", version(&sides.place.path()));
    let (file, sql) = (folder().join(format!("{name}.sqlite")), folder().join(format!("{name}.sql")));
    if std::env::var_os("BELLWIRE_UPDATE").is_some() && !file.exists() {
        sides.assert_moved(&sides.relocate().unwrap());
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&sql, dump(&sides.url)).unwrap();
        let connection = rusqlite::Connection::open(sides.place.path()).unwrap();
        connection.execute_batch("DELETE FROM meta WHERE key = 'move'; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(connection);
        std::fs::copy(sides.place.path(), &file).unwrap();
    }
    assert!(file.exists() && sql.exists(), "run `BELLWIRE_UPDATE=1 cargo nextest run -p bellwire-store kept_schemas` once");
}
