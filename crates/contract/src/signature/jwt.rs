//! `jwt`: a JSON Web Token (RFC 7519), signed with an HMAC or a private key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_domain::Secret;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq as _;

use crate::diagnostic::{At, Report};
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::json;
use crate::key_pair::{EcdsaForm, KeptSignatures, PrivateKey, SignatureAlgorithm, VerifyingKey};
use crate::reader::{Fields, join};
use crate::signature::hash::Hash;
use crate::signature::key::{KEY, KeyDerivation};
use crate::signature::scheme::{Receiver, Recipe, Scheme, SchemeKind, Secrets, Token};
use crate::tree::{Member, Tree, first_place};
use crate::variables::Scope;

pub(crate) const JWT: SchemeKind = SchemeKind {
    chosen_by: KeySpec::optional("jwt", Shape::Keys(TOKEN_KEYS), "A JSON Web Token."),
    example: "jwt: {…}",
    keys: &[KEY],
    stray_key: ("a token's signed text and encoding are fixed", "remove this key"),
    secrets: Secrets::Newest,
    read,
};
const TOKEN_KEYS: &[KeySpec] = &[
    KeySpec::optional("alg", Shape::Words(Algorithm::WORDS), "The algorithm; `HS256` unless given."),
    KeySpec::optional("header", Shape::MAP, "More members of the token's header, such as `kid`."),
    KeySpec::required("claims", Shape::MAP, "The claims.", "write the claims, such as `iat: \"{{ attempt.at | unix }}\"`"),
];

bellwire_domain::words! {
    /// How a token is signed.
    enum Algorithm {
        Hs256 = "HS256",
        Hs384 = "HS384",
        Hs512 = "HS512",
        Es256 = "ES256",
        Es384 = "ES384",
        Rs256 = "RS256",
        Rs384 = "RS384",
        Ps256 = "PS256",
        EdDsa = "EdDSA",
    }
}

/// What signs a token.
#[derive(Debug)]
enum Signer {
    Mac(Hash, KeyDerivation),
    KeyPair(SignatureAlgorithm, KeptSignatures),
}

impl Signer {
    fn of(algorithm: Algorithm, key: KeyDerivation) -> Self {
        let key_pair = |algorithm| Self::KeyPair(algorithm, KeptSignatures::default());
        match algorithm {
            Algorithm::Hs256 => Self::Mac(Hash::Sha256, key),
            Algorithm::Hs384 => Self::Mac(Hash::Sha384, key),
            Algorithm::Hs512 => Self::Mac(Hash::Sha512, key),
            Algorithm::Es256 => key_pair(SignatureAlgorithm::EcdsaP256Sha256),
            Algorithm::Es384 => key_pair(SignatureAlgorithm::EcdsaP384Sha384),
            Algorithm::Rs256 => key_pair(SignatureAlgorithm::RsaSha256),
            Algorithm::Rs384 => key_pair(SignatureAlgorithm::RsaSha384),
            Algorithm::Ps256 => key_pair(SignatureAlgorithm::RsaPssSha256),
            Algorithm::EdDsa => key_pair(SignatureAlgorithm::Ed25519),
        }
    }

    fn sign(&self, secret: &str, signed: &str) -> Result<Arc<[u8]>, String> {
        match self {
            Self::Mac(hash, key) => mac(*hash, &key.key(secret)?, signed).map(Into::into).map_err(|failure| failure.message),
            Self::KeyPair(algorithm, kept) => kept.sign(*algorithm, secret, signed),
        }
    }

    /// Whether a signature fits a secret, or the public half of a private key.
    fn fits(&self, secret: &str, signed: &str, signature: &[u8]) -> bool {
        match self {
            Self::Mac(..) => self.sign(secret, signed).is_ok_and(|expected| (*expected).ct_eq(signature).into()),
            Self::KeyPair(algorithm, _) => VerifyingKey::parse(algorithm.kind(), secret)
                .is_ok_and(|key| key.verify(*algorithm, EcdsaForm::Raw, signed.as_bytes(), signature)),
        }
    }
}

fn mac(hash: Hash, key: &[u8], signed: &str) -> Result<Vec<u8>, Failure> {
    hash.mac(key, |sink| {
        sink(signed.as_bytes());
        Ok(())
    })
}

#[derive(Debug)]
struct Jwt {
    algorithm: Algorithm,
    signer: Signer,
    header: Tree,
    claims: Tree,
}

fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Box<dyn Scheme>> {
    let key = KeyDerivation::read(fields, report);
    let jwt = Fields::open(fields.get("jwt")?, &fields.path_of("jwt"), TOKEN_KEYS, report)?;
    let algorithm = jwt.algorithm("alg", report).unwrap_or(Algorithm::Hs256);
    let signer = Signer::of(algorithm, key?);
    if let (Some(node), Signer::KeyPair(..)) = (fields.get(KEY.name), &signer) {
        report.add(node.at, &fields.path_of(KEY.name), format!("the key of {algorithm} is a private key"), "remove this key");
    }
    let claims = Tree::read(jwt.get("claims")?, &jwt.path_of("claims"), &[], report)?;
    let mut header = vec![constant("alg", algorithm.as_str()), constant("typ", "JWT")];
    if let Some(node) = jwt.get("header") {
        let path = jwt.path_of("header");
        match Tree::read(node, &path, &[], report)? {
            Tree::Object(members) => add_to_header(&mut header, members, node.at, &path, report),
            _ => report.add(node.at, &path, "this is not a mapping", "write the header's members, such as `kid: …`"),
        }
    }
    Some(Box::new(Jwt { algorithm, signer, header: Tree::Object(header), claims }))
}

