//! A certificate authority for tests, created each time, and what it issues.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Somebody who signs certificates.
pub struct Authority {
    /// Its own certificate, in DER.
    pub certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and its key, both in DER.
pub struct Identity {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key, in PKCS #8.
    pub key: Vec<u8>,
}

#[expect(clippy::expect_used, reason = "a test may panic")]
impl Authority {
    /// Draws a key and signs itself.
    ///
    /// # Panics
    ///
    /// When that fails, as the rest of what is here.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("there is no name to be wrong");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is drawn");
        let certificate = params.self_signed(&key).expect("it signs").der().to_vec();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a host that is good now.
    pub fn issue(&self, host: &str) -> Identity {
        self.sign(&Self::wanted(host))
    }

    /// One for several hosts, or addresses.
    ///
    /// # Panics
    ///
    /// If one is neither.
    pub fn issue_for(&self, hosts: &[String]) -> Identity {
        self.sign(&CertificateParams::new(hosts).expect("they are names or addresses"))
    }

    /// One that was good until 2001.
    pub fn issue_expired(&self, host: &str) -> Identity {
        let mut params = Self::wanted(host);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    /// One that is good until this year.
    pub fn issue_until(&self, host: &str, year: i32) -> Identity {
        let mut params = Self::wanted(host);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    fn wanted(host: &str) -> CertificateParams {
        CertificateParams::new(vec![host.to_owned()]).expect("it is a host's name")
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key is drawn");
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs").der().to_vec();
        Identity { certificate, key: key.serialize_der() }
    }
}

/// DER as a file holds it (RFC 7468); `kind` is such as `CERTIFICATE` or `PRIVATE KEY`.
pub fn pem(kind: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {kind}-----\n");
    for (index, letter) in STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + &format!("\n-----END {kind}-----")
}
