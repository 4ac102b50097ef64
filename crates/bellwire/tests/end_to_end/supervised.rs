//! What systemd gives to a service, and what it is told by it: a socket to say how things are, and credentials.

use std::fs;
use std::os::unix::net::UnixDatagram;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Api, Home, KEY, LOCAL, MASTER_KEY, PATIENCE, Platform, bellwire, run};

/// The end of systemd at which a service says how it is.
pub(crate) struct Told(UnixDatagram);

impl Told {
    /// The socket, and what the service is to be started with so that it is watched.
    pub(crate) fn listen(home: &Home) -> (Self, [(&'static str, String); 2]) {
        let path = home.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may be silent for so long: its pulse is felt every half second.
        let environment = [("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()), ("WATCHDOG_USEC", "2000000".to_owned())];
        (Self(socket), environment)
    }

    /// The next thing that it says.
    pub(crate) fn next(&self) -> String {
        let mut said = [0; 256];
        let length = self.0.recv(&mut said).unwrap();
        String::from_utf8(said[..length].to_vec()).unwrap()
    }

    /// What it has said and nobody has heard yet.
    pub(crate) fn drain(&self) {
        self.0.set_nonblocking(true).unwrap();
        while self.0.recv(&mut [0; 256]).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
    }
}

#[test]
fn it_says_when_it_serves_that_it_lives_and_when_it_stops() {
    let home = Home::new();
    let (told, environment) = Told::listen(&home);
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut server = home.start_in(&environment, &LOCAL);
    assert_eq!(told.next(), "READY=1");
    assert_eq!(server.api.get("/readyz").status, 200);
    for _ in 0..3 {
        assert_eq!(told.next(), "WATCHDOG=1");
    }
    server.signal("TERM");
    let stopping = std::iter::from_fn(|| Some(told.next())).find(|said| said != "WATCHDOG=1");
    assert_eq!(stopping.as_deref(), Some("STOPPING=1"));
    assert!(server.end().success());
}

#[test]
fn a_socket_that_nobody_reads_any_more_is_no_reason_to_end() {
    let home = Home::new();
    let (told, environment) = Told::listen(&home);
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut server = home.start_in(&environment, &LOCAL);
    assert_eq!(told.next(), "READY=1");
    drop(told);
    server.signal("TERM");
    assert!(server.end().success());
    assert!(fs::read_to_string(home.path("log")).unwrap().contains("cannot be told"));
}

#[test]
fn keys_come_as_credentials() {
    let home = Home::new();
    let (handed, other) = (home.path("credentials"), "another-admin-key-of-tests");
    fs::create_dir(&handed).unwrap();
    fs::write(handed.join("master-key"), format!("{MASTER_KEY}\n")).unwrap();
    fs::write(handed.join("admin-key"), format!("{other}\n")).unwrap();
    let credentials = ("CREDENTIALS_DIRECTORY", handed.to_str().unwrap());
    let mut command = bellwire();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--database", &home.database()]).args(LOCAL);
    command.envs([credentials]).stderr(fs::File::create(home.path("log")).unwrap());
    let mut process = bellwire_testkit::process::Process::start(&mut command);
    let line = process.line();
    let address = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    let api = Api::new(address, other);
    Platform::set_up(&api, "silver");
    assert_eq!(api.with_key(KEY).get("/v1/accounts").status, 401);
    process.signal("TERM");
    assert!(process.end().success());
    assert!(!home.path("bellwire.db.master-key").exists(), "none is made beside the database");

    // The key in the environment is the same: the store opens. One that is given goes before a credential.
    let doctor =
        |variable: (&str, &str)| run(bellwire().args(["doctor", "--database", &home.database()]).envs([credentials, variable]));
    assert!(doctor(credentials).success().ends_with("is sound\n"));
    assert!(doctor(("BELLWIRE_MASTER_KEY", MASTER_KEY)).success().ends_with("is sound\n"));
    let wrong = STANDARD.encode([9; 32]);
    assert_ne!(doctor(("BELLWIRE_MASTER_KEY", &wrong)).code, Some(0));
    // A rotation takes the next one from there as well.
    fs::write(handed.join("new-master-key"), &wrong).unwrap();
    let rotated = run(bellwire().args(["keys", "rotate-master", "--database", &home.database()]).envs([credentials]));
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(doctor(("BELLWIRE_MASTER_KEY", &wrong)).success().ends_with("is sound\n"));
    fs::write(handed.join("master-key"), "short").unwrap();
    let refused = run(bellwire().args(["doctor", "--database", &home.database()]).envs([credentials]));
    assert!(refused.refusal().contains("the credential `master-key`: a master key is 32 bytes"), "{refused:?}");
}
