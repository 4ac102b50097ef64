//! Which schema this code works with. A migration is a file for each database; it only adds, and is never edited once it has been
//! on `main`.

/// The first version: those before it were changed in place, when nothing was released yet.
pub(crate) const FIRST_VERSION: i64 = 6;

/// The version this code works with.
pub(crate) const KNOWN_VERSION: i64 = 22;

/// One step from a version to the next, as each database takes it.
pub(crate) struct Migration {
    /// The version after it.
    pub(crate) version: i64,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// All of them, in order.
const MIGRATIONS: [Migration; 17] = [
    Migration {
        version: FIRST_VERSION,
        sqlite: include_str!("migrations/0001_initial.sqlite.sql"),
        postgres: include_str!("migrations/0001_initial.postgres.sql"),
    },
    Migration {
        version: 7,
        sqlite: include_str!("migrations/0002_attempt_due.sqlite.sql"),
        postgres: include_str!("migrations/0002_attempt_due.postgres.sql"),
    },
    Migration {
        version: 8,
        sqlite: include_str!("migrations/0003_deleting_accounts.sqlite.sql"),
        postgres: include_str!("migrations/0003_deleting_accounts.postgres.sql"),
    },
    Migration {
        version: 9,
        sqlite: include_str!("migrations/0004_suspects.sqlite.sql"),
        postgres: include_str!("migrations/0004_suspects.postgres.sql"),
    },
    Migration {
        version: 10,
        sqlite: include_str!("migrations/0005_sessions.sqlite.sql"),
        postgres: include_str!("migrations/0005_sessions.postgres.sql"),
    },
    Migration {
        version: 11,
        sqlite: include_str!("migrations/0006_phases.sqlite.sql"),
        postgres: include_str!("migrations/0006_phases.postgres.sql"),
    },
    Migration {
        version: 12,
        sqlite: include_str!("migrations/0007_rollups.sqlite.sql"),
        postgres: include_str!("migrations/0007_rollups.postgres.sql"),
    },
    Migration {
        version: 13,
        sqlite: include_str!("migrations/0008_bulk_retries.sqlite.sql"),
        postgres: include_str!("migrations/0008_bulk_retries.postgres.sql"),
    },
    Migration {
        version: 14,
        sqlite: include_str!("migrations/0009_audit_and_keys.sqlite.sql"),
        postgres: include_str!("migrations/0009_audit_and_keys.postgres.sql"),
    },
    Migration {
        version: 15,
        sqlite: include_str!("migrations/0010_privacy.sqlite.sql"),
        postgres: include_str!("migrations/0010_privacy.postgres.sql"),
    },
    Migration {
        version: 16,
        sqlite: include_str!("migrations/0011_own_periods.sqlite.sql"),
        postgres: include_str!("migrations/0011_own_periods.postgres.sql"),
    },
    Migration {
        version: 17,
        sqlite: include_str!("migrations/0012_endpoints.sqlite.sql"),
        postgres: include_str!("migrations/0012_endpoints.postgres.sql"),
    },
    Migration {
        version: 18,
        sqlite: include_str!("migrations/0013_contract_versions.sqlite.sql"),
        postgres: include_str!("migrations/0013_contract_versions.postgres.sql"),
    },
    Migration {
        version: 19,
        sqlite: include_str!("migrations/0014_endpoint_life.sqlite.sql"),
        postgres: include_str!("migrations/0014_endpoint_life.postgres.sql"),
    },
    Migration {
        version: 20,
        sqlite: include_str!("migrations/0015_keys_and_heartbeats.sqlite.sql"),
        postgres: include_str!("migrations/0015_keys_and_heartbeats.postgres.sql"),
    },
    Migration {
        version: 21,
        sqlite: include_str!("migrations/0016_clients.sqlite.sql"),
        postgres: include_str!("migrations/0016_clients.postgres.sql"),
    },
    Migration {
        version: 22,
        sqlite: include_str!("migrations/0017_order.sqlite.sql"),
        postgres: include_str!("migrations/0017_order.postgres.sql"),
    },
];

/// Those that a store of this version still lacks.
pub(crate) fn migrations_after(version: i64) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().filter(move |migration| migration.version > version)
}
