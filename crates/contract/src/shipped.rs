//! The loaded contracts: those that come with Bellwire, and any others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::Contract;
use crate::diagnostic::{ContractError, did_you_mean};
use crate::version::{ContractLabel, default_first};

/// The shipped contracts: file name and text.
const SHIPPED: &[(&str, &str)] = &[
    ("contracts/b.well.yaml", include_str!("../../../contracts/b.well.yaml")),
    ("contracts/develop-health.yaml", include_str!("../../../contracts/develop-health.yaml")),
    ("contracts/novamed.yaml", include_str!("../../../contracts/novamed.yaml")),
    ("contracts/noyo.yaml", include_str!("../../../contracts/noyo.yaml")),
    ("contracts/silver.yaml", include_str!("../../../contracts/silver.yaml")),
    ("contracts/standard-webhooks.yaml", include_str!("../../../contracts/standard-webhooks.yaml")),
];

/// Contracts by name, and of each its versions.
#[derive(Debug, Clone, Default)]
pub struct Contracts {
    /// The default of each first. No list is empty.
    by_name: BTreeMap<String, Vec<Arc<Contract>>>,
}

/// A second contract with the same name and version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a contract named `{label}` already, in {file}{}", hint(label))]
pub struct DuplicateContract {
    /// The name and version.
    pub label: ContractLabel,
    /// The file of the first one.
    pub file: String,
}

fn hint(label: &ContractLabel) -> &'static str {
    if label.version.is_some() { "" } else { "; `version: …` in one of them lets them stand side by side" }
}

impl Contracts {
    /// The contracts that come with Bellwire.
    pub fn shipped() -> Result<Self, ContractError> {
        let mut contracts = Self::default();
        for (file, source) in SHIPPED {
            let contract = Contract::compile(source, file)?;
            contracts.by_name.insert(contract.name().to_owned(), vec![Arc::new(contract)]);
        }
        Ok(contracts)
    }

    /// Adds a contract, unless its name and version are taken.
    pub fn add(&mut self, contract: Contract) -> Result<(), DuplicateContract> {
        let versions = self.by_name.entry(contract.name().to_owned()).or_default();
        if let Some(taken) = versions.iter().find(|known| known.version() == contract.version()) {
            return Err(DuplicateContract { label: contract.label(), file: taken.file().to_owned() });
        }
        let at = versions.partition_point(|known| default_first(known.version(), contract.version()).is_lt());
        versions.insert(at, Arc::new(contract));
        Ok(())
    }

    /// The contract with this name, in its default version: the one without `version`, else the highest.
    pub fn get(&self, name: &str) -> Option<&Arc<Contract>> {
        self.versions(name).first()
    }

    /// The contract with this name in that version; `None`: in its default one.
    pub fn get_version(&self, name: &str, version: Option<&str>) -> Option<&Arc<Contract>> {
        match version {
            None => self.get(name),
            Some(version) => self.versions(name).iter().find(|contract| contract.version() == Some(version)),
        }
    }

    /// The contract that is written so: `acme`, which stands for its default version, or `acme@2025-01`.
    pub fn find(&self, label: &str) -> Option<&Arc<Contract>> {
        match label.split_once('@') {
            None => self.get(label),
            Some((name, version)) => self.get_version(name, Some(version)),
        }
    }

    /// All versions of the contract with this name: the default first, then from the highest to the lowest.
    pub fn versions(&self, name: &str) -> &[Arc<Contract>] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// "; did you mean `x`?" for a name that no contract has, or nothing.
    pub fn did_you_mean(&self, name: &str) -> String {
        did_you_mean(name, self.by_name.keys().map(String::as_str))
    }

    /// All of them, in the order of their names, the versions of each from its default on.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.by_name.values().flatten()
    }

    /// Each in its default version, in the order of their names.
    pub fn defaults(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.by_name.values().filter_map(|versions| versions.first())
    }
}
