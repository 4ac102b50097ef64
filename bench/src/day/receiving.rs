//! The receivers as a process beside the measurement.

use bellwire_testkit::authority::{Authority, pem};
use tempfile::TempDir;

use super::platform::{Endpoint, HOSTS};
use super::receivers::{AUTHORITY, CERTIFICATE, KEY, PROMPT, address};
use crate::server::Process;

/// The receivers, and what they identify themselves with.
pub(crate) struct Receiving {
    pub(crate) process: Process,
    port: u16,
    pub(crate) folder: TempDir,
}

impl Receiving {
    /// Starts them: those of a platform's day, or those that answer at once.
    pub(crate) async fn start(is_prompt: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("bench");
        let hosts: Vec<String> = (0..HOSTS).map(|host| address(host).to_string()).collect();
        let identity = authority.issue_for(&hosts);
        for (name, kind, der) in [
            (AUTHORITY, "CERTIFICATE", &authority.certificate),
            (CERTIFICATE, "CERTIFICATE", &identity.certificate),
            (KEY, "PRIVATE KEY", &identity.key),
        ] {
            std::fs::write(folder.path().join(name), pem(kind, der))?;
        }
        let (process, port) = Process::receivers(folder.path(), is_prompt).await?;
        Ok(Self { process, port, folder })
    }

    /// Where an endpoint is.
    pub(super) fn url(&self, endpoint: &Endpoint) -> String {
        format!("https://{}:{}/day/{}", address(endpoint.host), self.port, endpoint.number)
    }

    /// A URL at one of those that answer at once.
    pub(crate) fn prompt_url(&self, host: usize) -> String {
        let scheme = if matches!(PROMPT.get(host), Some(Some(_))) { "https" } else { "http" };
        format!("{scheme}://{}:{}/hook", address(host), self.port)
    }
}
