//! What the contract language can say beyond the five platforms: a contract of `tests/contracts`, or of `contracts`, for each mechanism, and a receiver that
//! does what its specification says.

mod access_token;
mod answers;
mod batches;
mod client_certificate;
mod contract_keys;
mod credentials;
mod davinci_pas;
mod fhir;
mod graphql;
mod handshakes;
mod health;
mod heartbeats;
mod key_pairs;
mod key_versions;
mod leases;
mod libraries;
mod missed;
mod options;
mod order;
mod previous;
mod registration;
mod relayed_answers;
mod sending;
mod subscriptions;
mod tokens;
mod triggers;
mod two_schemes;
mod upsert;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Home, LOCAL, Server, until};

/// A server with one of the contracts.
struct World {
    server: Server,
    /// What the server runs over.
    home: Home,
    /// Where its contracts are.
    contracts: PathBuf,
}

const ACCOUNT: &str = "clinic";

impl World {
    /// A server that knows the contract, and an account under it.
    fn of(contract: &str) -> Self {
        let home = Home::new();
        let beside = root().join(format!("contracts/{contract}.yaml"));
        let contracts = if beside.exists() { beside } else { root().join("tests/contracts") };
        let server = start_in(&home, &contracts, &[]);
        server.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": contract })).expect(201);
        Self { server, home, contracts }
    }

    /// The same after `kill -9`.
    fn killed_and_started(self) -> Self {
        self.server.kill();
        Self { server: start_in(&self.home, &self.contracts, &[]), ..self }
    }

    /// Registers an endpoint; its id.
    fn endpoint(&self, url: &str) -> String {
        let made = self.server.api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": url })).expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    fn registered(&self, body: &Value) -> (String, Value) {
        let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
        let made = self.server.api.post(&endpoints, body).expect(201);
        (format!("{endpoints}/{}", made["id"].as_str().unwrap()), made)
    }

    /// The endpoint, once it is in that state of health.
    #[track_caller]
    fn once(&self, path: &str, health: &str) -> Value {
        until(&format!("the endpoint is {health}"), || {
            Some(self.server.api.get(path).expect(200)).filter(|endpoint| endpoint["health"] == health)
        })
    }
}

fn start_with(home: &Home, more: &[&str]) -> Server {
    start_in(home, &root().join("tests/contracts"), more)
}

/// The folder of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A server with the contracts of a folder, or of a file.
fn start_in(home: &Home, contracts: &Path, more: &[&str]) -> Server {
    home.start_with(&[&LOCAL[..], &["--contracts", contracts.to_str().unwrap()], more].concat())
}
