//! The package as a machine gets it: made of this program, unpacked, and started as its own unit says, with systemd's side played
//! here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use bellwire_testkit::process::Process;
use serde_json::json;

use crate::harness::{Api, Gate, Home, PATIENCE, Platform, Sink, run, until};

/// A machine on which the package is installed, in a folder.
struct Machine {
    home: Home,
    unit: Vec<(String, String)>,
}

impl Machine {
    fn new() -> Self {
        let home = Home::new();
        let out = home.path("dist");
        let mut package = repository_script("package");
        package.args(["--binary", env!("CARGO_BIN_EXE_bellwire"), "--out"]).arg(&out).env("DEB_COMPRESSION", "0");
        assert_eq!(run(&mut package).code, Some(0), "{package:?}");
        let sums = run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out));
        assert!(sums.success().contains(".deb: OK") && sums.stdout.contains("bellwire: OK"), "{sums:?}");
        let files = fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
        let package = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb")).unwrap();
        let (root, control) = (home.path("root"), home.path("control"));
        run(Command::new("dpkg").arg("-x").args([&package, &root])).success();
        run(Command::new("dpkg").arg("-e").args([&package, &control])).success();
        for _ in 0..2 {
            let configure =
                |old: &str| run(Command::new(control.join("postinst")).args(["configure", old]).env("DPKG_ROOT", &root));
            assert_eq!(configure("").success(), "");
        }
        let unit = fs::read_to_string(root.join("lib/systemd/system/bellwire.service")).unwrap();
        let unit = unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        let unit = unit.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { home, unit }
    }

    /// A path of the machine.
    fn path(&self, path: &str) -> PathBuf {
        self.home.path("root").join(path.trim_start_matches('/'))
    }

    /// What the unit says of something.
    fn says(&self, key: &str) -> Vec<&str> {
        self.unit.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    fn says_once(&self, key: &str) -> &str {
        let [value] = self.says(key)[..] else { panic!("{key}: {:?}", self.unit) };
        value
    }

    /// A command of the package, with what the unit gives to it.
    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(self.path(words.next().unwrap()));
        command.args(words).env_clear();
        let file = self.says_once("EnvironmentFile").trim_start_matches('-');
        let file = fs::read_to_string(self.path(file)).unwrap();
        command.envs(file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')));
        let credentials = self.home.path("credentials");
        fs::create_dir_all(&credentials).unwrap();
        for credential in self.says("LoadCredential") {
            let (name, path) = credential.split_once(':').unwrap();
            fs::copy(self.path(path), credentials.join(name)).unwrap();
        }
        command.env("CREDENTIALS_DIRECTORY", credentials);
        let states = self.path("/var/lib");
        let state = states.join(self.says_once("StateDirectory"));
        fs::create_dir_all(&state).unwrap();
        command.current_dir(self.says_once("WorkingDirectory").replace("%S", states.to_str().unwrap()));
        command.env("STATE_DIRECTORY", state);
        command
    }

    /// Starts the service, and returns once it says that it serves.
    fn start(&self) -> Service {
        let path = self.home.path("notify");
        let _ = fs::remove_file(&path);
        let told = UnixDatagram::bind(&path).unwrap();
        told.set_read_timeout(Some(PATIENCE)).unwrap();
        let watchdog_s: u64 = self.says_once("WatchdogSec").parse().unwrap();
        let mut command = self.command(self.says_once("ExecStart"));
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", (watchdog_s * 1_000_000).to_string());
        let process = Process::start(&mut command);
        let mut said = [0; 64];
        let length = told.recv(&mut said).unwrap();
        assert_eq!(&said[..length], b"READY=1");
        let line = process.line();
        let address = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        let key = fs::read_to_string(self.path("/etc/bellwire/admin-key")).unwrap();
        Service { process, api: Api::new(address, &key), _told: told }
    }
}

/// The running service; whoever supervises it goes on listening.
struct Service {
    process: Process,
    api: Api,
    _told: UnixDatagram,
}

fn repository_script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name))
}

#[test]
fn a_service_that_is_installed_and_killed_loses_nothing() {
    let machine = Machine::new();
    for file in [
        "usr/bin/bellwire",
        "usr/share/man/man1/bellwire.1.gz",
        "usr/share/man/man1/bellwire-serve.1.gz",
        "usr/share/bash-completion/completions/bellwire",
        "usr/share/zsh/vendor-completions/_bellwire",
        "usr/share/fish/vendor_completions.d/bellwire.fish",
        "usr/share/doc/bellwire/copyright",
        "usr/share/doc/bellwire/NOTICE",
    ] {
        assert!(fs::metadata(machine.path(file)).unwrap().len() > 0, "{file}");
    }
    for key in ["master-key", "admin-key"] {
        assert_eq!(fs::metadata(machine.path("etc/bellwire").join(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    // What its operator writes.
    let flags = "BELLWIRE_LISTEN=127.0.0.1:0\nBELLWIRE_ALLOW_NETWORK=127.0.0.0/8\nBELLWIRE_ALLOW_HTTP=true\nBELLWIRE_LOG=warn\n";
    fs::write(machine.path("etc/bellwire/bellwire.env"), flags).unwrap();

    assert_eq!((machine.says_once("Type"), machine.says_once("Restart")), ("notify", "always"));
    let mut service = machine.start();
    let mut platform = Platform::set_up(&service.api, "silver");
    let never = Gate::default();
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let first = platform.publish_any();
    assert_eq!(platform.attempted(&first, 1)["state"], "delivered");
    sink.answer(move |_| {
        never.pass();
        200
    });
    let second = platform.publish_any();
    sink.wait_for(2);
    service.process.kill();
    sink.answer(|_| 200);

    let service = machine.start();
    platform.api = service.api.clone();
    for event in [&first, &second] {
        assert_eq!(platform.attempted(event, 1)["state"], "delivered");
    }
    until("nothing is left to do", || {
        let pending = service.api.get("/v1/deliveries?state=pending&limit=1").expect(200);
        (pending["items"] == json!([])).then_some(())
    });
    let doctor = run(&mut machine.command("/usr/bin/bellwire doctor"));
    assert!(doctor.success().ends_with("is sound\n"), "{doctor:?}");
    assert!(!machine.path("var/lib/bellwire/bellwire.db.master-key").exists(), "the key is not kept beside the database");
}
