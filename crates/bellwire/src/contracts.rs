//! Loading contracts: the built-in ones and those of a folder, at the start and again when that is asked for.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bellwire_app::{App, ContractFiles};
use bellwire_contract::{Contract, ContractChanges, Contracts};
use bellwire_domain::{AllowedNetwork, Scope};
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

/// The built-in contracts and, if given, all `*.yaml` and `*.yml` files of `folder`, which may also be one such file.
pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Contracts> {
    let mut contracts = Contracts::shipped().context("a built-in contract is invalid")?;
    let Some(folder) = folder else { return Ok(contracts) };
    let files = files(folder).with_context(|| format!("--contracts: cannot read {}", folder.display()))?;
    if files.is_empty() {
        bail!("--contracts: no *.yaml file in {}", folder.display());
    }
    let mut wrong = Vec::new();
    for file in files {
        let added = read(&file).and_then(|contract| contracts.add(contract).with_context(|| file.display().to_string()));
        wrong.extend(added.err().map(|error| format!("{error:#}")));
    }
    if wrong.is_empty() { Ok(contracts) } else { bail!(wrong.join("\n")) }
}

/// The contracts' files in a folder, by name; or the one that is given itself.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = fs::read_dir(folder)?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    files.sort();
    Ok(files)
}

/// What `bellwire serve` loads, and which of it other flags need.
pub(crate) struct ServedContracts {
    /// More than the built-in ones.
    pub(crate) folder: Option<PathBuf>,
    /// Contracts whose published API has its own listener, and its address.
    pub(crate) publish: Vec<(String, SocketAddr)>,
    pub(crate) allow_network: Vec<AllowedNetwork>,
}

impl ServedContracts {
    /// Loads all of them.
    pub(crate) fn load(&self) -> anyhow::Result<Contracts> {
        let contracts = load(self.folder.as_deref())?;
        self.check_published_listeners(&contracts)?;
        self.check_allowed_networks(&contracts)?;
        Ok(contracts)
    }

    /// A published API can only be served if its contract declares one.
    fn check_published_listeners(&self, contracts: &Contracts) -> anyhow::Result<()> {
        for (contract, address) in &self.publish {
            match contracts.versions(contract) {
                [] => {
                    let meant = contracts.did_you_mean(contract);
                    bail!(
                        "--publish {contract}={address}: there is no contract `{contract}`{meant}; see `bellwire contract list`"
                    );
                }
                versions if versions.iter().all(|version| version.published().is_none()) => {
                    bail!("--publish {contract}={address}: the contract `{contract}` declares no published API");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A network can only be allowed for a contract that there is.
    fn check_allowed_networks(&self, contracts: &Contracts) -> anyhow::Result<()> {
        for network in &self.allow_network {
            if let Scope::Contract(contract) = network.scope()
                && contracts.get(contract).is_none()
            {
                bail!("--allow-network {network}: there is no contract `{contract}`; see `bellwire contract list`");
            }
        }
        Ok(())
    }
}

impl ContractFiles for ServedContracts {
    fn load(&self) -> Result<Contracts, String> {
        Self::load(self).map_err(|error| format!("{error:#}"))
    }
}

/// Loads them again on each SIGHUP, until the server stops. What came of it is in the log.
pub(crate) async fn reload_on_hangup(app: App, mut hangups: Signal, stop: CancellationToken) {
    let reloading = async {
        while hangups.recv().await.is_some() {
            match app.reload_contracts_on_signal().await {
                Ok(ContractChanges { added, changed, removed, .. }) => {
                    tracing::info!(?added, ?changed, ?removed, "the contracts were read again");
                }
                Err(error) => tracing::error!("SIGHUP: the contracts stay as they were: {error}"),
            }
        }
    };
    stop.run_until_cancelled(reloading).await;
}

/// Reads and compiles one file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Contract> {
    let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Contract::compile(&source, &file.display().to_string())?)
}
