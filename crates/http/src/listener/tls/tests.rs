//! Callers and certificates, with an authority that is made for each test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bellwire_testkit::ManualClock;
use bellwire_testkit::authority::{Authority, Identity, pem};
use bellwire_testkit::waiting::PATIENCE;
use http::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Secured;
use tokio_util::task::TaskTracker;

use super::*;
use crate::listener::{ListenerLimits, Service, serve};

mod files;

const HOST: &str = "hooks.example";
const ASKING: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A folder with the files of one server.
struct Folder {
    folder: TempDir,
    files: TlsFiles,
}

impl Folder {
    /// With a certificate, and for callers without one.
    fn with(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let this = Self { folder, files: TlsFiles { certificate, key, client_authorities: None } };
        this.hold(identity);
        this
    }

    /// The same for callers that this authority knows.
    fn asking_for(self, authority: &Authority) -> Self {
        let path = self.folder.path().join("clients.pem");
        fs::write(&path, pem("CERTIFICATE", &authority.certificate)).unwrap();
        let files = TlsFiles { client_authorities: Some(path), ..self.files };
        Self { files, ..self }
    }

    fn hold(&self, identity: &Identity) {
        fs::write(&self.files.certificate, pem("CERTIFICATE", &identity.certificate)).unwrap();
        fs::write(&self.files.key, pem("PRIVATE KEY", &identity.key)).unwrap();
        fs::set_permissions(&self.files.key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self) -> Tls {
        Tls::load(self.files.clone(), Arc::new(ManualClock::default())).unwrap()
    }
}

/// A listener that answers `GET /`.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    async fn start(tls: &Tls, quiet_max: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ListenerLimits { quiet_max, ..ListenerLimits::default() };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let router = Router::new().route("/", get(async || "well"));
        let service = Service { router, limits, tls: Some(tls.clone()), clock: Arc::new(ManualClock::default()) };
        tasks.spawn(serve(listener, service, stop.clone()));
        tasks.close();
        Self { address, stop, tasks }
    }

    /// Whatever has no limit of its own.
    async fn patient(tls: &Tls) -> Self {
        Self::start(tls, PATIENCE * 10).await
    }

    async fn connect(&self, caller: ClientConfig) -> std::io::Result<Secured<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connecting = TlsConnector::from(Arc::new(caller)).connect(ServerName::try_from(HOST).unwrap(), stream);
        tokio::time::timeout(PATIENCE, connecting).await.expect("it is answered")
    }
}

/// A caller that trusts this authority.
fn caller(authority: &Authority) -> ClientConfig {
    speaking(&[&TLS13, &TLS12], authority, None)
}

/// One that has a certificate of its own.
fn known_caller(authority: &Authority, identity: Identity) -> ClientConfig {
    speaking(&[&TLS13, &TLS12], authority, Some(identity))
}

fn speaking(versions: &[&'static SupportedProtocolVersion], authority: &Authority, identity: Option<Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone().into()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = identity.key.try_into().unwrap();
            builder.with_client_auth_cert(vec![identity.certificate.into()], key).unwrap()
        }
    }
}

/// The certificate that the server has shown.
fn shown(stream: &Secured<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Asks on a connection that is kept; whether it is answered.
async fn is_answered(stream: &mut Secured<TcpStream>) -> bool {
    let asking = async {
        stream.write_all(ASKING).await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\nwell") {
            rest.push(stream.read_u8().await.ok()?);
        }
        Some(status == *b"HTTP/1.1 200")
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is answered, or the connection ends").unwrap_or(false)
}

/// Everything that comes until the server closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    let _ = read; // closing with unread bytes is a reset
    bytes
}

#[tokio::test]
async fn callers_get_the_certificate_over_either_version() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let identity = authority.issue(HOST);
    let running = Running::patient(&Folder::with(&identity).load()).await;
    for version in [&TLS13, &TLS12] {
        let mut stream = running.connect(speaking(&[version], &authority, None)).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(shown(&stream), identity.certificate);
        assert!(is_answered(&mut stream).await);
    }
    assert!(running.connect(caller(&other)).await.is_err(), "and whoever trusts somebody else does not take it");
}

