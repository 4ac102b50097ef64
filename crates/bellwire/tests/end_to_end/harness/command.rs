//! The binary as a command.

use std::process::{Command, Stdio};

/// The binary, with nothing of the caller's environment.
pub(crate) fn bellwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
