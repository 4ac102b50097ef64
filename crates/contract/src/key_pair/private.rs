//! The private half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_domain::Secret;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use p256::elliptic_curve::Generate as _;
use pkcs8::der::Decode as _;
use pkcs8::{EncodePrivateKey as _, LineEnding, PrivateKeyInfoRef, SecretDocument};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384};

use super::public::VerifyingKey;
use super::{EcdsaForm, KeyKind, SignatureAlgorithm};

/// The length of a drawn RSA key.
const RSA_BITS: usize = 2_048;
/// The lengths of RSA keys that are taken. A longer one signs too slowly.
const RSA_BITS_TAKEN: std::ops::RangeInclusive<u32> = 2_048..=4_096;

/// The private half of a key pair.
pub(crate) enum PrivateKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Rsa(Box<RsaKey>),
}

/// An RSA key, and what its random numbers are drawn from.
pub(crate) struct RsaKey {
    pub(super) key: rsa::PrivateKey,
    seed: [u8; 32],
}

impl PrivateKey {
    /// A new key as PKCS#8 PEM. `entropy` must be fresh random bytes. An RSA key takes some fifty milliseconds.
    pub(crate) fn draw(kind: KeyKind, entropy: [u8; 32]) -> Result<Secret<String>, String> {
        let failed = |_| "no key could be drawn".to_owned();
        let pem = match kind {
            KeyKind::Ed25519 => ed25519_dalek::SigningKey::from_bytes(&entropy).to_pkcs8_pem(LineEnding::LF),
            KeyKind::P256 => {
                let drawn = p256::SecretKey::generate_from_rng(&mut ChaCha20Rng::from_seed(entropy));
                drawn.to_pkcs8_pem(LineEnding::LF)
            }
            KeyKind::P384 => {
                let drawn = p384::SecretKey::generate_from_rng(&mut ChaCha20Rng::from_seed(entropy));
                drawn.to_pkcs8_pem(LineEnding::LF)
            }
            KeyKind::Rsa2048 => {
                let drawn = rsa::PrivateKey::new(&mut ChaCha20Rng::from_seed(entropy), RSA_BITS);
                drawn.map_err(|_| "no key could be drawn".to_owned())?.to_pkcs8_pem(LineEnding::LF)
            }
        };
        Ok(Secret::new(pem.map_err(failed)?.to_string()))
    }

    /// Reads PEM (PKCS#8, or SEC1 and PKCS#1), or the 32 bytes of an Ed25519 key in base64. The error says what is wrong.
    pub(crate) fn parse(kind: KeyKind, text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.starts_with("-----BEGIN ") {
            return Self::parse_seed(kind, text);
        }
        let (label, document) =
            SecretDocument::from_pem(text).map_err(|_| "this is not PEM: a line is missing or damaged".to_owned())?;
        let der = document.as_bytes();
        let damaged = || format!("this is not the private key of {}, or it is damaged", kind.title());
        match (label, kind) {
            ("PRIVATE KEY", _) => Self::from_pkcs8(kind, der),
            ("EC PRIVATE KEY", KeyKind::P256) => {
                let key = p256::SecretKey::from_sec1_der(der).map_err(|_| damaged())?;
                Ok(Self::P256(Box::new(key.into())))
            }
            ("EC PRIVATE KEY", KeyKind::P384) => {
                let key = p384::SecretKey::from_sec1_der(der).map_err(|_| damaged())?;
                Ok(Self::P384(Box::new(key.into())))
            }
            ("RSA PRIVATE KEY", KeyKind::Rsa2048) => {
                Self::of_rsa(rsa::PrivateKey::from_pkcs1_der(der).map_err(|_| damaged())?, der)
            }
            ("ENCRYPTED PRIVATE KEY", _) => Err("this private key is encrypted: decrypt it first".to_owned()),
            ("EC PRIVATE KEY" | "RSA PRIVATE KEY", _) => Err(other_kind(kind)),
            (label, _) if label.ends_with("PUBLIC KEY") => Err("this is a public key: the private one is what signs".to_owned()),
            (label, _) => Err(format!("this is PEM of a `{label}`, not of a private key")),
        }
    }

