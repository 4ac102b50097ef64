//! Files that cannot be used, and those that can but should not stay as they are.

use super::*;

const CERTIFICATE: (&str, &str) = ("--tls-cert", "cert.pem");
const KEY: (&str, &str) = ("--tls-key", "key.pem");
const AUTHORITIES: (&str, &str) = ("--tls-client-ca", "clients.pem");

/// Why files are refused of which one holds this, in one line that names it.
#[track_caller]
fn refused((flag, name): (&str, &str), held: &[u8], word: &str) -> String {
    let authority = Authority::new("ours");
    let folder = Folder::with(&authority.issue(HOST)).asking_for(&authority);
    let path = folder.folder.path().join(name);
    fs::write(&path, held).unwrap();
    let error = Tls::load(folder.files, Arc::new(ManualClock::default())).err().expect("they are refused");
    let line = format!("{error:#}");
    assert!(line.starts_with(&format!("{flag} {}: ", path.display())) && line.contains(word), "`{word}` is not in: {line}");
    line
}

#[test]
fn what_cannot_be_used_is_refused_by_flag_and_name() {
    let identity = Authority::new("ours").issue(HOST);
    let (certificate, key) = (pem("CERTIFICATE", &identity.certificate), pem("PRIVATE KEY", &identity.key));
    for file in [CERTIFICATE, KEY, AUTHORITIES] {
        refused(file, b"", "must be PEM");
        refused(file, &identity.certificate, "must be PEM");
        refused(file, b"-----BEGIN CERTIFICATE-----\nAAAA", "damaged");
        refused(file, &vec![b'x'; 2 << 20], "larger");
    }
    for file in [CERTIFICATE, AUTHORITIES] {
        refused(file, key.as_bytes(), "there is no certificate in it");
        refused(file, pem("CERTIFICATE", b"none").as_bytes(), "cannot be read");
    }
    refused(KEY, certificate.as_bytes(), "there is no key in it");
    refused(KEY, pem("ENCRYPTED PRIVATE KEY", &identity.key).as_bytes(), "passphrase");
    refused(KEY, pem("PRIVATE KEY", b"none").as_bytes(), "failed to parse private key");
    let line = refused(KEY, key.as_bytes(), "not the key of the certificate in --tls-cert");
    assert!(line.ends_with("cert.pem"), "{line}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let authority = Authority::new("ours");
    for (flag, name) in [CERTIFICATE, KEY, AUTHORITIES] {
        let folder = Folder::with(&authority.issue(HOST)).asking_for(&authority);
        let path = folder.folder.path().join(name);
        fs::remove_file(&path).unwrap();
        let line = format!("{:#}", Tls::load(folder.files, Arc::new(ManualClock::default())).err().expect("they are refused"));
        assert!(line.starts_with(&format!("{flag} {}: No such file", path.display())), "{line}");
    }
}

/// As most servers' certificates come: their own, and those that lead to the signer; and a key beside other sections.
#[test]
fn a_file_may_hold_more_than_one_section() {
    let authority = Authority::new("ours");
    let identity = authority.issue(HOST);
    let folder = Folder::with(&identity);
    let sections =
        [("CERTIFICATE", &identity.certificate), ("CERTIFICATE", &authority.certificate), ("PRIVATE KEY", &identity.key)];
    let all = sections.map(|(kind, der)| pem(kind, der) + "\n").concat();
    fs::write(&folder.files.certificate, &all).unwrap();
    fs::write(&folder.files.key, &all).unwrap();
    folder.load();
}

#[test]
fn what_should_be_seen_to_is_said() {
    let authority = Authority::new("ours");
    let folder = Folder::with(&authority.issue(HOST));
    let tls = folder.load();
    let concerns = |tls: &Tls, at: &str| tls.concerns(Timestamp::parse_rfc3339(at).unwrap());
    // Without a wish of its own, a certificate of the tests ends with the year 4095.
    assert_eq!(concerns(&tls, "4095-12-17T00:00:00Z"), [""; 0]);
    let soon = concerns(&tls, "4095-12-19T00:00:00Z");
    assert!(soon.len() == 1 && soon[0].contains("--tls-cert") && soon[0].contains("expires at 4096-01-01T00:00:00"), "{soon:?}");
    let late = concerns(&tls, "4096-01-01T00:00:00Z");
    assert!(late.len() == 1 && late[0].contains("expired at 4096-01-01T00:00:00"), "{late:?}");

    folder.hold(&authority.issue_expired(HOST));
    fs::set_permissions(&folder.files.key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(tls.reload(), Reloaded::Renewed), "it is used all the same");
    let both = concerns(&tls, "2025-01-15T00:00:00Z");
    assert!(both.len() == 2 && both[0].contains("expired at 2001-01-01"), "{both:?}");
    assert!(both[1].contains("--tls-key") && both[1].contains("mode 640"), "{both:?}");
}
