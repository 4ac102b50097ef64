//! `hash`: a plain hash of a text that has the secret in it.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{KeySpec, Shape};
use crate::reader::Fields;
use crate::signature::hash::{Encoding, Hash};
use crate::signature::scheme::{ENCODE, OVER, Recipe, Scheme, SchemeKind, Secrets, read_over};
use crate::template::Template;
use crate::variables::Scope;

pub(crate) const DIGEST: SchemeKind = SchemeKind {
    chosen_by: KeySpec::optional("hash", Shape::Words(Hash::WORDS), "A plain hash; the secret, if any, is part of the text."),
    example: "hash: sha256",
    keys: &[OVER, ENCODE],
    stray_key: ("a plain hash has no key", "put `{{ secret }}` into `over`, or write `hmac`"),
    secrets: Secrets::All,
    read,
};

#[derive(Debug)]
struct Digest {
    hash: Hash,
    over: Template,
    encode: Encoding,
}

fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Box<dyn Scheme>> {
    let hash = fields.algorithm("hash", report);
    let encode = fields.word("encode", report).unwrap_or(Encoding::Hex);
    let over = read_over(fields, report)?;
    Some(Box::new(Digest { hash: hash?, over, encode }))
}

impl Scheme for Digest {
    fn sign(&self, _secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        self.encode.write(&self.hash.digest(|sink| self.over.feed(scope, sink))?, out);
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} in {} of `{}`", self.hash.title(), self.encode.title(), self.over.source())
    }

    fn recipe(&self) -> Recipe<'_> {
        Recipe::Hash { hash: self.hash, over: &self.over, encode: self.encode }
    }

    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression)) {
        self.over.expressions().for_each(visitor);
    }
}
