//! Flags of `bellwire audit`.

use std::path::PathBuf;

use bellwire_store::Location;
use clap::{Args, Subcommand};

use super::MasterKeysArguments;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no record of the audit log was changed, removed or inserted; the exit code is 1 if one was
    Verify(AuditVerifyArguments),
    /// Write the audit log to standard output, a line of JSON for each record with the proof that it is in the log
    Export(AuditExportArguments),
}

/// Which store, and its key.
#[derive(Args)]
pub(crate) struct AuditedStore {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME; its server may run
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE")]
    pub(crate) database: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
}

#[derive(Args)]
pub(crate) struct AuditVerifyArguments {
    #[command(flatten)]
    pub(crate) store: AuditedStore,
    /// A file of checkpoints that was kept elsewhere: the log must be theirs, grown
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// The verifying key that was kept with them; by default, the database's own
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Args)]
pub(crate) struct AuditExportArguments {
    #[command(flatten)]
    pub(crate) store: AuditedStore,
    /// Only the records of this account, which may be gone
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
}
