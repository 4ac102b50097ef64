//! Flags for the master key, of every command that takes it.

use clap::Args;

/// The key that encrypts data at rest, from wherever it is kept.
#[derive(Args)]
pub(crate) struct MasterKeyArguments {
    /// The key that encrypts data at rest: 32 bytes in base64; without it, the credential `master-key`, or the one that is kept next to an SQLite
    /// database
    #[arg(long, value_name = "BASE64", env = "BELLWIRE_MASTER_KEY", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
    /// A command that prints that key, such as one that asks KMS or Vault for it; `sh -c` runs it
    #[arg(long, value_name = "CMD", env = "BELLWIRE_MASTER_KEY_COMMAND", hide_env_values = true, conflicts_with = "master_key")]
    pub(crate) master_key_command: Option<String>,
}

/// The same, and the key that takes its place.
#[derive(Args)]
pub(crate) struct MasterKeysArguments {
    #[command(flatten)]
    pub(crate) current: MasterKeyArguments,
    /// The key that takes its place, while `bellwire keys rotate-master` is to run and until it has ended: 32 bytes in base64
    #[arg(long, value_name = "BASE64", env = "BELLWIRE_NEW_MASTER_KEY", hide_env_values = true)]
    pub(crate) new_master_key: Option<String>,
}
