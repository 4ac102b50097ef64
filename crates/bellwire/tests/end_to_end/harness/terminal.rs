//! A terminal with somebody before it: a pseudo terminal, and a program that has it for its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use bellwire_testkit::process::signal;
use bellwire_testkit::waiting::until;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// A terminal of 80 columns and 24 lines, and what runs on it. It is killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    /// Kept open, so that the terminal outlives the program.
    line: File,
    /// How the terminal was before.
    before: String,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a program on a terminal that is its own.
    pub(crate) fn start(command: &Command) -> Self {
        let screen: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        // `setsid` makes it the program's own; this process keeps the one that it may have.
        let line = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&line, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let before = mode(&line);
        let stdio = || Stdio::from(line.try_clone().unwrap());
        let mut own = Command::new("setsid");
        own.arg("--ctty").arg(command.get_program()).args(command.get_args()).env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => own.env(name, value),
                None => own.env_remove(name),
            };
        }
        own.current_dir(command.get_current_dir().unwrap());
        let child = own.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, all) = (File::from(screen.try_clone().unwrap()), Arc::clone(&written));
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, keyboard: File::from(screen), line, before, written }
    }

    /// What was written so far, as it was written.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Waits until all of these were written.
    #[track_caller]
    pub(crate) fn shows(&self, words: &[&str]) {
        let missing = || words.iter().find(|word| !self.written().contains(**word));
        until(&format!("{words:?} are on the screen"), || missing().is_none().then_some(()));
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the program's end.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the program has ended", || self.child.try_wait().unwrap())
    }

    /// Whether keys are read and shown as before the start, and the screen of before is back, with its cursor.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        assert_eq!(mode(&self.line), self.before, "the mode");
        let written = self.written();
        let after = |sequence: &str| written.rfind(sequence).unwrap_or_else(|| panic!("no {sequence:?} in {written:?}"));
        assert!(after("\u{1b}[?1049l") > after("\u{1b}[?1049h"), "the screen: {written:?}");
        assert!(after("\u{1b}[?25h") > after("\u{1b}[?25l"), "the cursor: {written:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(line: &File) -> String {
    let mode = tcgetattr(line).unwrap();
    format!("{:?}", (mode.input_modes, mode.output_modes, mode.control_modes, mode.local_modes))
}