#[tokio::test]
async fn http2_and_http1_are_agreed_on() {
    let authority = Authority::new("ours");
    let running = Running::patient(&Folder::with(&authority.issue(HOST)).load()).await;
    let connect = async |protocols: &[&str]| {
        let mut caller = caller(&authority);
        caller.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = running.connect(caller).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap());
        (stream, agreed)
    };
    let (stream, agreed) = connect(&["http/1.1", "h2"]).await;
    assert_eq!(agreed.as_deref(), Some("h2"), "the newer one, if the caller speaks it");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(connection);
    let answer = sender.send_request(Request::get("https://hooks.example/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    for (offered, expected) in [(&["http/1.1"][..], Some("http/1.1")), (&[], None)] {
        let (mut stream, agreed) = connect(offered).await;
        assert_eq!(agreed.as_deref(), expected);
        assert!(is_answered(&mut stream).await);
    }
}

#[tokio::test]
async fn new_files_are_for_new_connections_and_old_ones_go_on() {
    let authority = Authority::new("ours");
    let (before, after) = (authority.issue(HOST), authority.issue(HOST));
    let folder = Folder::with(&before);
    let tls = folder.load();
    let running = Running::patient(&tls).await;
    let mut old = running.connect(caller(&authority)).await.unwrap();
    assert!(matches!(tls.reload_if_changed(), Reloaded::Unchanged));
    folder.hold(&after);
    assert!(matches!(tls.reload_if_changed(), Reloaded::Renewed));
    let mut new = running.connect(caller(&authority)).await.unwrap();
    assert_eq!((shown(&old), shown(&new)), (before.certificate, after.certificate));
    assert!(is_answered(&mut old).await && is_answered(&mut new).await);
    assert!(matches!(tls.reload_if_changed(), Reloaded::Unchanged));
    assert!(matches!(tls.reload(), Reloaded::Renewed), "who asks for it has them read in any case");
}

#[tokio::test(start_paused = true)]
async fn the_files_are_looked_at_again_and_again_until_the_server_stops() {
    let authority = Authority::new("ours");
    let folder = Folder::with(&authority.issue(HOST));
    let tls = folder.load();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(keep_tls_fresh(tls.clone(), signal(SignalKind::hangup()).unwrap(), stop.clone()));
    tasks.close();
    let used = || Arc::clone(&tls.0.state.lock().used.config);
    for _ in 0..2 {
        let before = used();
        folder.hold(&authority.issue(HOST));
        let looking = async {
            while Arc::ptr_eq(&before, &used()) {
                tokio::time::sleep(LOOK_EVERY / 10).await;
            }
        };
        tokio::time::timeout(LOOK_EVERY * 100, looking).await.expect("the new files are found");
    }
    stop.cancel();
    tokio::time::timeout(PATIENCE, tasks.wait()).await.expect("it ends");
}

