//! Public keys as JSON Web Keys (RFC 7517 and RFC 7518 §6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::BoxedUint;
use serde_json::{Map, Value};

use super::public::VerifyingKey;

/// The lengths of RSA keys that are taken: a shorter one is not safe, and a longer one takes long to check with.
const RSA_BITS_TAKEN: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// Bytes of a coordinate on P-384.
const P384_BYTES: usize = 48;

/// The key that the members of a JSON Web Key describe: RSA of 2048 to 4096 bits, or P-384. Otherwise, why it is none of these.
pub(crate) fn read(members: &Map<String, Value>) -> Result<VerifyingKey, String> {
    match text(members, "kty") {
        Some("RSA") => rsa_key(members),
        Some("EC") if text(members, "crv") == Some("P-384") => p384_key(members),
        Some("EC") => Err("its curve is not P-384".to_owned()),
        _ => Err("it is neither an RSA key nor one on P-384".to_owned()),
    }
}

fn rsa_key(members: &Map<String, Value>) -> Result<VerifyingKey, String> {
    let (modulus, exponent) = (bytes(members, "n")?, bytes(members, "e")?);
    let modulus = modulus.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(0));
    if !RSA_BITS_TAKEN.contains(&bits) {
        return Err(format!("an RSA key has 2048 to 4096 bits, and this one has {bits}"));
    }
    // The exponent has at most 33 bits; more would only be slow to read.
    let exponent = exponent.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    let wrong = || "its `n` and `e` are not those of an RSA key".to_owned();
    let is_out_of_range = exponent.len() > 5 || matches!(exponent.as_slice(), [] | [0..=2]);
    if is_out_of_range {
        return Err(wrong());
    }
    let number = BoxedUint::from_be_slice_vartime;
    let key = rsa::PublicKey::new(number(&modulus), number(&exponent)).map_err(|_| wrong())?;
    Ok(VerifyingKey::Rsa(Box::new(key)))
}

fn p384_key(members: &Map<String, Value>) -> Result<VerifyingKey, String> {
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    let wrong = || "its `x` and `y` are no point on P-384".to_owned();
    if x.len() != P384_BYTES || y.len() != P384_BYTES {
        return Err(wrong());
    }
    let point = [[4].as_slice(), &x, &y].concat();
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| wrong())?;
    Ok(VerifyingKey::P384(Box::new(key)))
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let found = text(members, name).ok_or_else(|| format!("it has no `{name}`"))?;
    URL_SAFE_NO_PAD.decode(found).map_err(|_| format!("its `{name}` is not base64url without padding"))
}
