//! The write-ahead log is moved into the database beside the writer, and begins anew.

use std::fs::File;
use std::io::Read;

use bellwire_store::EventQuery;

use crate::fixture::{Fixture, event};

/// A commit adds some six pages to the log, and 4,096 set off a pass.
const COMMITS_MAX: usize = 4_000;

/// How often the log has begun anew: in its header at byte 12, see SQLite's description of the format.
fn rounds(fixture: &Fixture) -> u32 {
    let mut header = [0; 16];
    File::open(fixture.place.path().with_extension("db-wal")).unwrap().read_exact(&mut header).unwrap();
    u32::from_be_bytes(*header.last_chunk().unwrap())
}

#[tokio::test]
async fn the_log_begins_anew_while_commits_go_on() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let before = rounds(&fixture);
    for number in 0..COMMITS_MAX {
        fixture.publish(&account, vec![event(&format!("ev{number}"), "a.b")]).await.unwrap();
        if rounds(&fixture) > before {
            let fixture = fixture.reopen().await; // and it has lost nothing
            let page =
                fixture.store.records.list_events(&account.id, EventQuery::default(), crate::fixture::page(5_000)).await.unwrap();
            assert_eq!(page.items.len(), number + 1);
            return;
        }
    }
    panic!("after {COMMITS_MAX} commits the log has not begun anew");
}
