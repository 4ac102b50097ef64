//! The loaded contracts: those that come with Bellwire, and any others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::Contract;
use crate::diagnostic::{ContractError, did_you_mean};

/// The shipped contracts: file name and text.
const SHIPPED: &[(&str, &str)] = &[
    ("contracts/b.well.yaml", include_str!("../../../contracts/b.well.yaml")),
    ("contracts/develop-health.yaml", include_str!("../../../contracts/develop-health.yaml")),
    ("contracts/novamed.yaml", include_str!("../../../contracts/novamed.yaml")),
    ("contracts/noyo.yaml", include_str!("../../../contracts/noyo.yaml")),
    ("contracts/silver.yaml", include_str!("../../../contracts/silver.yaml")),
    ("contracts/standard-webhooks.yaml", include_str!("../../../contracts/standard-webhooks.yaml")),
];

/// Contracts by name.
#[derive(Debug, Clone, Default)]
pub struct Contracts {
    by_name: BTreeMap<String, Arc<Contract>>,
}

/// A second contract with the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a contract named `{name}` already, in {file}")]
pub struct DuplicateContract {
    /// The name.
    pub name: String,
    /// The file of the first one.
    pub file: String,
}

impl Contracts {
    /// The contracts that come with Bellwire.
    pub fn shipped() -> Result<Self, ContractError> {
        let mut contracts = Self::default();
        for (file, source) in SHIPPED {
            let contract = Contract::compile(source, file)?;
            contracts.by_name.insert(contract.name().to_owned(), Arc::new(contract));
        }
        Ok(contracts)
    }

    /// Adds a contract, unless its name is taken.
    pub fn add(&mut self, contract: Contract) -> Result<(), DuplicateContract> {
        let name = contract.name().to_owned();
        if let Some(taken) = self.by_name.get(&name) {
            return Err(DuplicateContract { name, file: taken.file().to_owned() });
        }
        self.by_name.insert(name, Arc::new(contract));
        Ok(())
    }

    /// The contract with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Contract>> {
        self.by_name.get(name)
    }

    /// "; did you mean `x`?" for a name that no contract has, or nothing.
    pub fn did_you_mean(&self, name: &str) -> String {
        did_you_mean(name, self.by_name.keys().map(String::as_str))
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.by_name.values()
    }
}
