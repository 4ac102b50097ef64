//! What reading the contracts again changes, and what it must leave as it is where there are accounts.

use std::sync::Arc;

use crate::contract::Contract;
use crate::shipped::Contracts;
use crate::version::ContractLabel;

/// What differs from one set of contracts to the next, version by version, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContractChanges {
    /// Those that are new.
    pub added: Vec<ContractLabel>,
    /// Those whose text differs.
    pub changed: Vec<ContractLabel>,
    /// Those whose text is the same.
    pub unchanged: Vec<ContractLabel>,
    /// Those that are gone.
    pub removed: Vec<ContractLabel>,
}

impl Contracts {
    /// What differs from these to `next`.
    pub fn changes_to(&self, next: &Self) -> ContractChanges {
        let mut changes = ContractChanges::default();
        for contract in next.iter() {
            let list = match self.same_version(contract) {
                None => &mut changes.added,
                Some(before) if before.source() == contract.source() => &mut changes.unchanged,
                Some(_) => &mut changes.changed,
            };
            list.push(contract.label());
        }
        let gone = self.iter().filter(|contract| next.same_version(contract).is_none());
        changes.removed = gone.map(|contract| contract.label()).collect();
        changes
    }

    fn same_version(&self, like: &Contract) -> Option<&Arc<Contract>> {
        self.versions(like.name()).iter().find(|contract| contract.version() == like.version())
    }
}

