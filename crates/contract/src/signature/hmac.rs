//! `hmac`: a keyed hash of a text.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::reader::Fields;
use crate::signature::hash::{Encoding, Hash};
use crate::signature::key::{KEY, KeyDerivation};
use crate::signature::scheme::{ENCODE, OVER, Recipe, Scheme, SchemeKind, Secrets, read_over};
use crate::template::Template;
use crate::variables::Scope;

pub(crate) const HMAC: SchemeKind = SchemeKind {
    chosen_by: KeySpec::optional("hmac", Shape::Words(Hash::WORDS), "An HMAC with this hash."),
    example: "hmac: sha256",
    keys: &[KEY, OVER, ENCODE],
    stray_key: ("an HMAC has no such key", "remove this key"),
    secrets: Secrets::All,
    read,
};

#[derive(Debug)]
struct HmacOver {
    hash: Hash,
    key: KeyDerivation,
    over: Template,
    encode: Encoding,
}

fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Box<dyn Scheme>> {
    let hash = fields.algorithm("hmac", report);
    let key = KeyDerivation::read(fields, report);
    let encode = fields.word("encode", report).unwrap_or(Encoding::Hex);
    let over = read_over(fields, report)?;
    Some(Box::new(HmacOver { hash: hash?, key: key?, over, encode }))
}

impl Scheme for HmacOver {
    fn sign(&self, secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        let key = self.key.key(secret).map_err(|message| Failure::new(self.over.at, message))?;
        self.encode.write(&self.hash.mac(&key, |sink| self.over.feed(scope, sink))?, out);
        Ok(())
    }

    fn describe(&self) -> String {
        let (hash, encoding, over) = (self.hash.title(), self.encode.title(), self.over.source());
        format!("HMAC-{hash} in {encoding} over `{over}`, with {} as its key", self.key.describe())
    }

    fn recipe(&self) -> Recipe<'_> {
        Recipe::Hmac { hash: self.hash, key: &self.key, over: &self.over, encode: self.encode }
    }

    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression)) {
        self.over.expressions().for_each(visitor);
    }

    fn check_secret(&self, secret: &str) -> Result<(), String> {
        self.key.key(secret).map(drop)
    }
}
