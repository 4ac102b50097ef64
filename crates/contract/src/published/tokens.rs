//! Access tokens for clients of a published API (RFC 6749 §4.4, with the assertions of RFC 7523): where they are asked for, and what a
//! contract lets them be for.

use std::time::Duration;

use serde_json::json;

use crate::assertion::AssertionAlgorithm;

bellwire_domain::words! {
    /// What a token of a scope may do, of what its account's keys may do.
    pub enum ScopeRight {
        /// Read.
        Read = "read",
        /// Read and change.
        Write = "write",
    }
}

/// How clients get access tokens.
#[derive(Debug)]
pub struct TokenRules {
    /// Its path in the published API.
    pub(crate) path: String,
    /// The same as clients reach it: whom assertions are for.
    pub(crate) url: String,
    pub(crate) algorithms: Vec<AssertionAlgorithm>,
    pub(crate) lifetime: Duration,
    /// Where all this is written for clients.
    pub(crate) configuration: Option<String>,
    /// By their names, in the contract's order.
    pub(crate) scopes: Vec<(String, ScopeRight)>,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedScope {
    /// The scopes, with spaces between them.
    pub scope: String,
    /// The widest right of these.
    pub right: ScopeRight,
}

impl TokenRules {
    /// The path at which tokens are asked for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL at which clients ask, which their assertions name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How assertions may be signed.
    pub fn algorithms(&self) -> &[AssertionAlgorithm] {
        &self.algorithms
    }

    /// How long a token is good.
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The path of the public document about all this.
    pub fn configuration_path(&self) -> Option<&str> {
        self.configuration.as_deref()
    }

    /// The scopes that there are.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, ScopeRight)> {
        self.scopes.iter().map(|(name, right)| (name.as_str(), *right))
    }

    /// Those of the asked scopes that there are, each once; `None`: there are none of them.
    pub fn grant(&self, asked: &str) -> Option<GrantedScope> {
        let is_asked = |name: &str| asked.split(' ').any(|asked| asked == name);
        let granted: Vec<&(String, ScopeRight)> = self.scopes.iter().filter(|(name, _)| is_asked(name)).collect();
        let right = granted.iter().map(|(_, right)| *right).max()?;
        let names: Vec<&str> = granted.iter().map(|(name, _)| name.as_str()).collect();
        Some(GrantedScope { scope: names.join(" "), right })
    }

    /// The public document, as JSON.
    pub fn configuration(&self) -> String {
        let scopes: Vec<&str> = self.scopes().map(|(name, _)| name).collect();
        let algorithms: Vec<&str> = self.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let document = json!({
            "token_endpoint": self.url,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "scopes_supported": scopes,
            "capabilities": ["client-confidential-asymmetric"],
        });
        document.to_string()
    }
}
