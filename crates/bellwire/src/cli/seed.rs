//! Flags of `bellwire seed`.

use bellwire_store::Location;
use clap::{Args, value_parser};

use super::MasterKeysArguments;

#[derive(Args)]
pub(crate) struct SeedArguments {
    /// The database to fill: sqlite:FILE or postgres://USER@HOST/NAME. No server may have it open
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
    pub(crate) database: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
    /// What everything is drawn from: the same number gives the same accounts, endpoints and events
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Accounts, which take turns with the built-in contracts
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = value_parser!(u16).range(1..=500))]
    pub(crate) accounts: u16,
    /// Days of history, up to now
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = value_parser!(u16).range(1..=365))]
    pub(crate) days: u16,
    /// Add to a store that already has accounts
    #[arg(long)]
    pub(crate) force: bool,
}