#[tokio::test]
async fn broken_files_change_nothing_and_are_told_once() {
    let authority = Authority::new("ours");
    let (before, after) = (authority.issue(HOST), authority.issue(HOST));
    let folder = Folder::with(&before);
    let tls = folder.load();
    let running = Running::patient(&tls).await;
    let kept = |word: &str| {
        let Reloaded::Kept(error) = tls.reload_if_changed() else { panic!("it is used: {word}") };
        let line = format!("{error:#}");
        assert!(line.contains(word) && line.contains("--tls-cert"), "{line}");
        assert!(matches!(tls.reload_if_changed(), Reloaded::Unchanged), "once: {word}");
        assert!(matches!(tls.reload(), Reloaded::Kept(_)), "and again to who asks: {word}");
    };
    fs::write(&folder.files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    kept("cut off");
    fs::write(&folder.files.certificate, pem("CERTIFICATE", &after.certificate)).unwrap();
    kept("not the key of the certificate");
    fs::remove_file(&folder.files.certificate).unwrap();
    kept("No such file");
    assert_eq!(shown(&running.connect(caller(&authority)).await.unwrap()), before.certificate);
    folder.hold(&after);
    assert!(matches!(tls.reload_if_changed(), Reloaded::Renewed));
    assert_eq!(shown(&running.connect(caller(&authority)).await.unwrap()), after.certificate);
}

#[tokio::test]
async fn with_an_authority_for_callers_only_those_that_it_knows_get_in() {
    let (ours, theirs, stranger) = (Authority::new("ours"), Authority::new("theirs"), Authority::new("a stranger"));
    let tls = Folder::with(&ours.issue(HOST)).asking_for(&theirs).load();
    let running = Running::patient(&tls).await;
    let refused = [
        caller(&ours),
        known_caller(&ours, stranger.issue("caller.example")),
        known_caller(&ours, ours.issue("caller.example")),
        known_caller(&ours, theirs.issue_expired("caller.example")),
    ];
    for (index, caller) in refused.into_iter().enumerate() {
        // With TLS 1.3 a caller is done before its certificate is looked at.
        let is_let_in = match running.connect(caller).await {
            Ok(mut stream) => is_answered(&mut stream).await,
            Err(_) => false,
        };
        assert!(!is_let_in, "caller {index}");
    }
    let known = known_caller(&ours, theirs.issue("caller.example"));
    for _ in 0..2 {
        let mut stream = running.connect(known.clone()).await.unwrap();
        assert!(is_answered(&mut stream).await);
        let handshake = stream.get_ref().1.handshake_kind();
        assert_eq!(handshake, Some(rustls::HandshakeKind::Full), "each connection shows its certificate");
    }
}

#[tokio::test]
async fn an_authority_that_is_taken_away_lets_in_no_more_callers() {
    let (ours, first, second) = (Authority::new("ours"), Authority::new("first"), Authority::new("second"));
    let folder = Folder::with(&ours.issue(HOST)).asking_for(&first);
    let tls = folder.load();
    let running = Running::patient(&tls).await;
    let known = known_caller(&ours, first.issue("caller.example"));
    let mut old = running.connect(known.clone()).await.unwrap();
    assert!(is_answered(&mut old).await);
    fs::write(folder.files.client_authorities.as_ref().unwrap(), pem("CERTIFICATE", &second.certificate)).unwrap();
    assert!(matches!(tls.reload_if_changed(), Reloaded::Renewed));
    if let Ok(mut stream) = running.connect(known).await {
        assert!(!is_answered(&mut stream).await);
    }
    assert!(is_answered(&mut old).await, "a connection goes on with what it began with");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let authority = Authority::new("ours");
    let running = Running::start(&Folder::with(&authority.issue(HOST)).load(), Duration::from_millis(100)).await;
    // Nothing, and a record of a handshake that is announced and does not come.
    for sent in [&[][..], &[0x16], &[0x16, 3, 1, 1, 0, 1, 0, 0]] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"", "{sent:?}");
    }
}

#[tokio::test]
async fn dripping_a_handshake_wins_no_time() {
    let authority = Authority::new("ours");
    let running = Running::start(&Folder::with(&authority.issue(HOST)).load(), Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc]).await.unwrap();
    let dripping = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.expect("the server closes");
}

#[tokio::test]
async fn whoever_speaks_something_else_gets_no_answer_and_holds_nobody_up() {
    let authority = Authority::new("ours");
    let running = Running::patient(&Folder::with(&authority.issue(HOST)).load()).await;
    let _silent = TcpStream::connect(running.address).await.unwrap();
    for sent in [ASKING, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", &[0; 64]] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let came = rest(&mut stream).await;
        // TLS may say in a record of its own that this is not TLS (RFC 8446 §6).
        assert!(came.is_empty() || came.starts_with(&[0x15, 3]) && came.len() == 7, "{came:?}");
    }
    assert!(is_answered(&mut running.connect(caller(&authority)).await.unwrap()).await);
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake() {
    let authority = Authority::new("ours");
    let running = Running::patient(&Folder::with(&authority.issue(HOST)).load()).await;
    let mut idle = running.connect(caller(&authority)).await.unwrap();
    assert!(is_answered(&mut idle).await);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    running.stop.cancel();
    tokio::time::timeout(PATIENCE, running.tasks.wait()).await.expect("the listener ends");
    assert_eq!(rest(&mut silent).await, b"");
}
