//! Access tokens of published APIs: issued to a client for an assertion that it has signed, and taken in place of a key.
//!
//! A token is not stored. It says whose it is, what for and until when, and has a code that only this store's own key makes, so every node
//! takes it. It works as long as its client is registered.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_contract::{Assertion, AssertionTerms, Contract, ScopeRight, TokenRules};
use bellwire_domain::{AuditAction, AuditActor, AuditOrigin, ClientId, Role, Secret, Timestamp};
use bellwire_store::{Client, KeyBounds, StoreError};
use serde_json::{Value, json};

use crate::author::Author;
use crate::client_keys::NoKeys;
use crate::{Actor, App, AppError, Identity};

/// What every token begins with.
const PREFIX: &str = "bwt_";
/// The longest text that could be a token.
const LENGTH_MAX: usize = 8 << 10;
const GRANT_TYPE: &str = "client_credentials";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Said of unknown clients, unknown keys and wrong signatures alike.
const UNKNOWN: &str = "no client that is registered here has signed this assertion";

/// What a client sends for a token (RFC 6749 §4.4.2, RFC 7523 §2.2).
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// How it wants one.
    pub grant_type: Option<String>,
    /// What for.
    pub scope: Option<String>,
    /// What kind of assertion it sends.
    pub assertion_type: Option<String>,
    /// The assertion.
    pub assertion: Option<String>,
    /// Its id, which the assertion says anyhow.
    pub client_id: Option<String>,
}

/// A token as issued.
#[derive(Debug)]
pub struct AccessToken {
    /// Its text.
    pub token: Secret<String>,
    /// How long it is good.
    pub lifetime: Duration,
    /// What for.
    pub scope: String,
}

