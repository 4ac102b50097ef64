//! Signing in with an OpenID Connect provider.
//!
//! Its job: the authorization code flow with PKCE. [`SingleSignOn::begin`] says where to send the browser and what to keep for it;
//! [`SingleSignOn::finish`] takes what the browser came back with, and says who it is. Codes are exchanged and keys fetched over
//! egress, so whatever holds for requests to customers (one deadline, bounded answers, no redirects) holds here.
//!
//! Its promises: a person is whoever an ID token names that the provider has signed for this client, for this flow, and that has not
//! expired. What role that person has is read from one claim of it, and without a role there is no sign-in.
//!
//! What it must not know: pages, cookies, sessions, the store.

mod fetch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bellwire_domain::{Clock, Role, Secret};
use bellwire_egress::Sender;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// For how long what the provider publishes of itself is taken as it was. Its keys may change: a signature by an unknown one
/// is a reason to look again at once.
const METADATA_KEPT: Duration = Duration::from_secs(10 * 60);

/// The words of a role claim that say what somebody may do, strongest first.
const ROLES: [Role; 2] = [Role::Admin, Role::Auditor];

/// Where and as whom to sign in.
pub struct SingleSignOnOptions {
    /// The provider, as it calls itself: `https://login.example.com`.
    pub issuer: String,
    /// The client that Bellwire is there.
    pub client_id: String,
    /// Its secret; `None`: it is a public client.
    pub client_secret: Option<Secret<String>>,
    /// The claim of the ID token that says what somebody may do: a word, or a list that has one.
    pub role_claim: String,
    /// Where the provider sends the browser back to.
    pub redirect_url: String,
    /// What sends requests to the provider.
    pub sender: Sender,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why the options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// The issuer is not a URL.
    #[error("the issuer `{0}` is not a URL such as https://login.example.com")]
    Issuer(String),
    /// The issuer would be asked in the clear.
    #[error("the issuer `{0}` is not https: whoever is on the way could sign in as anybody")]
    Unprotected(String),
    /// The redirect URL is not one.
    #[error("`{0}` is not a URL to come back to")]
    Redirect(String),
}

/// Why somebody was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    /// The provider cannot be asked, or says something that is not understood.
    #[error("the identity provider could not be asked: {0}")]
    Provider(String),
    /// The browser comes back from another flow than the one that it began, or too late.
    #[error("this sign-in was not begun here, or took too long")]
    NotBegun,
    /// The provider says no.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// The token is not what it has to be.
    #[error("the identity provider's token is not valid: {0}")]
    Token(String),
    /// The person has no role here.
    #[error("{person} has no role here: the claim `{claim}` says {found}, and `admin` or `auditor` would be one")]
    NoRole {
        /// Who.
        person: String,
        /// The claim that would say so.
        claim: String,
        /// What it says.
        found: String,
    },
}

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the browser.
    pub url: String,
    /// What the same browser has to bring back: secret, and good for this flow alone.
    pub flow: Secret<String>,
}

/// What the provider sends the browser back with.
#[derive(Debug, Clone, Default)]
pub struct Returned {
    /// The code.
    pub code: Option<String>,
    /// Which flow it belongs to.
    pub state: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Somebody whom the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they are called: the address, the user's name, or else the provider's number for them.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What a browser keeps while its person is with the provider.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
}

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// Signs people in with one provider.
pub struct SingleSignOn {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    role_claim: String,
    redirect_url: RedirectUrl,
    sender: Sender,
    clock: Arc<dyn Clock>,
    metadata: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

impl SingleSignOn {
    /// Checks the options. The provider is asked when somebody signs in: it may be down now.
    ///
    /// # Errors
    /// A URL is none, or the issuer is not https and not on this machine.
    pub fn new(options: SingleSignOnOptions) -> Result<Self, InvalidOptions> {
        let SingleSignOnOptions { issuer, client_id, client_secret, role_claim, redirect_url, sender, clock } = options;
        let issuer_url = IssuerUrl::new(issuer.clone()).map_err(|_| InvalidOptions::Issuer(issuer.clone()))?;
        let host = issuer_url.url().host_str().unwrap_or_default();
        let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if !(issuer_url.url().scheme() == "https" || is_local && issuer_url.url().scheme() == "http") {
            return Err(InvalidOptions::Unprotected(issuer));
        }
        Ok(Self {
            issuer: issuer_url,
            client_id: ClientId::new(client_id),
            client_secret: client_secret.map(|secret| ClientSecret::new(secret.expose().clone())),
            role_claim,
            redirect_url: RedirectUrl::new(redirect_url.clone()).map_err(|_| InvalidOptions::Redirect(redirect_url))?,
            sender,
            clock,
            metadata: Mutex::new(None),
        })
    }