/// Adds what the contract says of a token's header. It may say another `typ`; the algorithm is said by `alg` beside `header`.
fn add_to_header(header: &mut Vec<Member>, members: Vec<Member>, at: At, path: &str, report: &mut Report) {
    let names = |name: &'static str| move |member: &Member| matches!(member, Member::Field { name: known, .. } if known == name);
    if members.iter().any(names("alg")) {
        report.add(at, &join(path, "alg"), "the token's algorithm already stands in its header", "remove this key");
    }
    if members.iter().any(names("typ")) {
        header.retain(|member| !names("typ")(member));
    }
    header.extend(members);
}

fn constant(name: &str, value: &str) -> Member {
    let value = Tree::Constant(format!("\"{value}\""));
    Member::Field { name: name.to_owned(), encoded: format!("\"{name}\""), optional: false, value }
}

impl Jwt {
    /// The captured claims, when one of the secrets signed the token.
    fn claims_signed_with(&self, secrets: &[Secret<String>], token: &str) -> Result<String, String> {
        let malformed = || "the token is not a JWT".to_owned();
        let (signed, mac) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let header = decode_json(header).ok_or_else(malformed)?;
        let payload = decode_json(payload).ok_or_else(malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| malformed())?;
        if json::member(&header, "alg").and_then(json::unquote).as_deref() != Some(self.algorithm.as_str()) {
            return Err(format!("the token's algorithm is not {}", self.algorithm));
        }
        if !secrets.iter().any(|secret| self.signer.fits(secret.expose(), signed, &mac)) {
            return Err("the token's signature does not fit the secret".to_owned());
        }
        Ok(payload)
    }
}

impl Scheme for Jwt {
    fn sign(&self, secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        let start = out.len();
        for (index, tree) in [&self.header, &self.claims].into_iter().enumerate() {
            if index > 0 {
                out.push('.');
            }
            let mut json = String::new();
            tree.render(scope, &mut json)?;
            let room = scope.meter().make(json.len().saturating_mul(2));
            room.map_err(|error| Failure::new(first_place(tree).unwrap_or_default(), error.message))?;
            URL_SAFE_NO_PAD.encode_string(json, out);
        }
        let mac = self.signer.sign(secret, out.get(start..).unwrap_or_default());
        let mac = mac.map_err(|message| Failure::new(first_place(&self.claims).unwrap_or_default(), message))?;
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, out);
        Ok(())
    }

    fn describe(&self) -> String {
        let claims: Vec<String> = self.claims.fields().map(|(name, _, _)| format!("`{name}`")).collect();
        let (algorithm, claims) = (self.algorithm, claims.join(", "));
        match &self.signer {
            Signer::Mac(_, key) => format!("a JWT ({algorithm}) with {} as its key and the claims {claims}", key.describe()),
            Signer::KeyPair(..) => format!("a JWT ({algorithm}), which the public key verifies, with the claims {claims}"),
        }
    }

    fn recipe(&self) -> Recipe<'_> {
        match &self.signer {
            Signer::Mac(hash, key) => {
                Recipe::Token { algorithm: self.algorithm.as_str(), hash: *hash, key, claims: &self.claims }
            }
            Signer::KeyPair(algorithm, _) => Recipe::KeyPair { chosen_by: "jwt.alg", algorithm: *algorithm, over: None },
        }
    }

    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression)) {
        self.header.visit(visitor);
        self.claims.visit(visitor);
    }

    fn check_secret(&self, secret: &str) -> Result<(), String> {
        match &self.signer {
            Signer::Mac(_, key) => key.key(secret).map(drop),
            Signer::KeyPair(algorithm, _) => PrivateKey::parse(algorithm.kind(), secret).map(drop),
        }
    }

    fn as_token(&self) -> Option<&dyn Token> {
        Some(self)
    }
}

impl Token for Jwt {
    fn claims(&self) -> &Tree {
        &self.claims
    }

    /// Checks the algorithm, the signature, the times that every JWT may have, and that the contract's claims are there.
    fn open(&self, text: &str, receiver: &Receiver<'_>) -> Result<String, String> {
        let payload = self.claims_signed_with(receiver.secrets, text)?;
        let seconds = |name: &str| json::member(&payload, name).and_then(|raw| raw.parse::<f64>().ok());
        #[expect(clippy::cast_precision_loss, reason = "seconds of the present fit a double exactly")]
        let now_secs = receiver.now.as_secs() as f64;
        if seconds("exp").is_some_and(|exp| exp <= now_secs) {
            return Err("the token has expired".to_owned());
        }
        if seconds("nbf").is_some_and(|nbf| nbf > now_secs + receiver.tolerance.as_secs_f64()) {
            return Err("the token is not valid yet".to_owned());
        }
        for (name, optional, claim) in self.claims.fields() {
            match (json::member(&payload, name), claim) {
                (Some(raw), Tree::Constant(expected)) if raw != expected => {
                    return Err(format!("the token's claim `{name}` has another value"));
                }
                (None, _) if !optional => return Err(format!("the token has no claim `{name}`")),
                _ => {}
            }
        }
        Ok(payload)
    }
}

fn decode_json(part: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    serde_json::from_str::<&RawValue>(&text).ok()?;
    Some(text)
}