/// Why none was issued: the errors of RFC 6749 §5.2, and what is nobody's fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// Something is missing.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// It is wanted in another way.
    #[error("`grant_type` must be `client_credentials`")]
    UnsupportedGrantType,
    /// Nothing that is asked for is known.
    #[error("none of the scopes that are asked for is known here")]
    InvalidScope,
    /// The assertion shows nobody who is registered.
    #[error("{0}")]
    InvalidClient(String),
    /// The client got many just now.
    #[error("this client got many tokens just now: use each until it expires")]
    TooMany {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// The client's keys are not to be had now.
    #[error("the client's keys cannot be fetched at present")]
    KeysUnavailable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
struct Claims {
    client: ClientId,
    contract: String,
    right: ScopeRight,
    expires_at: Timestamp,
}

impl App {
    /// Issues a token to whoever has signed the assertion. `audiences` are the URLs that this may be asked at.
    pub async fn issue_token(
        &self,
        contract: &Contract,
        rules: &TokenRules,
        audiences: &[&str],
        request: TokenRequest,
        origin: AuditOrigin,
    ) -> Result<AccessToken, TokenRefusal> {
        let assertion =
            read_assertion(&request, AssertionTerms { audiences, algorithms: rules.algorithms(), now: self.clock().now() });
        let assertion = assertion.inspect_err(|refusal| self.count_wrong_assertion(refusal, None, origin))?;
        let client = self.signer_of(contract, &assertion).await;
        let client = client.inspect_err(|refusal| self.count_wrong_assertion(refusal, Some(&assertion), origin))?;
        let granted = rules.grant(request.scope.as_deref().unwrap_or_default()).ok_or(TokenRefusal::InvalidScope)?;
        if let Err((retry_after, _)) = self.token_rates().admit(&client.id, self.clock().now()) {
            return Err(TokenRefusal::TooMany { retry_after });
        }
        if !self.records().use_assertion(&client.id, assertion.id(), assertion.expires_at()).await? {
            let refusal =
                TokenRefusal::InvalidClient("this assertion was used before: sign a new one with another `jti`".to_owned());
            self.count_wrong_assertion(&refusal, Some(&assertion), origin);
            return Err(refusal);
        }
        let claims = Claims {
            client: client.id.clone(),
            contract: contract.name().to_owned(),
            right: granted.right,
            expires_at: Timestamp::from_secs(self.clock().now().plus(rules.lifetime()).as_secs()),
        };
        let by = Author::new(AuditActor::Client(client.id.clone()), origin);
        self.tally().count(by.entry(AuditAction::TokensIssued).in_account(&client.account_id));
        Ok(AccessToken { token: self.write_token(&claims), lifetime: rules.lifetime(), scope: granted.scope })
    }

    /// The client of this contract that has signed an assertion.
    async fn signer_of(&self, contract: &Contract, assertion: &Assertion) -> Result<Arc<Client>, TokenRefusal> {
        let unknown = || TokenRefusal::InvalidClient(UNKNOWN.to_owned());
        let id = ClientId::try_new(assertion.client()).map_err(|_| unknown())?;
        let client = self.records().find_client(&id).await?.ok_or_else(unknown)?;
        let account = self.find_account(&client.account_id).await?;
        account.filter(|account| account.contract == contract.name()).ok_or_else(unknown)?;
        let means = (self.options().key_fetcher.as_deref(), self.clock());
        let keys = self.client_keys().find(means, &client, contract.name(), assertion).await;
        let keys = keys.map_err(|NoKeys| TokenRefusal::KeysUnavailable)?;
        if assertion.is_signed_by(&keys) { Ok(client) } else { Err(unknown()) }
    }

    /// Who sends a request to a published API: by an access token where its contract has them, else by a key. Call it once per request.
    pub async fn authenticate_published(
        &self,
        contract: &Contract,
        bearer: &str,
        origin: AuditOrigin,
    ) -> Result<Actor, AppError> {
        let takes_tokens = contract.published().is_some_and(|published| published.tokens().is_some());
        if !takes_tokens || !bearer.starts_with(PREFIX) {
            return self.authenticate(Some(bearer), origin).await;
        }
        let claims = self.read_token(bearer).filter(|claims| claims.contract == contract.name());
        let refused = |detail| {
            self.count_refused("", origin);
            AppError::Unauthenticated(detail)
        };
        // What was not issued here may be a key that somebody chose.
        let Some(claims) = claims else { return self.authenticate(Some(bearer), origin).await };
        if claims.expires_at <= self.clock().now() {
            return Err(refused("this access token has expired"));
        }
        let client = self.records().find_client(&claims.client).await?;
        let client = client.ok_or_else(|| refused("the client of this access token is not registered any more"))?;
        self.count_request(Actor {
            identity: Identity::Client(client.id.clone()),
            role: Role::Consumer,
            account: Some(client.account_id.clone()),
            read_only: claims.right == ScopeRight::Read,
            bounds: KeyBounds::default(),
            origin,
            requests_left: None,
        })
    }

    /// The client that an access token was issued to, whether or not it still works.
    pub(crate) fn client_of_token(&self, bearer: &str) -> Option<ClientId> {
        self.read_token(bearer).map(|claims| claims.client)
    }

    fn count_wrong_assertion(&self, refusal: &TokenRefusal, assertion: Option<&Assertion>, origin: AuditOrigin) {
        if !matches!(refusal, TokenRefusal::InvalidClient(_)) {
            return;
        }
        let entry = Author::unknown(origin).entry(AuditAction::SignInRefused);
        // What is not the form of an id is not repeated.
        let named = assertion.and_then(|assertion| ClientId::try_new(assertion.client()).ok());
        self.tally().count(match named.filter(|id| id.as_str().starts_with("cli_")) {
            Some(id) => entry.to(id.as_str()),
            None => entry,
        });
    }

    fn write_token(&self, claims: &Claims) -> Secret<String> {
        let said = json!([claims.client.as_str(), claims.contract, claims.right.as_str(), claims.expires_at.as_secs()]);
        let said = URL_SAFE_NO_PAD.encode(said.to_string());
        let proof = URL_SAFE_NO_PAD.encode(self.records().prove_token(said.as_bytes()));
        Secret::new(format!("{PREFIX}{said}.{proof}"))
    }

    /// What a token says, if it was issued by this store.
    fn read_token(&self, text: &str) -> Option<Claims> {
        let (said, proof) = text.strip_prefix(PREFIX).filter(|_| text.len() <= LENGTH_MAX)?.split_once('.')?;
        let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
        if !self.records().is_proven_token(said.as_bytes(), &proof) {
            return None;
        }
        let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()?;
        let text = |index: usize| said.get(index).and_then(Value::as_str);
        Some(Claims {
            client: ClientId::try_new(text(0)?).ok()?,
            contract: text(1)?.to_owned(),
            right: ScopeRight::parse(text(2)?)?,
            expires_at: Timestamp::from_secs(said.get(3).and_then(Value::as_i64)?),
        })
    }
}

/// The assertion of a request for a token, whose claims fit.
fn read_assertion(request: &TokenRequest, terms: AssertionTerms<'_>) -> Result<Assertion, TokenRefusal> {
    match request.grant_type.as_deref() {
        None => return Err(TokenRefusal::InvalidRequest("`grant_type` is missing")),
        Some(GRANT_TYPE) => {}
        Some(_) => return Err(TokenRefusal::UnsupportedGrantType),
    }
    if request.assertion_type.as_deref() != Some(ASSERTION_TYPE) {
        let needed = "`client_assertion_type` must be `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`";
        return Err(TokenRefusal::InvalidRequest(needed));
    }
    let text = request.assertion.as_deref().ok_or(TokenRefusal::InvalidRequest("`client_assertion` is missing"))?;
    let assertion = Assertion::read(text, terms).map_err(|fault| TokenRefusal::InvalidClient(fault.to_string()))?;
    if request.client_id.as_ref().is_some_and(|id| id != assertion.client()) {
        return Err(TokenRefusal::InvalidClient("`client_id` is another than the assertion's `sub`".to_owned()));
    }
    Ok(assertion)
}
