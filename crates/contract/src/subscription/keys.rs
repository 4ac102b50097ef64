//! Reads `subscription.keys`: private keys of the contract that sign beside the secrets.

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::key_pair::KeyKind;
use crate::reader::Fields;
use crate::subscription::secret::Wanted;
use crate::yaml::{Kind, Node};

/// The value of `keys`.
pub(super) const OWN_KEYS: Shape = Shape::Named(&Definition {
    name: "own_keys",
    about: "Private keys that sign beside the secrets.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required("from", Shape::Words(Owner::WORDS), "Whose they are.", "write `from: contract`"),
    KeySpec::optional(
        "private_key",
        Shape::Words(KeyKind::WORDS),
        "What kind of private keys they are; what the signatures need, unless given.",
    ),
];

bellwire_domain::words! {
    /// Whose keys sign beside the secrets.
    enum Owner {
        Contract = "contract",
    }
}

/// Reads `keys`: of what kind they are. `secret` is what stands beside it.
pub(super) fn read(node: &Node, secret: Option<&Node>, wanted: &Wanted, report: &mut Report) -> Option<KeyKind> {
    let fields = Fields::open(node, "subscription.keys", KEYS, report)?;
    let from: Option<Owner> = fields.word("from", report);
    let said: Option<KeyKind> = fields.word("private_key", report);
    if wanted.private_key.is_none() {
        let help = "write `signatures: { second: { sign: ed25519, over: \"{{ body }}\" } }`, or remove `keys`";
        report.add(fields.at, &fields.path, "nothing in this contract signs with a private key", help);
    }
    if let Some(node) = secret.and_then(|secret| member(secret, "private_key")) {
        let message = "the secrets are texts, as the private keys are those of `keys`";
        report.add(node.at, "subscription.secret.private_key", message, "remove this key");
    }
    from?;
    said.or(wanted.private_key)
}

/// What a mapping has under a key.
fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Map(members) = &node.kind else { return None };
    members.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
}
