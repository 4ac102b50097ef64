//! Every `sslmode` against a real server whose certificate was made for the test, and against one that speaks no TLS. Whether a
//! session is encrypted is asked of the server.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwire_testkit::postgres::Cluster;
use bellwire_testkit::proxy::Proxy;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::super::session::Session;
use crate::StoreError;
use crate::driver::{Db, params};

/// The name that the server's certificate is for.
const NAME: &str = "db.example";
const IS_ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
/// Who may come how: to a database that takes TLS only, and to one that takes either.
const RULES: &str = "local all all trust\nhostssl tls_only all 127.0.0.1/32 trust\nhost either all 127.0.0.1/32 trust";

/// Somebody who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for a host, and its key.
    fn issue(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    }

    fn write(&self, path: &Path) -> PathBuf {
        std::fs::write(path, &self.certificate).unwrap();
        path.to_owned()
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----", lines.join("\n"))
}

/// A server that speaks TLS, and whom to trust.
struct Encrypted {
    cluster: Cluster,
    right: PathBuf,
    wrong: PathBuf,
    _folder: TempDir,
}

impl Encrypted {
    fn start() -> Self {
        let (right, wrong) = (Authority::new("right"), Authority::new("wrong"));
        let (certificate, key) = right.issue(NAME);
        let cluster = Cluster::start_on_tcp();
        for (file, text) in [("server.crt", certificate.as_str()), ("server.key", &key), ("pg_hba.conf", RULES)] {
            let lines = format!("SELECT unnest(string_to_array('{text}', E'\\n'))");
            cluster.psql("postgres", &format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {file}'"));
        }
        for change in ["ALTER SYSTEM SET ssl = on", "CREATE DATABASE tls_only", "CREATE DATABASE either"] {
            cluster.psql("postgres", change);
        }
        cluster.stop();
        cluster.resume();
        let folder = tempfile::tempdir().unwrap();
        let (right, wrong) = (right.write(&folder.path().join("right.pem")), wrong.write(&folder.path().join("wrong.pem")));
        Self { cluster, right, wrong, _folder: folder }
    }

    /// Connects to a host of this name, which is the server whatever the name is.
    fn connect(&self, host: &str, database: &str, mode: &str, roots: Option<&Path>) -> Result<bool, StoreError> {
        let roots = roots.map(|path| format!("&sslrootcert={}", path.display())).unwrap_or_default();
        let port = self.cluster.port();
        is_encrypted(&format!("postgres://bellwire@{host}:{port}/{database}?hostaddr=127.0.0.1&sslmode={mode}{roots}"))
    }

    fn refused(&self, host: &str, database: &str, mode: &str, roots: Option<&Path>, because: &str) {
        let reason = self.connect(host, database, mode, roots).unwrap_err().to_string();
        assert!(reason.contains(because) && !reason.contains('\n'), "{mode}: {reason}");
    }
}

/// Connects, and asks the server whether this session is encrypted.
fn is_encrypted(url: &str) -> Result<bool, StoreError> {
    let session = Session::connect(&url.parse().unwrap(), None)?;
    Db::Postgres(&session).find("pg_stat_ssl", IS_ENCRYPTED, params![])?.unwrap().boolean(0, "ssl")
}

#[test]
fn every_sslmode_does_what_it_says_with_a_server_that_speaks_tls() {
    let server = Encrypted::start();
    let (right, wrong) = (Some(&*server.right), Some(&*server.wrong));
    for (mode, roots, encrypted) in [
        ("disable", None, false),
        ("prefer", None, true),
        ("require", None, true),
        ("require", right, true),
        ("verify-ca", right, true),
        ("verify-full", right, true),
    ] {
        assert_eq!(server.connect(NAME, "either", mode, roots).unwrap(), encrypted, "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        server.refused(NAME, "either", mode, wrong, "UnknownIssuer");
    }
    // Without a signer of one's own, the system's are asked.
    server.refused(NAME, "either", "verify-ca", None, "UnknownIssuer");

    assert!(server.connect("other.example", "either", "verify-ca", right).unwrap(), "the name is not looked at");
    server.refused("other.example", "either", "verify-full", right, "not valid for name");
    server.refused("other.example", "either", "verify-ca", wrong, "UnknownIssuer");
    server.refused(NAME, "either", "verify-full", Some(Path::new("/nowhere.pem")), "/nowhere.pem");

    assert!(server.connect(NAME, "tls_only", "prefer", None).unwrap());
    server.refused(NAME, "tls_only", "disable", None, "no encryption");
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let cluster = Cluster::shared();
    // Over its socket the server speaks none.
    let url = Proxy::start(cluster).url(&cluster.database());
    for mode in ["disable", "prefer"] {
        assert!(!is_encrypted(&format!("{url}?sslmode={mode}")).unwrap(), "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let reason = is_encrypted(&format!("{url}?sslmode={mode}")).unwrap_err().to_string();
        assert!(reason.contains("does not support TLS"), "{mode}: {reason}");
    }
}
