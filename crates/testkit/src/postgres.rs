//! PostgreSQL for tests: a cluster in a temporary folder, shared by all tests of a run, and a database for each.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cluster that runs until this process ends.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// Which also names its socket.
    port: u16,
}

/// PostgreSQL's own port.
const PORT: u16 = 5432;

impl Cluster {
    /// The cluster shared by the tests of a run. nextest starts it, or else the first test that asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os("BELLWIRE_TEST_POSTGRES") {
            Some(folder) => Self { folder: folder.into(), port: PORT },
            None => Self::start(&[]),
        })
    }

    /// A cluster of its own, with settings such as `fsync=on`.
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        Self::start_at(PORT, settings)
    }

    /// A cluster that can also be reached over TCP, at a port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`].
    #[must_use]
    pub fn start_on_tcp() -> Self {
        let port = free_port();
        Self::start_at(port, &[&format!("port={port}"), "listen_addresses=127.0.0.1"])
    }

    fn start_at(port: u16, settings: &[&str]) -> Self {
        let process = std::process::id().to_string();
        let folder = script(&[&["start", process.as_str()], settings].concat());
        Self { folder: folder.into(), port }
    }

    /// The port of [`Cluster::start_on_tcp`].
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A new, empty database: its URL.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub fn database(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // A process's id is given to another one again while the server lives.
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Drops a database that [`Cluster::database`] made.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn drop_database(&self, url: &str) {
        self.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", name(url)));
    }

    /// Stops the server, without waiting for its clients.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub fn stop(&self) {
        script(&["stop", &self.folder.display().to_string()]);
    }

    /// Starts the server again.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn resume(&self) {
        script(&["resume", &self.folder.display().to_string()]);
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://bellwire@:{}/{name}?host={}", self.port, self.folder.display())
    }

    /// The folder with `data` and the server's `log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// Runs SQL in a database as its owner; returns the output.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        psql(&self.url(database), sql)
    }
}

/// The name of the database in a URL that [`Cluster::url`] gave.
pub(crate) fn name(url: &str) -> &str {
    let (address, _) = url.split_once('?').unwrap_or((url, ""));
    address.rsplit_once('/').map_or(address, |(_, name)| name)
}

/// A free port, below those that the system assigns by itself.
#[expect(clippy::expect_used, reason = "a test may panic")]
fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let candidates = std::iter::repeat_with(|| {
        let number = std::process::id().wrapping_mul(31).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % 20_000;
        u16::try_from(10_000 + number).expect("it is small")
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.take(20_000).find(is_free).expect("some port is free")
}

/// Everything in a database, as SQL.
///
/// # Panics
///
/// When that fails.
pub fn dump(url: &str) -> String {
    let text = run(Command::new(Path::new(&bin()).join("pg_dump")).args(["--no-owner", "--no-privileges", "-d", url]));
    // Guards against other dumps, drawn at random each time; older clients do not know them.
    let lines = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Fills an empty database with what [`dump`] made.
///
/// # Panics
///
/// When that fails.
pub fn load(url: &str, file: &Path) {
    let file = file.display().to_string();
    let arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", &file];
    run(Command::new(Path::new(&bin()).join("psql")).args(arguments));
}

/// Runs SQL in the database of a URL that [`Cluster::database`] gave.
///
/// # Panics
///
/// When that fails.
pub fn psql(url: &str, sql: &str) -> String {
    run(Command::new(Path::new(&bin()).join("psql")).args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        url,
        "-c",
        sql,
    ]))
}

/// A transaction that somebody else has open.
pub struct OpenTransaction {
    psql: Child,
    /// Ends psql when it is closed.
    input: ChildStdin,
}

impl OpenTransaction {
    /// Begins one in the database of a URL, and runs SQL in it.
    ///
    /// # Panics
    ///
    /// When that fails.
    #[expect(clippy::expect_used, reason = "a test may panic")]
    pub fn begin(url: &str, sql: &str) -> Self {
        let mut command = Command::new(Path::new(&bin()).join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url]);
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql starts");
        let mut input = psql.stdin.take().expect("it is piped");
        writeln!(input, "BEGIN; {sql};\n\\echo begun").expect("it reads");
        let output = BufReader::new(psql.stdout.take().expect("it is piped"));
        assert!(output.lines().map_while(Result::ok).any(|line| line == "begun"), "{sql}");
        Self { psql, input }
    }

    /// Commits.
    ///
    /// # Panics
    ///
    /// When that fails.
    #[expect(clippy::expect_used, reason = "a test may panic")]
    pub fn commit(self) {
        let Self { mut psql, mut input } = self;
        writeln!(input, "COMMIT;").expect("it reads");
        drop(input);
        assert!(psql.wait().expect("it ends").success());
    }
}

fn bin() -> String {
    static BIN: OnceLock<String> = OnceLock::new();
    BIN.get_or_init(|| script(&["bin"])).clone()
}

fn script(arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/test-postgres");
    run(Command::new(path).args(arguments))
}

#[expect(clippy::expect_used, reason = "a test may panic")]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
