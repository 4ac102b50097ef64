//! Every `sslmode` against a real server whose certificate was made for the test, and against one that speaks no TLS. Whether a
//! session is encrypted is asked of the server.

use std::path::{Path, PathBuf};

use bellwire_testkit::authority::{Authority, pem};
use bellwire_testkit::postgres::Cluster;
use bellwire_testkit::proxy::Proxy;
use tempfile::TempDir;

use super::super::session::Session;
use crate::StoreError;
use crate::sql::{Db, params};

/// The name that the server's certificate is for.
const NAME: &str = "db.example";
const IS_ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
/// Who may come how: to a database that takes TLS only, to one that takes none, and to one that takes either.
const RULES: &str = "local all all trust\nhostssl tls_only all 127.0.0.1/32 trust\nhostnossl plain_only all 127.0.0.1/32 trust\n\
     host either all 127.0.0.1/32 trust";

fn write(authority: &Authority, path: &Path) -> PathBuf {
    std::fs::write(path, pem("CERTIFICATE", &authority.certificate)).unwrap();
    path.to_owned()
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
        let issued = right.issue(NAME);
        let (certificate, key) = (pem("CERTIFICATE", &issued.certificate), pem("PRIVATE KEY", &issued.key));
        let cluster = Cluster::start_on_tcp();
        for (file, text) in [("server.crt", certificate.as_str()), ("server.key", &key), ("pg_hba.conf", RULES)] {
            let lines = format!("SELECT unnest(string_to_array('{text}', E'\\n'))");
            cluster.psql("postgres", &format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {file}'"));
        }
        cluster.psql("postgres", "ALTER SYSTEM SET ssl = on");
        for database in ["tls_only", "plain_only", "either"] {
            cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
        }
        cluster.stop();
        cluster.resume();
        let folder = tempfile::tempdir().unwrap();
        let (right, wrong) = (write(&right, &folder.path().join("right.pem")), write(&wrong, &folder.path().join("wrong.pem")));
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
    Db::Postgres(&session).find("pg_stat_ssl", IS_ENCRYPTED, params![])?.unwrap().value("ssl")
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
    for mode in ["prefer", "disable"] {
        assert!(!server.connect(NAME, "plain_only", mode, None).unwrap(), "{mode}");
    }
    server.refused(NAME, "plain_only", "require", None, "SSL encryption");
    server.refused(NAME, "nowhere", "prefer", None, "no encryption");
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
