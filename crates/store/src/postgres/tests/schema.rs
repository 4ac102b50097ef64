//! The schema on a real server.

use bellwire_domain::Timestamp;

use crate::OpenError;
use crate::postgres::migrations::{check, migrate};
use crate::schema::KNOWN_VERSION;
use crate::sql::Session;
use crate::tests::{all_statements, migrated};

#[test]
fn every_statement_prepares_on_postgres() {
    let (session, _) = migrated();
    let [_, own] = crate::doctor::own_statements();
    let [_, listed] = crate::records::own_statements();
    let [_, described] = crate::records::description_statements();
    let all = all_statements()
        .into_iter()
        .chain(own)
        .chain(listed)
        .chain(described)
        .chain(super::super::set_statements())
        .chain(super::super::statements());
    let only_here = crate::rows::account::POSTGRES_STATEMENTS
        .iter()
        .chain(&crate::queue::notice::POSTGRES_STATEMENTS)
        .chain(&crate::rows::meta::POSTGRES_STATEMENTS);
    let all = all.chain(only_here.map(|text| (*text).to_owned()));
    let wrong: Vec<String> =
        all.filter_map(|text| session.prepare(&text).err().map(|error| format!("{error}: {text}"))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn other_schemas_and_other_tables_are_refused_on_postgres() {
    let (session, url) = migrated();
    migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap();
    session.batch("UPDATE bellwire_schema SET version = version + 1").unwrap();
    let refused = migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found, known } if found == known + 1), "{refused}");
    session.batch("UPDATE bellwire_schema SET version = 2").unwrap();
    let refused = migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap_err();
    assert!(matches!(refused, OpenError::UnreleasedSchema { found: 2 }), "{refused}");
    session.batch("DROP TABLE bellwire_schema").unwrap();
    let refused = check(&session, &url).unwrap_err().to_string();
    assert!(refused.contains("another program's tables"), "{refused}");
}

#[test]
fn a_role_that_does_not_own_the_tables_is_refused_and_a_member_of_the_owner_is_not() {
    let (session, url) = migrated();
    let guest = format!("guest_{}", std::process::id());
    session.batch(&format!("CREATE ROLE {guest} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {guest}")).unwrap();
    let as_guest = || {
        let session = Session::connect(&url, None).unwrap();
        session.batch(&format!("SET SESSION AUTHORIZATION {guest}")).unwrap();
        check(&session, &url)
    };
    let refused = as_guest().unwrap_err().to_string();
    assert!(refused.contains("belong to another role; connect as the one that owns them"), "{refused}");
    session.batch(&format!("GRANT bellwire TO {guest}")).unwrap();
    assert_eq!(as_guest().unwrap(), KNOWN_VERSION);
}
