//! Processes of a test: those that run to their end, and those that go on and print lines. None outlives its test.

#![expect(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Seek as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::waiting::{PATIENCE, until};

/// How a command ended.
#[derive(Debug)]
pub struct Run {
    /// The code that it ended with; none after a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said on standard error.
    pub stderr: String,
}

impl Run {
    /// The text of a refusal: nothing but one line, and code 2.
    #[track_caller]
    pub fn refusal(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("a line ends: {self:?}"));
        assert_eq!(line.lines().count(), 1, "{self:?}");
        line.strip_prefix("bellwire: ").unwrap_or_else(|| panic!("it says who speaks: {self:?}"))
    }

    /// What it printed; it must have succeeded.
    #[track_caller]
    pub fn success(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        &self.stdout
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Run {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    let id = child.id();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the command has ended", || child.try_wait().expect("it can be asked"))
    }));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: JoinHandle<Vec<u8>>| String::from_utf8(reader.join().expect("it is read")).expect("it prints text");
    let code = ended.as_ref().ok().and_then(ExitStatus::code);
    let run = Run { code, stdout: text(stdout), stderr: text(stderr) };
    assert!(ended.is_ok(), "process {id} does not end: {run:?}");
    run
}

/// Reads what a command prints while it runs: a pipe holds only so much.
fn reading(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("it is piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("it can be read");
        bytes
    })
}

/// The same with these bytes on standard input.
#[track_caller]
pub fn run_with(input: &[u8], command: &mut Command) -> Run {
    let mut file = tempfile::tempfile().expect("there is room for a file");
    file.write_all(input).and_then(|()| file.rewind()).expect("it can be written");
    run(command.stdin(file))
}

/// Sends a signal, such as `TERM`, to one process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {process}")]).status().expect("there is a shell");
    assert!(sent.success(), "kill -{name} {process}");
}

/// A process that goes on and prints lines; it is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Kept open if it is piped: some processes end with it.
    _stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts it, and reads what it prints.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { _stdin: child.stdin.take(), child, lines }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints; `None` if there is none in time.
    pub fn next_line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        self.next_line().expect("it prints a line")
    }

    /// What it has printed since; after its end, everything that is left.
    pub fn printed(&mut self) -> Vec<String> {
        if self.has_ended() { self.lines.iter().collect() } else { self.lines.try_iter().collect() }
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// SIGKILL: nothing is finished, nothing is said.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        until("the process has ended", || self.child.try_wait().expect("it can be asked"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
