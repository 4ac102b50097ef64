//! The public half.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pkcs8::LineEnding;
use pkcs8::der::Decode as _;
use pkcs8::spki::{Document, EncodePublicKey as _, SubjectPublicKeyInfoRef};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384};

use super::{EcdsaForm, KeyKind, SignatureAlgorithm};

/// The public half of a key pair.
#[derive(Debug)]
pub(crate) enum VerifyingKey {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    Rsa(Box<rsa::PublicKey>),
}

/// The public half of a key, as receivers are given it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublicKey {
    /// Its id, which follows from the key: 16 hexadecimal digits.
    pub id: String,
    /// The algorithm that it verifies, as JSON Web Keys name it.
    pub algorithm: &'static str,
    /// A JSON Web Key, as JSON.
    pub jwk: String,
    /// PEM of its SPKI.
    pub pem: String,
    /// The key alone, in base64.
    pub public: String,
}

impl VerifyingKey {
    /// Reads PEM of its SPKI, or `whpk_` and the base64 of an Ed25519 key. `None`: this is no public key, whatever it may be.
    pub(super) fn parse_public(kind: KeyKind, text: &str) -> Option<Result<Self, String>> {
        if let Some(bytes) = Self::prefixed(kind, text) {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| wrong(kind));
            return Some(key.map(|key| Self::Ed25519(Box::new(key))));
        }
        text.starts_with("-----BEGIN PUBLIC KEY-----").then(|| Self::from_pem(kind, text))
    }

    fn from_pem(kind: KeyKind, text: &str) -> Result<Self, String> {
        let (_, document) = Document::from_pem(text).map_err(|_| wrong(kind))?;
        let info = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|_| wrong(kind))?;
        match kind {
            KeyKind::Ed25519 => info.try_into().map(|key| Self::Ed25519(Box::new(key))).map_err(|_| wrong(kind)),
            KeyKind::P256 => info.try_into().map(|key| Self::P256(Box::new(key))).map_err(|_| wrong(kind)),
            KeyKind::P384 => info.try_into().map(|key| Self::P384(Box::new(key))).map_err(|_| wrong(kind)),
            KeyKind::Rsa2048 => info.try_into().map(|key| Self::Rsa(Box::new(key))).map_err(|_| wrong(kind)),
        }
    }

    /// `whpk_` and the key, as Standard Webhooks writes it. Without the prefix it could be taken for a private key.
    fn prefixed(kind: KeyKind, text: &str) -> Option<[u8; 32]> {
        let encoded = text.strip_prefix("whpk_").filter(|_| kind == KeyKind::Ed25519)?;
        STANDARD.decode(encoded).ok()?.try_into().ok()
    }

    /// Whether a signature fits.
    pub(crate) fn verify(&self, algorithm: SignatureAlgorithm, form: EcdsaForm, message: &[u8], signature: &[u8]) -> bool {
        let checked = match (self, algorithm) {
            (Self::Ed25519(key), SignatureAlgorithm::Ed25519) => {
                ed25519_dalek::Signature::from_slice(signature).and_then(|signature| key.verify(message, &signature))
            }
            (Self::P256(key), SignatureAlgorithm::EcdsaP256Sha256) => {
                let signature = match form {
                    EcdsaForm::Der => p256::ecdsa::Signature::from_der(signature),
                    EcdsaForm::Raw => p256::ecdsa::Signature::from_slice(signature),
                };
                signature.and_then(|signature| key.verify(message, &signature))
            }
            (Self::P384(key), SignatureAlgorithm::EcdsaP384Sha384) => {
                let signature = match form {
                    EcdsaForm::Der => p384::ecdsa::Signature::from_der(signature),
                    EcdsaForm::Raw => p384::ecdsa::Signature::from_slice(signature),
                };
                signature.and_then(|signature| key.verify(message, &signature))
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha384) => {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha384>::new((**key).clone());
                rsa::pkcs1v15::Signature::try_from(signature).and_then(|signature| key.verify(message, &signature))
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha256) => {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new((**key).clone());
                rsa::pkcs1v15::Signature::try_from(signature).and_then(|signature| key.verify(message, &signature))
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha1) => {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha1>::new((**key).clone());
                rsa::pkcs1v15::Signature::try_from(signature).and_then(|signature| key.verify(message, &signature))
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaPssSha256) => {
                let key = rsa::pss::VerifyingKey::<Sha256>::new((**key).clone());
                rsa::pss::Signature::try_from(signature).and_then(|signature| key.verify(message, &signature))
            }
            _ => return false,
        };
        checked.is_ok()
    }

    /// The DER of its SPKI.
    pub(crate) fn spki(&self) -> Result<Vec<u8>, String> {
        let document = match self {
            Self::Ed25519(key) => key.to_public_key_der(),
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::Rsa(key) => key.to_public_key_der(),
        };
        Ok(document.map_err(|_| unwritable())?.into_vec())
    }

    /// PEM of its SPKI.
    pub(crate) fn pem(&self) -> Result<String, String> {
        let pem = match self {
            Self::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Self::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Self::P384(key) => key.to_public_key_pem(LineEnding::LF),
            Self::Rsa(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(|_| unwritable())
    }

    /// The key alone: the bytes of Ed25519, the uncompressed point of P-256 and P-384, PKCS#1 of RSA.
    pub(crate) fn raw(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Ed25519(key) => Ok(key.to_bytes().to_vec()),
            Self::P256(key) => Ok(key.to_sec1_point(false).as_bytes().to_vec()),
            Self::P384(key) => Ok(key.to_sec1_point(false).as_bytes().to_vec()),
            Self::Rsa(key) => Ok(key.to_pkcs1_der().map_err(|_| unwritable())?.into_vec()),
        }
    }

    /// An id that follows from the key, so that it need not be stored.
    pub(crate) fn id(&self) -> Result<String, String> {
        let digest = Sha256::digest(self.spki()?);
        Ok(hex::encode(digest.get(..8).unwrap_or_default()))
    }

    /// A JSON Web Key (RFC 7517), as JSON.
    pub(crate) fn jwk(&self, algorithm: SignatureAlgorithm) -> Result<String, String> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let own = match self {
            Self::Ed25519(key) => format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, text(key.as_bytes())),
            Self::P256(key) => {
                let point = key.to_sec1_point(false);
                let half = |half: Option<&p256::FieldBytes>| half.map(|bytes| text(bytes)).unwrap_or_default();
                format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, half(point.x()), half(point.y()))
            }
            Self::P384(key) => {
                let point = key.to_sec1_point(false);
                let half = |half: Option<&p384::FieldBytes>| half.map(|bytes| text(bytes)).unwrap_or_default();
                format!(r#""kty":"EC","crv":"P-384","x":"{}","y":"{}""#, half(point.x()), half(point.y()))
            }
            Self::Rsa(key) => {
                format!(r#""kty":"RSA","n":"{}","e":"{}""#, text(&key.n_bytes()), text(&key.e_bytes()))
            }
        };
        Ok(format!(r#"{{{own},"kid":"{}","alg":"{}","use":"sig"}}"#, self.id()?, algorithm.jose()))
    }

    /// Everything that receivers are given.
    pub(crate) fn publish(&self, algorithm: SignatureAlgorithm) -> Result<PublicKey, String> {
        Ok(PublicKey {
            id: self.id()?,
            algorithm: algorithm.jose(),
            jwk: self.jwk(algorithm)?,
            pem: self.pem()?,
            public: STANDARD.encode(self.raw()?),
        })
    }
}

fn wrong(kind: KeyKind) -> String {
    format!("this is not a public key of {}", kind.title())
}

fn unwritable() -> String {
    "the public key cannot be written".to_owned()
}
