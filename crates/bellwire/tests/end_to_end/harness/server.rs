//! A running `bellwire serve`, and the folder that outlives it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use bellwire_testkit::process::Process;
use tempfile::TempDir;

use super::{Api, bellwire};

/// The admin key of every server.
pub(crate) const KEY: &str = "admin-key-of-the-tests";
/// What lets endpoints be on this machine, without TLS.
pub(crate) const LOCAL: [&str; 3] = ["--allow-network", "127.0.0.0/8", "--allow-http"];

/// The master key of servers over PostgreSQL: 32 bytes.
pub(crate) const MASTER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// A folder with a database, or for a node over one that is elsewhere.
pub(crate) struct Home {
    folder: TempDir,
    elsewhere: Option<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), elsewhere: None }
    }

    /// A node's folder; the database has this URL.
    pub(crate) fn over(url: &str) -> Self {
        Self { elsewhere: Some(url.to_owned()), ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The database as `--database` takes it.
    pub(crate) fn database(&self) -> String {
        self.elsewhere.clone().unwrap_or_else(|| format!("sqlite:{}", self.path("bellwire.db").display()))
    }

    /// A server on this folder's database that delivers to this machine.
    pub(crate) fn start(&self) -> Server {
        self.start_with(&LOCAL)
    }

    /// The same at a port of the caller's choice.
    pub(crate) fn start_at(&self, port: u16) -> Server {
        let listen = format!("127.0.0.1:{port}");
        self.start_with(&[&LOCAL[..], &["--listen", &listen]].concat())
    }

    /// A server with these flags.
    pub(crate) fn start_with(&self, flags: &[&str]) -> Server {
        self.start_in(&[], flags)
    }

    /// The same in an environment.
    pub(crate) fn start_in(&self, environment: &[(&str, &str)], flags: &[&str]) -> Server {
        let mut command = bellwire();
        command.env("BELLWIRE_ADMIN_KEY", KEY);
        if self.elsewhere.is_some() {
            command.env("BELLWIRE_MASTER_KEY", MASTER_KEY);
        }
        command.envs(environment.iter().copied());
        command.args(["serve", "--database", &self.database()]).args(flags);
        if !flags.contains(&"--log") {
            command.args(["--log", "warn"]);
        }
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let log = self.path("log");
        command.stderr(File::options().create(true).append(true).open(&log).unwrap());
        let process = Process::start(&mut command);
        let line = process.next_line().unwrap_or_else(|| panic!("no start: {}", std::fs::read_to_string(log).unwrap()));
        let scheme = if flags.contains(&"--tls-cert") { "https" } else { "http" };
        let address = address_in(&line, &format!("listening on {scheme}://"));
        Server { process, api: Api::new(address, KEY), scheme }
    }
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    process: Process,
    /// With TLS, only its address is of use.
    pub(crate) api: Api,
    scheme: &'static str,
}

impl Server {
    /// Where it publishes the API of a contract, as it says itself.
    #[track_caller]
    pub(crate) fn publishes(&self, contract: &str) -> SocketAddr {
        address_in(&self.process.line(), &format!("publishing {contract} on {}://", self.scheme))
    }

    /// Where health and metrics have a listener of their own, as it says itself.
    #[track_caller]
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        address_in(&self.process.line(), &format!("health and metrics on {}://", self.scheme))
    }

    /// What it has printed since.
    pub(crate) fn printed(&mut self) -> Vec<String> {
        self.process.printed()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// How many of its threads have this name.
    pub(crate) fn threads(&self, name: &str) -> usize {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim_end() == name).count()
    }

    /// SIGKILL: nothing is finished, nothing is said.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.process.end()
    }
}

/// The address that a line names after these words.
#[track_caller]
fn address_in(line: &str, words: &str) -> SocketAddr {
    line.strip_prefix(words).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}