    /// Where to send a browser, and what it has to bring back.
    ///
    /// # Errors
    /// The provider cannot be asked.
    pub async fn begin(&self) -> Result<Begun, SignOnError> {
        let client = self.client(false).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        let scopes = ["profile", "email"].map(|scope| Scope::new(scope.to_owned()));
        let (url, state, nonce) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        let flow = Flow { state: state.secret().clone(), nonce: nonce.secret().clone(), verifier: verifier.secret().clone() };
        let flow = serde_json::to_vec(&flow).map_err(|error| SignOnError::Provider(error.to_string()))?;
        Ok(Begun { url: url.into(), flow: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(flow)) })
    }

    /// Who comes back, by what the browser has kept and what the provider sent with it.
    ///
    /// # Errors
    /// It is not the flow that the browser began, the provider said no or cannot be asked, or the person has no role.
    pub async fn finish(&self, kept: &str, returned: Returned) -> Result<Person, SignOnError> {
        let flow = read_flow(kept).ok_or(SignOnError::NotBegun)?;
        if returned.state.as_deref() != Some(flow.state.as_str()) {
            return Err(SignOnError::NotBegun);
        }
        if let Some(error) = returned.error {
            return Err(SignOnError::Refused(error));
        }
        let code = AuthorizationCode::new(returned.code.ok_or(SignOnError::NotBegun)?);
        let client = self.client(false).await?;
        let exchange = client.exchange_code(code).map_err(|error| SignOnError::Provider(error.to_string()))?;
        let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier));
        let answer = exchange.request_async(&self.fetcher()).await.map_err(|error| SignOnError::Refused(told(&error)))?;
        let token = answer.id_token().ok_or_else(|| SignOnError::Token("there is none".to_owned()))?;
        let nonce = Nonce::new(flow.nonce);
        if let Err(first) = token.claims(&client.id_token_verifier(), &nonce) {
            // The keys may have changed since they were fetched.
            let client = self.client(true).await?;
            token.claims(&client.id_token_verifier(), &nonce).map_err(|_| SignOnError::Token(first.to_string()))?;
        }
        self.person(token)
    }

    /// Who a token is about, once it is known to be genuine.
    fn person(&self, token: &CoreIdToken) -> Result<Person, SignOnError> {
        let claims = claims(&token.to_string()).ok_or_else(|| SignOnError::Token("it has no claims".to_owned()))?;
        let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let name = text("email").or_else(|| text("preferred_username")).or_else(|| text("sub"));
        let person = name.ok_or_else(|| SignOnError::Token("it names nobody".to_owned()))?;
        let found = claims.get(&self.role_claim);
        if let Some(role) = role(found) {
            return Ok(Person { name: person, role });
        }
        let found = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        Err(SignOnError::NoRole { person, claim: self.role_claim.clone(), found })
    }

    /// The client that Bellwire is to the provider.
    async fn client(&self, anew: bool) -> Result<Client, SignOnError> {
        let metadata = self.metadata(anew).await?;
        let client = CoreClient::from_provider_metadata(metadata, self.client_id.clone(), self.client_secret.clone());
        Ok(client.set_redirect_uri(self.redirect_url.clone()))
    }

    async fn metadata(&self, anew: bool) -> Result<CoreProviderMetadata, SignOnError> {
        let known = self.metadata.lock().clone().filter(|(at, _)| !anew && at.elapsed() < METADATA_KEPT);
        if let Some((_, metadata)) = known {
            return Ok(metadata);
        }
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.fetcher()).await;
        let metadata = found.map_err(|error| SignOnError::Provider(told(&error)))?;
        *self.metadata.lock() = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    fn fetcher(&self) -> fetch::Fetcher<'_> {
        fetch::Fetcher { sender: &self.sender, clock: &*self.clock }
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn read_flow(kept: &str) -> Option<Flow> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(kept).ok()?).ok()
}

/// The claims of a signed token (RFC 7519).
fn claims(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The strongest role that a claim names: a word, or a list of words.
fn role(claim: Option<&serde_json::Value>) -> Option<Role> {
    let is_named = |role: &Role| match claim {
        Some(serde_json::Value::String(word)) => word == role.as_str(),
        Some(serde_json::Value::Array(words)) => words.iter().any(|word| word == role.as_str()),
        _ => false,
    };
    ROLES.into_iter().find(is_named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_a_word_or_one_of_a_list_and_nothing_else_is_one() {
        let table = [
            (json!("admin"), Some(Role::Admin)),
            (json!(["staff", "auditor"]), Some(Role::Auditor)),
            (json!(["auditor", "admin"]), Some(Role::Admin)),
            (json!("administrator"), None),
            (json!(["Admin"]), None),
            (json!({ "admin": true }), None),
            (json!(true), None),
            (json!("publisher"), None),
        ];
        for (claim, expected) in table {
            assert_eq!(role(Some(&claim)), expected, "{claim}");
        }
        assert_eq!(role(None), None);
    }

    #[test]
    fn what_a_browser_keeps_is_read_or_refused() {
        for kept in ["", "x", "e30", "%%"] {
            assert!(read_flow(kept).is_none(), "{kept}");
        }
    }
}
