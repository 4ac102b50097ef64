//! A running `bellwire listen`.

use std::net::SocketAddr;
use std::process::ExitStatus;

use bellwire_testkit::process::Process;

use super::bellwire;

/// A consumer's receiver.
pub(crate) struct Listener {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Listens on a free port, unless the flags name one.
    pub(crate) fn start(contract: &str, secret: &str, flags: &[&str]) -> Self {
        let mut command = bellwire();
        command.args(["listen", "--contract", contract]).env("BELLWIRE_SECRET", secret).args(flags);
        if !flags.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        let process = Process::start(&mut command);
        let first = process.line();
        let address = first.strip_prefix("listening on http://").and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("{first}")).parse().unwrap();
        Self { process, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.process.line()
    }

    /// Stops it; what else it printed, and how it ended.
    pub(crate) fn stop(mut self, with: &str) -> (Vec<String>, ExitStatus) {
        self.process.signal(with);
        let ended = self.process.end();
        (self.process.printed(), ended)
    }
}
