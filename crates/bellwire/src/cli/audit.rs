//! Flags of `bellwire audit`.

use std::path::PathBuf;

use bellwire_store::Location;
use clap::{Args, Subcommand};

use super::{MasterKeysArguments, Paging, Target};

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no record of the audit log was changed, removed or inserted; the exit code is 1 if one was
    Verify(AuditVerifyArguments),
    /// Write the audit log to standard output, a line of JSON for each record with the proof that it is in the log
    Export(AuditExportArguments),
    /// List the audit log of a running server
    List(AuditListArguments),
}

/// Which store, and its key.
#[derive(Args)]
pub(crate) struct AuditedStore {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME; its server may run
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
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

#[derive(Args)]
#[command(after_help = super::client::EXIT_CODES)]
pub(crate) struct AuditListArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) paging: Paging,
    /// Only records of this account
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Only what this one has done: the id of a key
    #[arg(long, value_name = "ID")]
    pub(crate) actor: Option<String>,
    /// Only this action, such as endpoint.changed
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// Only what was done to this: an id
    #[arg(long, value_name = "ID")]
    pub(crate) object: Option<String>,
    /// Only records of this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only records from before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}
