//! The binary as a command that ends, and signals.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// A refusal as all are: nothing but one line, and code 2.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("a line ends: {self:?}"));
        assert_eq!(line.lines().count(), 1, "{self:?}");
        line.strip_prefix("bellwire: ").unwrap_or_else(|| panic!("it says who speaks: {self:?}"))
    }

    /// What it printed, having gone well.
    #[track_caller]
    pub(crate) fn success(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        &self.stdout
    }
}

/// The binary, with nothing of the caller's environment.
pub(crate) fn bellwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end. What it prints must fit into a pipe.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Run {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same with these bytes on standard input.
#[track_caller]
pub(crate) fn run_with(input: &[u8], command: &mut Command) -> Run {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    run(command.stdin(file))
}

/// Sends a signal, such as `TERM`, to one process.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
    assert!(sent.success());
}
