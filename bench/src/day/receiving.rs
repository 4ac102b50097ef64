//! The receivers as a process beside the measurement.

use bellwire_testkit::authority::{Authority, pem};
use tempfile::TempDir;

use super::platform::{Endpoint, HOSTS};
use super::receivers::{AUTHORITY, CERTIFICATE, KEY, address};
use crate::server::Process;

/// The receivers, and what they identify themselves with.
pub(super) struct Receiving {
    pub(super) process: Process,
    port: u16,
    pub(super) folder: TempDir,
}

impl Receiving {
    /// Starts them.
    pub(super) async fn start() -> anyhow::Result<Self> {
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
        let (process, port) = Process::receivers(folder.path()).await?;
        Ok(Self { process, port, folder })
    }

    /// Where an endpoint is.
    pub(super) fn url(&self, endpoint: &Endpoint) -> String {
        format!("https://{}:{}/day/{}", address(endpoint.host), self.port, endpoint.number)
    }
}
