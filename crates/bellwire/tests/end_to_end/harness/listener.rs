//! A running `bellwire listen`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;

use super::{PATIENCE, bellwire, signal, until};

/// A consumer's receiver; it is killed when dropped.
pub(crate) struct Listener {
    child: Child,
    lines: mpsc::Receiver<String>,
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
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let first = lines.recv_timeout(PATIENCE).unwrap();
        let address = first.strip_prefix("listening on http://").and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("{first}")).parse().unwrap();
        Self { child, lines, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Stops it; what else it printed, and how it ended.
    pub(crate) fn stop(mut self, with: &str) -> (Vec<String>, ExitStatus) {
        signal(self.child.id(), with);
        let ended = until("the listener has ended", || self.child.try_wait().unwrap());
        (self.lines.iter().collect(), ended)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
