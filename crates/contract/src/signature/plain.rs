//! `plain`: the secret itself, as it is or with text around it.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::KeySpec;
use crate::reader::Fields;
use crate::signature::scheme::{Recipe, Scheme, SchemeKind, Secrets};
use crate::template::{TEMPLATE, Template};
use crate::variables::{Scope, Variable};

pub(crate) const PLAIN: SchemeKind = SchemeKind {
    chosen_by: KeySpec::optional("plain", TEMPLATE, "The secret itself, as it is or with text around it."),
    example: "plain: \"{{ secret }}\"",
    keys: &[],
    stray_key: ("a plain text is computed from nothing", "remove this key"),
    secrets: Secrets::Newest,
    read,
};

#[derive(Debug)]
struct Plain(Template);

fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Box<dyn Scheme>> {
    let (node, path) = (fields.get("plain")?, fields.path_of("plain"));
    let text = Template::read(node, &path, &[], report)?;
    if !text.variables().any(|variable| *variable == Variable::SECRET) {
        report.add(node.at, &path, "a text without a secret proves nothing", "write `{{ secret }}` into it");
    }
    Some(Box::new(Plain(text)))
}

impl Scheme for Plain {
    fn sign(&self, _secret: &str, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        out.push_str(&self.0.render_text(scope)?);
        Ok(())
    }

    fn describe(&self) -> String {
        format!("`{}`, as it is", self.0.source())
    }

    fn recipe(&self) -> Recipe<'_> {
        Recipe::Text(&self.0)
    }

    fn visit<'s>(&'s self, visitor: &mut dyn FnMut(&'s Expression)) {
        self.0.expressions().for_each(visitor);
    }

    fn shows_secret(&self) -> bool {
        true
    }
}
