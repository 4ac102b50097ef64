//! Loading contracts: the built-in ones and those of a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use bellwire_contract::{Contract, Contracts};

/// The built-in contracts and, if given, all `*.yaml` and `*.yml` files of `folder`.
pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Contracts> {
    let mut contracts = Contracts::shipped().context("a built-in contract is invalid")?;
    let Some(folder) = folder else { return Ok(contracts) };
    let entries = fs::read_dir(folder).with_context(|| format!("--contracts: cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    files.sort();
    if files.is_empty() {
        bail!("--contracts: no *.yaml file in {}", folder.display());
    }
    for file in files {
        contracts.add(read(&file)?).with_context(|| file.display().to_string())?;
    }
    Ok(contracts)
}

/// Reads and compiles one file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Contract> {
    let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Contract::compile(&source, &file.display().to_string())?)
}
