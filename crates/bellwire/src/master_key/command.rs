//! The master key as a command prints it, which asks whoever keeps it.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long it may take.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);
/// What it may print.
const BYTES_MAX: u64 = 4_096;
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What a command prints. What it says of itself goes to where this process says it; what it prints is in no error.
pub(super) fn run(command: &str, time_max: Duration) -> anyhow::Result<String> {
    let deadline = Instant::now() + time_max;
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0) // what it starts ends with it
        .spawn()
        .context("`sh` cannot be started")?;
    let ended = read(&mut child, deadline, time_max);
    if ended.is_err() {
        end(&mut child);
    }
    let (printed, status) = ended?;
    if !status.success() {
        bail!("the command has failed: {status}");
    }
    String::from_utf8(printed).ok().context("what the command prints is no text")
}

fn read(child: &mut Child, deadline: Instant, time_max: Duration) -> anyhow::Result<(Vec<u8>, ExitStatus)> {
    let late = || format!("the command has not ended within {} s", time_max.as_secs_f32());
    let output = child.stdout.take().context("the command's output cannot be read")?;
    let (sender, receiver) = mpsc::channel();
    // It may wait for as long as anybody holds the other end; nobody waits for it.
    std::thread::spawn(move || {
        let mut printed = Vec::new();
        let read = output.take(BYTES_MAX + 1).read_to_end(&mut printed);
        let _ = sender.send(read.map(|_| printed));
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let printed = receiver.recv_timeout(left).ok().with_context(late)?.context("the command's output cannot be read")?;
    if u64::try_from(printed.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        bail!("the command prints more than {BYTES_MAX} bytes");
    }
    loop {
        if let Some(status) = child.try_wait().context("the command cannot be waited for")? {
            return Ok((printed, status));
        }
        if Instant::now() >= deadline {
            bail!(late());
        }
        std::thread::sleep(LOOK);
    }
}

/// Ends it, and whatever it has started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    fn refused(command: &str) -> String {
        let error = run(command, SOON).unwrap_err();
        let said = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert!(!said.contains("s3cret"), "{said}");
        said
    }

    #[test]
    fn what_it_prints_is_taken() {
        assert_eq!(run("printf '%s\\n' \"$((40 + 2))\"", TIME_MAX).unwrap(), "42\n");
    }

    #[test]
    fn a_command_that_fails_hangs_or_prints_too_much_is_refused_without_repeating_what_it_prints() {
        assert!(refused("echo s3cret; exit 3").contains("exit status: 3"));
        assert!(refused("kill -9 $$").contains("signal"));
        assert!(refused("no-such-command-anywhere 2>/dev/null").contains("127"));
        assert!(refused("echo s3cret; sleep 60").contains("not ended within 0.3 s"));
        assert!(refused("echo s3cret; exec >&-; sleep 60").contains("not ended within 0.3 s"));
        assert!(refused("while echo s3cret; do :; done").contains("more than 4096 bytes"));
        assert!(refused("printf 's3cret\\377'").contains("no text"));
    }

    #[test]
    fn what_it_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("late");
        let begun = Instant::now();
        refused(&format!("(sleep 1; touch {}) & wait", file.display()));
        std::thread::sleep(Duration::from_millis(1_500).saturating_sub(begun.elapsed()));
        assert!(!file.exists());
    }
}
