//! Child processes: the sink, the server under test, and what they cost according to the system.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::task::TaskTracker;

use crate::client::{Client, PATIENCE};

/// USER_HZ, fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a killed process may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// 32 zero bytes: nothing sealed under it is secret.
const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// The admin key of a server under test, which only this machine reaches.
const KEY: &str = "bwk_bench_bench_bench_bench_bench_bench";

/// How a server is started, beyond what all have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setup<'a> {
    /// Worker threads; `None`: as many as processors.
    pub(crate) threads: Option<usize>,
    /// A file of a contract that is not built in.
    pub(crate) contract: Option<&'a Path>,
    /// A file of the authorities that it trusts; `None`: the system's.
    pub(crate) trusts: Option<&'a Path>,
}

/// A process of the measurement; it ends with the measurement.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    pub(crate) key: String,
    /// From its start until it took requests.
    pub(crate) ready_after: Duration,
    folder: Option<TempDir>,
}

/// The server's binary.
pub(crate) fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("bellwire");
    let path = given.map_or(beside, Path::to_owned);
    if !path.exists() {
        bail!("{} does not exist; run `cargo build --profile dist` first, or name it with --server", path.display());
    }
    Ok(path)
}

impl Process {
    pub(crate) async fn sink() -> anyhow::Result<Self> {
        let (child, line) = own(&["--sink".as_ref()]).await.context("the sink")?;
        Self::receiver(child, &line)
    }

    /// Receivers of a platform's day, or prompt ones, with what they identify themselves with in a folder; and their port.
    pub(crate) async fn receivers(folder: &Path, are_prompt: bool) -> anyhow::Result<(Self, u16)> {
        let arguments = ["--receivers".as_ref(), folder.as_os_str(), "--prompt".as_ref()];
        let given = if are_prompt { &arguments[..] } else { &arguments[..2] };
        let (child, line) = own(given).await.context("the receivers")?;
        let (asked, port) = line.split_once(' ').with_context(|| format!("no ports in `{line}`"))?;
        Ok((Self::receiver(child, asked)?, port.parse()?))
    }

    /// What is asked at this port for what has arrived.
    fn receiver(child: Child, port: &str) -> anyhow::Result<Self> {
        Ok(Self { child, port: port.parse()?, key: String::new(), ready_after: Duration::ZERO, folder: None })
    }

    /// A server on a new store.
    pub(crate) async fn server(binary: &Path, tasks: &TaskTracker) -> anyhow::Result<Self> {
        Self::server_in(binary, tempfile::tempdir()?, Setup::default(), tasks).await
    }

    /// A server on the store in a folder; it is ready when this returns.
    pub(crate) async fn server_in(binary: &Path, folder: TempDir, setup: Setup<'_>, tasks: &TaskTracker) -> anyhow::Result<Self> {
        let database = format!("sqlite:{}", folder.path().join("bench.db").display());
        let mut server = Self::server_on(binary, database, setup, tasks).await?;
        server.folder = Some(folder);
        Ok(server)
    }

    /// A server on a database; it is ready when this returns.
    pub(crate) async fn server_on(
        binary: &Path,
        database: String,
        setup: Setup<'_>,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8", "--allow-http", "--log", "error"])
            .args(["--account-backlog-max", "100000000"])
            .args(["--database", &database])
            .args(setup.threads.map(|threads| format!("--worker-threads={threads}")))
            .args(setup.contract.map(|file| format!("--contracts={}", file.display())))
            .envs(setup.trusts.map(|file| ("SSL_CERT_FILE", file)))
            .env("BELLWIRE_ADMIN_KEY", KEY)
            .env("BELLWIRE_MASTER_KEY", MASTER_KEY)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the server does not start")?;
        let line = first_line(&mut child).await.context("the server; run it by hand to see why")?;
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok()).with_context(|| format!("no port in `{line}`"))?;
        let ready = ready(port, tasks);
        tokio::time::timeout(PATIENCE, ready).await.context("the server does not get ready")??;
        Ok(Self { child, port, key: KEY.to_owned(), ready_after: started.elapsed(), folder: None })
    }

    /// Ends it with SIGKILL; returns its folder.
    pub(crate) async fn kill(mut self) -> anyhow::Result<TempDir> {
        self.child.kill().await?;
        self.folder.take().context("it has no folder")
    }

    /// CPU seconds used so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
    }

    /// The most memory it ever held, in MiB.
    pub(crate) fn peak_memory_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no VmHWM")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no VmHWM")?.parse()?;
        Ok(kib / 1_024.0)
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }
}

impl Drop for Process {
    /// Waits until it has ended, so that it does not write into its folder while that is removed.
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// This program in another part, which it has until its input ends; and what it says first.
async fn own(arguments: &[&OsStr]) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("it does not start")?;
    let line = first_line(&mut child).await?;
    Ok((child, line))
}

/// The first line that a child prints.
async fn first_line(child: &mut Child) -> anyhow::Result<String> {
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.context("it says nothing")?;
    line?.context("it ended")
}

/// Waits until a server says that it is ready.
async fn ready(port: u16, tasks: &TaskTracker) -> anyhow::Result<()> {
    let mut client = Client::connect(port, KEY, tasks).await?;
    while client.send(Method::GET, "/readyz", Bytes::new()).await?.0 != 200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
