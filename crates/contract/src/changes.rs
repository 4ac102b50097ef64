//! What reading the contracts again changes, and what it must leave as it is where there are accounts.

use crate::contract::Contract;
use crate::shipped::Contracts;

/// What differs from one set of contracts to the next: names, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContractChanges {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those whose text differs.
    pub changed: Vec<String>,
    /// Those whose text is the same.
    pub unchanged: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Contracts {
    /// What differs from these to `next`.
    pub fn changes_to(&self, next: &Self) -> ContractChanges {
        let mut changes = ContractChanges::default();
        for contract in next.iter() {
            let list = match self.get(contract.name()) {
                None => &mut changes.added,
                Some(before) if before.source() == contract.source() => &mut changes.unchanged,
                Some(_) => &mut changes.changed,
            };
            list.push(contract.name().to_owned());
        }
        let gone = self.iter().filter(|contract| next.get(contract.name()).is_none());
        changes.removed = gone.map(|contract| contract.name().to_owned()).collect();
        changes
    }
}

impl Contract {
    /// Why accounts of this contract could not go on under `next`: the secrets that they hold were made by rules that it does not have.
    /// It begins with the place in the file of `next`. `None`: they can.
    pub fn strands(&self, next: &Self) -> Option<String> {
        let (line, reason) = self.subscription.secret.strands(&next.subscription.secret)?;
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
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let expected =
            ContractChanges { added: words(&["a"]), changed: words(&["c"]), unchanged: words(&["b"]), removed: words(&["d"]) };
        assert_eq!(before.changes_to(&after), expected);
        assert_eq!(after.changes_to(&after).unchanged, ["a", "b", "c"]);
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
