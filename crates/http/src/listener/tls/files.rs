//! The files of TLS: what they hold, and what is made of it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bellwire_domain::Timestamp;
use bellwire_domain::time::Zone;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use x509_cert::der::Decode as _;

/// What a file may hold at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long before its end a certificate should have been renewed.
const RENEWAL_DUE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Where they are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate to show, and those that lead to its signer.
    pub certificate: PathBuf,
    /// That certificate's key.
    pub key: PathBuf,
    /// Who signs the certificates of callers; `None`: they need none.
    pub client_authorities: Option<PathBuf>,
}

/// What they held at one moment.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Pem,
    key: Pem,
    client_authorities: Option<Pem>,
}

/// What listeners can work with.
pub(super) struct Made {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate expires, if it says so in a way that we can read.
    pub(super) expires_at: Option<Timestamp>,
}

impl TlsFiles {
    pub(super) fn read(&self) -> anyhow::Result<Contents> {
        Ok(Contents {
            certificate: Pem::read("--tls-cert", &self.certificate)?,
            key: Pem::read("--tls-key", &self.key)?,
            client_authorities: self.client_authorities.as_ref().map(|path| Pem::read("--tls-client-ca", path)).transpose()?,
        })
    }

    /// What is to be said of a certificate that expires then, if anything.
    pub(super) fn concern_of_expiry(&self, expires_at: Timestamp, now: Timestamp) -> Option<String> {
        let (path, at) = (self.certificate.display(), expires_at.rfc3339(0, Zone::Zulu));
        if expires_at <= now {
            Some(format!("--tls-cert {path}: the certificate expired at {at}: callers refuse it"))
        } else if expires_at.since(now) <= RENEWAL_DUE {
            Some(format!("--tls-cert {path}: the certificate expires at {at}: renew it"))
        } else {
            None
        }
    }

    /// What is to be said of who may read the key, if anything.
    pub(super) fn concern_of_key(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.key).ok()?.permissions().mode() & 0o777;
        let (path, others) = (self.key.display(), mode & 0o077);
        (others != 0).then(|| format!("--tls-key {path}: others may read the key (mode {mode:o}); it should have mode 600"))
    }
}

/// Makes what listeners work with; an error names the flag and the file.
pub(super) fn make(contents: &Contents) -> anyhow::Result<Made> {
    let provider = Arc::new(ring::default_provider());
    let key = certified_key(contents, &provider)?;
    let expires_at = key.cert.first().and_then(expiry);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).context("TLS")?;
    let builder = match &contents.client_authorities {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let authorities = Arc::new(pem.authorities()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider).build();
            builder.with_client_cert_verifier(verifier.with_context(|| pem.name.clone())?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if contents.client_authorities.is_some() {
        // A session that is resumed shows no certificate again, and its own may have expired since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Made { config: Arc::new(config), expires_at })
}

/// The certificate together with its key, which must be its own.
fn certified_key(contents: &Contents, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (certificate, key) = (&contents.certificate, &contents.key);
    let chain = certificate.certificates()?;
    let signing = provider.key_provider.load_private_key(key.private_key()?);
    let certified = CertifiedKey::new(chain, signing.with_context(|| key.name.clone())?);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => bail!("{}: it is not the key of the certificate in {}", key.name, certificate.name),
        Err(error) => Err(error).with_context(|| format!("{}: the first certificate cannot be read", certificate.name)),
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let since_epoch = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(since_epoch.as_secs()).ok().map(Timestamp::from_secs)
}

/// One file, and how errors name it.
#[derive(PartialEq, Eq)]
struct Pem {
    name: String,
    bytes: Vec<u8>,
}

impl Pem {
    fn read(flag: &str, path: &Path) -> anyhow::Result<Self> {
        let name = format!("{flag} {}", path.display());
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        let length = read.with_context(|| name.clone())?;
        if length as u64 > FILE_BYTES_MAX {
            bail!("{name}: it is larger than {FILE_BYTES_MAX} bytes");
        }
        Ok(Self { name, bytes })
    }

    /// All sections that are a `T`. What is wrong with one that cannot be read is not repeated: it may be part of a key.
    fn sections<T: PemObject>(&self) -> anyhow::Result<Vec<T>> {
        let sections: Result<_, _> = T::pem_slice_iter(&self.bytes).collect();
        sections.ok().with_context(|| format!("{}: a section of it is cut off or damaged; write PEM", self.name))
    }

    fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let certificates = self.sections()?;
        if certificates.is_empty() {
            bail!("{}: there is no certificate in it{}", self.name, self.held()?);
        }
        Ok(certificates)
    }

    fn private_key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        match self.sections()?.into_iter().next() {
            Some(key) => Ok(key),
            None => bail!("{}: there is no key in it that can be used, which has no passphrase{}", self.name, self.held()?),
        }
    }

    fn authorities(&self) -> anyhow::Result<RootCertStore> {
        let mut authorities = RootCertStore::empty();
        for certificate in self.certificates()? {
            authorities.add(certificate).with_context(|| format!("{}: a certificate cannot be read", self.name))?;
        }
        Ok(authorities)
    }

    /// What is there in place of what was looked for.
    fn held(&self) -> anyhow::Result<&'static str> {
        let sections: Vec<(SectionKind, Vec<u8>)> = self.sections()?;
        Ok(if sections.is_empty() { "; it must be PEM, text that begins with -----BEGIN" } else { "" })
    }
}
