//! What the contract language can say beyond the five platforms: a contract of `tests/contracts` for each mechanism, and a receiver that
//! does what its specification says.

mod answers;
mod registration;

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Home, LOCAL, Server};

/// A server with one of the contracts.
struct World {
    server: Server,
    /// What the server runs over.
    _home: Home,
}

const ACCOUNT: &str = "clinic";

impl World {
    /// A server that knows the contract, and an account under it.
    fn of(contract: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/contracts");
        let home = Home::new();
        let server = home.start_with(&[&LOCAL[..], &["--contracts", folder.to_str().unwrap()]].concat());
        server.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": contract })).expect(201);
        Self { server, _home: home }
    }

    /// Registers an endpoint; its id.
    fn endpoint(&self, url: &str) -> String {
        let made = self.server.api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": url })).expect(201);
        made["id"].as_str().unwrap().to_owned()
    }
}
