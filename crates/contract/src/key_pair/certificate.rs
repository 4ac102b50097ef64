//! A certificate over a key that signs itself, for receivers that take nothing else.
//!
//! It proves nothing that the key alone does not. So that the same key always has the same certificate, its times are fixed.

use std::str::FromStr as _;

use pkcs8::LineEnding;
use sha2::{Digest as _, Sha256};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::{Decode as _, EncodePem as _};
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::PrivateKey;

/// The most characters of a common name (RFC 5280).
const NAME_LENGTH_MAX: usize = 64;
const NOT_BEFORE: &str = "2020-01-01T00:00:00Z";
/// What RFC 5280 writes for a certificate that does not expire.
const NOT_AFTER: &str = "9999-12-31T23:59:59Z";

/// Whose certificate it is, and who signs it.
struct OfItself(Name);

impl BuilderProfile for OfItself {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _certificate: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}

impl PrivateKey {
    /// The certificate as PEM. `name` is whose key it is.
    pub(crate) fn certificate(&self, name: &str) -> Result<String, String> {
        self.build(name).map_err(|_| "no certificate can be made for this key".to_owned())
    }

    fn build(&self, name: &str) -> x509_cert::builder::Result<String> {
        let spki = self.verifying().spki().unwrap_or_default();
        let key = SubjectPublicKeyInfo::from_der(&spki)?;
        let digest = Sha256::digest(&spki);
        let serial: Vec<u8> = std::iter::once(0x40).chain(digest.into_iter().take(7)).collect(); // positive
        let validity = Validity::new(Time::from_str(NOT_BEFORE)?, Time::from_str(NOT_AFTER)?);
        let subject = Name::from_str(&format!("CN={}", escaped(name)))?;
        let builder = CertificateBuilder::new(OfItself(subject), SerialNumber::new(&serial)?, validity, key)?;
        let certificate = match self {
            Self::Ed25519(key) => builder.build::<_, ed25519_dalek::Signature>(&**key)?,
            Self::P256(key) => builder.build::<_, p256::ecdsa::DerSignature>(&**key)?,
            Self::P384(key) => builder.build::<_, p384::ecdsa::DerSignature>(&**key)?,
            Self::Rsa(key) => {
                builder.build::<_, rsa::pkcs1v15::Signature>(&rsa::pkcs1v15::SigningKey::<Sha256>::new(key.key.clone()))?
            }
        };
        Ok(certificate.to_pem(LineEnding::LF)?)
    }
}

/// A name as RFC 4514 writes it.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for letter in name.trim().chars().take(NAME_LENGTH_MAX) {
        if r#"\",;+<>#="#.contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
