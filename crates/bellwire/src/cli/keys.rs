//! Flags of `bellwire keys`.

use bellwire_domain::{Role, Timestamp};
use bellwire_store::Location;
use clap::{Args, Subcommand};

use super::{MasterKeysArguments, instant};

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it once. An SQLite database may not be in use by a server
    Create(KeysCreateArguments),
    /// Replace the master key: wrap everything by a new one, beside running servers. It may be interrupted, and run again
    RotateMaster(RotateMasterArguments),
}

#[derive(Args)]
pub(crate) struct KeysCreateArguments {
    /// What the key may do: admin, publisher, consumer or auditor
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    pub(crate) role: Role,
    /// The account of a consumer's key
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// What people call it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// When it stops working (RFC 3339); by default, never
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) expires: Option<Timestamp>,
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
    pub(crate) database: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
}

#[derive(Args)]
pub(crate) struct RotateMasterArguments {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME; its servers may run if they were started with both keys
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
    pub(crate) database: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| format!("a role is one of {}", Role::WORDS.join(", ")))
}
