//! Hash functions, and how their bytes are written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::diagnostic::At;
use crate::failure::Failure;

bellwire_domain::words! {
    /// A hash function.
    pub(crate) enum Hash {
        Sha1 = "sha1",
        Sha256 = "sha256",
        Sha384 = "sha384",
        Sha512 = "sha512",
    }
}

bellwire_domain::words! {
    /// How the bytes of a signature are written.
    pub(crate) enum Encoding {
        Hex = "hex",
        UpperHex = "HEX",
        Base64 = "base64",
        Base64Url = "base64url",
    }
}

impl Encoding {
    /// Appends `bytes` to a text.
    pub(crate) fn write(self, bytes: &[u8], out: &mut String) {
        match self {
            Self::Hex => out.push_str(&hex::encode(bytes)),
            Self::UpperHex => out.push_str(&hex::encode_upper(bytes)),
            Self::Base64 => STANDARD.encode_string(bytes, out),
            Self::Base64Url => URL_SAFE_NO_PAD.encode_string(bytes, out),
        }
    }

    /// The bytes that a text stands for.
    pub(crate) fn read(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex | Self::UpperHex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        }
    }

    /// Its name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hex => "lower-case hex",
            Self::UpperHex => "upper-case hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
        }
    }
}

/// What feeds bytes into a hash.
type Feed<'f> = &'f mut dyn FnMut(&[u8]);

impl Hash {
    /// Its name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// An HMAC over what `feed` feeds.
    pub(crate) fn mac(self, key: &[u8], feed: impl FnOnce(Feed<'_>) -> Result<(), Failure>) -> Result<Vec<u8>, Failure> {
        fn run<M: Mac + KeyInit>(key: &[u8], feed: impl FnOnce(Feed<'_>) -> Result<(), Failure>) -> Result<Vec<u8>, Failure> {
            let mac = <M as KeyInit>::new_from_slice(key);
            let mut mac = mac.map_err(|_| Failure::new(At::default(), "the key has the wrong length"))?;
            feed(&mut |bytes| mac.update(bytes))?;
            Ok(mac.finalize().into_bytes().to_vec())
        }
        match self {
            Self::Sha1 => run::<Hmac<Sha1>>(key, feed),
            Self::Sha256 => run::<Hmac<Sha256>>(key, feed),
            Self::Sha384 => run::<Hmac<Sha384>>(key, feed),
            Self::Sha512 => run::<Hmac<Sha512>>(key, feed),
        }
    }

    /// A plain digest of what `feed` feeds.
    pub(crate) fn digest(self, feed: impl FnOnce(Feed<'_>) -> Result<(), Failure>) -> Result<Vec<u8>, Failure> {
        fn run<D: Digest>(feed: impl FnOnce(Feed<'_>) -> Result<(), Failure>) -> Result<Vec<u8>, Failure> {
            let mut digest = D::new();
            feed(&mut |bytes| digest.update(bytes))?;
            Ok(digest.finalize().to_vec())
        }
        match self {
            Self::Sha1 => run::<Sha1>(feed),
            Self::Sha256 => run::<Sha256>(feed),
            Self::Sha384 => run::<Sha384>(feed),
            Self::Sha512 => run::<Sha512>(feed),
        }
    }
}
