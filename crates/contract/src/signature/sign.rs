//! `sign`: a signature by a private key. Receivers verify it with the public half.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::key_pair::{EcdsaForm, KeptKeys, PrivateKey, SignatureAlgorithm, VerifyingKey};
use crate::reader::Fields;
use crate::signature::hash::Encoding;
use crate::signature::scheme::{ENCODE, OVER, Recipe, Scheme, SchemeKind, Secrets, read_over};
use crate::template::Template;
use crate::variables::Scope;

pub(crate) const SIGN: SchemeKind = SchemeKind {
    chosen_by: KeySpec::optional("sign", Shape::Words(SignatureAlgorithm::WORDS), "A signature by a private key."),
    example: "sign: ed25519",
    keys: &[FORM, OVER, ENCODE],
    stray_key: ("a private key signs as it is", "remove this key"),
    secrets: Secrets::All,
    read,
};
const FORM: KeySpec = KeySpec::optional(
    "form",
    Shape::Words(EcdsaForm::WORDS),
    "How an ECDSA signature is written: `der` unless given, or `raw`, its two numbers one after the other.",
);

#[derive(Debug)]
struct SignatureOver {
    algorithm: SignatureAlgorithm,
    form: EcdsaForm,
    over: Template,
    encode: Encoding,
    keys: KeptKeys,
}

fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Box<dyn Scheme>> {
    let algorithm = fields.algorithm("sign", report);
    let form = fields.word("form", report).unwrap_or(EcdsaForm::Der);
    if let (Some(node), Some(algorithm)) = (fields.get("form"), algorithm)
        && !matches!(algorithm, SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP384Sha384)
    {
        let path = fields.path_of("form");
        report.add(node.at, &path, format!("`{algorithm}` has one form"), "remove this key");
    }
    let encode = fields.word("encode", report).unwrap_or(Encoding::Hex);
    let over = read_over(fields, report)?;
    Some(Box::new(SignatureOver { algorithm: algorithm?, form, over, encode, keys: KeptKeys::default() }))
}

impl Scheme for SignatureOver {
    fn sign(&self, secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        let failed = |message| Failure::new(self.over.at, message);
        let key = self.keys.parse(self.algorithm.kind(), secret).map_err(failed)?;
        let message = self.over.render(scope)?;
        self.encode.write(&key.sign(self.algorithm, self.form, &message).map_err(failed)?, out);
        Ok(())
    }

    fn describe(&self) -> String {
        let (title, encoding, over) = (self.algorithm.title(), self.encode.title(), self.over.source());
        let form = match self.form {
            EcdsaForm::Der => "",
            EcdsaForm::Raw => " (r and s, 32 bytes each)",
        };
        format!("a signature by {title}{form} in {encoding} over `{over}`, which the public key verifies")
    }

    fn recipe(&self) -> Recipe<'_> {
        Recipe::KeyPair { chosen_by: "sign", algorithm: self.algorithm, over: Some(&self.over) }
    }

    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression)) {
        self.over.expressions().for_each(visitor);
    }

    fn check_secret(&self, secret: &str) -> Result<(), String> {
        PrivateKey::parse(self.algorithm.kind(), secret).map(drop)
    }

    fn verify(&self, key: &str, scope: Scope<'_>, text: &str) -> Option<Result<bool, String>> {
        let check = || {
            let key = VerifyingKey::parse(self.algorithm.kind(), key)?;
            let message = self.over.render(scope).map_err(|failure| failure.message)?;
            let signature = self.encode.read(text);
            Ok(signature.is_some_and(|signature| key.verify(self.algorithm, self.form, &message, &signature)))
        };
        Some(check())
    }
}
