//! Flags of `bellwire keys`.

use bellwire_domain::{Role, Timestamp};
use bellwire_store::Location;
use clap::{Args, Subcommand};

use super::instant;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it once. An SQLite database may not be in use by a server
    Create(KeysCreateArguments),
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
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE")]
    pub(crate) database: Location,
    /// The key that encrypts data at rest; without it, the one next to the database
    #[arg(long, value_name = "BASE64", env = "BELLWIRE_MASTER_KEY", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| format!("a role is one of {}", Role::WORDS.join(", ")))
}