impl Contract {
    /// Why accounts of this contract could not go on under `next`: the secrets that they hold were made by rules that it does not have.
    /// It begins with the place in the file of `next`. `None`: they can.
    pub fn strands(&self, next: &Self) -> Option<String> {
        let (rules, next_rules) = (&self.subscription.secret, &next.subscription.secret);
        if self.subscription.keys_beside.is_some() && self.subscription.keys_beside == next_rules.private_key {
            return None; // the keys that signed beside the secrets go on alone
        }
        let (line, reason) = rules.strands(next_rules)?;
        Some(format!("{}:{line}: {reason}", next.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(name: &str, secret: &str) -> Contract {
        let source = format!(
            "contract: {name}\ntitle: T\nevents: any\nsubscription:\n  secret: {secret}\nrequest: {{ body: \"{{{{ event.data }}}}\" }}\n"
        );
        Contract::compile(&source, &format!("{name}.yaml")).unwrap()
    }

    fn contracts(all: &[(&str, &str)]) -> Contracts {
        let mut contracts = Contracts::default();
        for (name, secret) in all {
            contracts.add(contract(name, secret)).unwrap();
        }
        contracts
    }

    #[test]
    fn every_contract_is_added_changed_unchanged_or_removed() {
        let (plain, other) = ("{ from: generated }", "{ from: generated, readable: true }");
        let before = contracts(&[("b", plain), ("c", plain), ("d", plain)]);
        let after = contracts(&[("a", plain), ("b", plain), ("c", other)]);
        let words = |words: &[&str]| words.iter().map(|word| ContractLabel { name: (*word).to_owned(), version: None }).collect();
        let expected =
            ContractChanges { added: words(&["a"]), changed: words(&["c"]), unchanged: words(&["b"]), removed: words(&["d"]) };
        assert_eq!(before.changes_to(&after), expected);
        let same: Vec<ContractLabel> = words(&["a", "b", "c"]);
        assert_eq!(after.changes_to(&after).unchanged, same);
    }

    #[test]
    fn versions_stand_side_by_side_and_each_is_a_contract_of_its_own() {
        let of = |version: &str| {
            let version = if version.is_empty() { String::new() } else { format!("\nversion: \"{version}\"") };
            let source = format!("contract: a{version}\ntitle: T\nevents: any\nrequest: {{ body: \"{{{{ event.data }}}}\" }}\n");
            Contract::compile(&source, "a.yaml").unwrap()
        };
        let all = |versions: &[&str]| {
            let mut contracts = Contracts::default();
            for version in versions {
                contracts.add(of(version)).unwrap();
            }
            contracts
        };
        let dated = all(&["2025-9", "2025-10"]);
        assert_eq!(dated.get("a").unwrap().version(), Some("2025-10"), "the highest is the default");
        assert_eq!(dated.get_version("a", Some("2025-9")).unwrap().version(), Some("2025-9"));
        assert_eq!(dated.find("a@2025-9").unwrap().label().to_string(), "a@2025-9");
        assert!(dated.find("a@2025-8").is_none());
        let mut plain = all(&["2025-10", "", "2025-9"]);
        assert_eq!(plain.get("a").unwrap().version(), None, "the one without a version goes before all others");
        assert_eq!(plain.iter().map(|contract| contract.version()).collect::<Vec<_>>(), [None, Some("2025-10"), Some("2025-9")]);
        assert_eq!(plain.defaults().count(), 1);
        assert_eq!(plain.add(of("2025-9")).unwrap_err().to_string(), "there is a contract named `a@2025-9` already, in a.yaml");
        let hint = "there is a contract named `a` already, in a.yaml; `version: …` in one of them lets them stand side by side";
        assert_eq!(plain.add(of("")).unwrap_err().to_string(), hint);
        let changes = dated.changes_to(&all(&["", "2025-9"]));
        let told = |labels: &[ContractLabel]| labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(
            (told(&changes.added), told(&changes.unchanged), told(&changes.removed)),
            ("a".into(), "a@2025-9".into(), "a@2025-10".into())
        );
    }

    #[test]
    fn keys_come_beside_secrets_and_may_stay_alone() {
        let with = |subscription: &str, header: &str| {
            let source = format!(
                "contract: a\ntitle: T\nevents: any\nsubscription: {subscription}\nrequest: {{ headers: {{ x-s: \"{header}\" }}, body: \
                 \"{{{{ event.data }}}}\" }}\nsignatures: {{ s: {{ hmac: sha256, over: \"{{{{ body }}}}\" }}, \
                 k: {{ sign: ed25519, over: \"{{{{ body }}}}\" }} }}\n"
            );
            Contract::compile(&source, "a.yaml").map_err(|error| error.to_string())
        };
        let text = contract("a", "{ from: generated }");
        let both =
            with("{ secret: { from: generated }, keys: { from: contract } }", "{{ signature.s }},{{ signature.k }}").unwrap();
        assert_eq!((text.strands(&both), both.strands(&text)), (None, None));
        let alone = contract("a", "{ from: contract, private_key: ed25519 }");
        assert_eq!(both.strands(&alone), None);
        assert!(
            text.strands(&alone).is_some() && both.strands(&contract("a", "{ from: contract, private_key: p256 }")).is_some()
        );
    }

    #[test]
    fn where_secrets_come_from_and_which_keys_they_are_stay_as_they_are() {
        let generated = contract("a", "{ from: generated }");
        assert_eq!(generated.strands(&contract("a", "{ from: generated, readable: true }")), None);
        let said = generated.strands(&contract("a", "{ from: consumer }")).unwrap();
        assert_eq!(said, "a.yaml:5: subscription.secret.from: `consumer` instead of `generated`");
        let keys = contract("a", "{ from: generated, private_key: ed25519 }");
        let said = generated.strands(&keys).unwrap();
        assert_eq!(
            said,
            "a.yaml:5: subscription.secret: secrets are private keys of Ed25519, and those that there are are written as text"
        );
        let hex = contract("a", "{ from: generated, format: { prefix: k_, encoding: hex } }");
        assert_eq!(hex.strands(&hex), None);
        let said = hex.strands(&generated).unwrap();
        assert_eq!(
            said,
            "a.yaml:5: subscription.secret: secrets are written as text, and those that there are are written as hex after `k_`"
        );
    }
}