    fn parse_seed(kind: KeyKind, text: &str) -> Result<Self, String> {
        let wanted = || match kind {
            KeyKind::Ed25519 => "a private key is PEM (`-----BEGIN PRIVATE KEY-----`), or its 32 bytes in base64".to_owned(),
            KeyKind::P256 | KeyKind::P384 | KeyKind::Rsa2048 => "a private key is PEM: `-----BEGIN PRIVATE KEY-----`".to_owned(),
        };
        let seed = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match (kind, seed) {
            (KeyKind::Ed25519, Some(seed)) => Ok(Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))),
            _ => Err(wanted()),
        }
    }

    fn from_pkcs8(kind: KeyKind, der: &[u8]) -> Result<Self, String> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| "this private key is damaged".to_owned())?;
        match kind {
            KeyKind::Ed25519 => info.try_into().map(|key| Self::Ed25519(Box::new(key))).map_err(|_| other_kind(kind)),
            KeyKind::P256 => {
                let key = p256::SecretKey::try_from(info).map_err(|_| other_kind(kind))?;
                Ok(Self::P256(Box::new(key.into())))
            }
            KeyKind::P384 => {
                let key = p384::SecretKey::try_from(info).map_err(|_| other_kind(kind))?;
                Ok(Self::P384(Box::new(key.into())))
            }
            KeyKind::Rsa2048 => Self::of_rsa(rsa::PrivateKey::try_from(info).map_err(|_| other_kind(kind))?, der),
        }
    }

    fn of_rsa(key: rsa::PrivateKey, der: &[u8]) -> Result<Self, String> {
        let bits = key.n().bit_width();
        if !RSA_BITS_TAKEN.contains(&bits) {
            let (min, max) = (RSA_BITS_TAKEN.start(), RSA_BITS_TAKEN.end());
            return Err(format!("this RSA key has {bits} bits, and {min} to {max} are taken"));
        }
        Ok(Self::Rsa(Box::new(RsaKey { key, seed: Sha256::digest(der).into() })))
    }

    /// The public half.
    pub(crate) fn verifying(&self) -> VerifyingKey {
        match self {
            Self::Ed25519(key) => VerifyingKey::Ed25519(Box::new(key.verifying_key())),
            Self::P256(key) => VerifyingKey::P256(Box::new(*key.verifying_key())),
            Self::P384(key) => VerifyingKey::P384(Box::new(*key.verifying_key())),
            Self::Rsa(key) => VerifyingKey::Rsa(Box::new(key.key.to_public_key())),
        }
    }

    /// Signs. The same message always has the same signature.
    pub(crate) fn sign(&self, algorithm: SignatureAlgorithm, form: EcdsaForm, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "the key cannot sign this".to_owned();
        match (self, algorithm) {
            (Self::Ed25519(key), SignatureAlgorithm::Ed25519) => Ok(key.try_sign(message).map_err(failed)?.to_vec()),
            (Self::P256(key), SignatureAlgorithm::EcdsaP256Sha256) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                Ok(match form {
                    EcdsaForm::Der => signature.to_der().as_bytes().to_vec(),
                    EcdsaForm::Raw => signature.to_bytes().to_vec(),
                })
            }
            (Self::P384(key), SignatureAlgorithm::EcdsaP384Sha384) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                Ok(match form {
                    EcdsaForm::Der => signature.to_der().as_bytes().to_vec(),
                    EcdsaForm::Raw => signature.to_bytes().to_vec(),
                })
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha384) => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha384>::new(key.key.clone());
                Ok(signer.try_sign_with_rng(&mut key.numbers_for(message), message).map_err(failed)?.to_vec())
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha256) => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(key.key.clone());
                Ok(signer.try_sign_with_rng(&mut key.numbers_for(message), message).map_err(failed)?.to_vec())
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaSha1) => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha1>::new(key.key.clone());
                Ok(signer.try_sign_with_rng(&mut key.numbers_for(message), message).map_err(failed)?.to_vec())
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaPssSha256) => {
                let signer = rsa::pss::SigningKey::<Sha256>::new(key.key.clone());
                Ok(signer.try_sign_with_rng(&mut key.numbers_for(message), message).map_err(failed)?.to_vec())
            }
            (_, algorithm) => Err(other_kind(algorithm.kind())),
        }
    }
}

impl VerifyingKey {
    /// Reads a public key, or the public half of a private one.
    pub(crate) fn parse(kind: KeyKind, text: &str) -> Result<Self, String> {
        let text = text.trim();
        Self::parse_public(kind, text).unwrap_or_else(|| Ok(PrivateKey::parse(kind, text)?.verifying()))
    }
}

impl RsaKey {
    /// Random numbers that nobody knows who does not know the key.
    fn numbers_for(&self, message: &[u8]) -> ChaCha20Rng {
        let seed = Sha256::new().chain_update(self.seed).chain_update(message).finalize();
        ChaCha20Rng::from_seed(seed.into())
    }
}

fn other_kind(kind: KeyKind) -> String {
    format!("this is not a key of {}, which this contract signs with", kind.title())
}
