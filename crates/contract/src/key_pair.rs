//! Key pairs: a private half that signs, and a public half that receivers verify with.
//!
//! Everything here follows from its arguments. Where RSA needs random numbers (for a salt, and to hide what it computes from clocks),
//! they are drawn from the key and the message, so that the same request always has the same signature.

mod certificate;
mod jwk;
mod kept;
mod private;
mod public;

pub(crate) use jwk::read as read_jwk;
pub(crate) use kept::{KeptKeys, KeptSignatures};
pub(crate) use private::PrivateKey;
pub use public::PublicKey;
pub(crate) use public::VerifyingKey;

bellwire_domain::words! {
    /// What kind of key signs.
    pub enum KeyKind {
        /// Ed25519.
        Ed25519 = "ed25519",
        /// ECDSA over P-256.
        P256 = "p256",
        /// ECDSA over P-384.
        P384 = "p384",
        /// RSA. A drawn key has 2048 bits; others may have up to 4096.
        Rsa2048 = "rsa-2048",
    }
}

bellwire_domain::words! {
    /// How a key pair signs.
    pub(crate) enum SignatureAlgorithm {
        Ed25519 = "ed25519",
        EcdsaP256Sha256 = "ecdsa-p256-sha256",
        EcdsaP384Sha384 = "ecdsa-p384-sha384",
        /// PKCS#1 v1.5, as the next two.
        RsaSha256 = "rsa-sha256",
        RsaSha384 = "rsa-sha384",
        RsaSha1 = "rsa-sha1",
        RsaPssSha256 = "rsa-pss-sha256",
    }
}

bellwire_domain::words! {
    /// How the two numbers of an ECDSA signature are written.
    pub(crate) enum EcdsaForm {
        Der = "der",
        /// One after the other, each as long as the curve's field.
        Raw = "raw",
    }
}

/// Whether a text is written as keys are where there are secrets as well: PEM, or a key of Standard Webhooks. No secret can be taken for
/// one, nor a key for a secret: everybody knows the public half, and whoever made an HMAC of it would be believed.
pub(crate) fn is_key(text: &str) -> bool {
    ["-----BEGIN ", "whpk_", "whsk_"].iter().any(|start| text.trim_start().starts_with(start))
}

impl KeyKind {
    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "ECDSA (P-256)",
            Self::P384 => "ECDSA (P-384)",
            Self::Rsa2048 => "RSA",
        }
    }

    /// How a key signs where nothing else says.
    pub(crate) const fn usual_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
            Self::P256 => SignatureAlgorithm::EcdsaP256Sha256,
            Self::P384 => SignatureAlgorithm::EcdsaP384Sha384,
            Self::Rsa2048 => SignatureAlgorithm::RsaSha256,
        }
    }
}

impl SignatureAlgorithm {
    /// What kind of key it needs.
    pub(crate) const fn kind(self) -> KeyKind {
        match self {
            Self::Ed25519 => KeyKind::Ed25519,
            Self::EcdsaP256Sha256 => KeyKind::P256,
            Self::EcdsaP384Sha384 => KeyKind::P384,
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha1 | Self::RsaPssSha256 => KeyKind::Rsa2048,
        }
    }

    /// Its name in JSON Web Keys and Tokens.
    pub(crate) const fn jose(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::EcdsaP256Sha256 => "ES256",
            Self::EcdsaP384Sha384 => "ES384",
            Self::RsaSha256 => "RS256",
            Self::RsaSha384 => "RS384",
            Self::RsaSha1 => "RS1",
            Self::RsaPssSha256 => "PS256",
        }
    }

    /// Its name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA256",
            Self::EcdsaP384Sha384 => "ECDSA P-384 with SHA384",
            Self::RsaSha256 => "RSA PKCS#1 v1.5 with SHA256",
            Self::RsaSha384 => "RSA PKCS#1 v1.5 with SHA384",
            Self::RsaSha1 => "RSA PKCS#1 v1.5 with SHA1",
            Self::RsaPssSha256 => "RSA-PSS with SHA256 and a salt of 32 bytes",
        }
    }
}
