//! The request for an access token, and what its answer gives.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bellwire_domain::{OutboundRequest, Secret, Timestamp, UrlPolicy};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::access_token::{AccessToken, Proof};
use crate::contract::Contract;
use crate::failure::{Failure, RenderError};
use crate::key_pair::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use crate::render::{AccountInput, EndpointInput};
use crate::signature::SigningSecret;
use crate::standing::Standing;
use crate::template::Template;
use crate::variables::Scope;

/// How long an assertion is good: SMART allows five minutes, and clocks differ.
const ASSERTION_SECS: i64 = 240;
/// The longest that a token is kept, whatever its answer says.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);
/// What a token server may say of a failure (RFC 6749 §5.2). Anything else is not repeated: it could be the secret.
const ERRORS: [&str; 6] =
    ["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];
const PATH: &str = "request.access_token";

/// What a request for a token is made from.
#[derive(Debug, Clone, Copy)]
pub struct TokenInput<'a> {
    /// For whose requests it is.
    pub endpoint: EndpointInput<'a>,
    /// Whose endpoint it is.
    pub account: AccountInput<'a>,
    /// The active secrets, newest first. Where they are private keys, the newest signs.
    pub secrets: &'a [SigningSecret],
    /// The time.
    pub at: Timestamp,
    /// Fresh random bytes.
    pub random: [u8; 16],
}

/// A token that a token server has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret<String>,
    /// For how long it is used.
    pub use_for: Duration,
}

impl Contract {
    /// How requests get an access token, if they do.
    pub fn access_token(&self) -> Option<&AccessToken> {
        self.access_token.as_ref()
    }

    /// A token for examples, where requests have one.
    pub fn example_access_token(&self) -> Option<&'static str> {
        self.access_token().map(|_| "example-access-token")
    }

    /// The request for an access token.
    ///
    /// # Errors
    /// The contract has none, or it cannot be rendered.
    pub fn render_token_request(&self, input: &TokenInput<'_>) -> Result<OutboundRequest, RenderError> {
        let access = self.access_token().ok_or_else(|| RenderError::plain(PATH, "there is no access token"))?;
        let TokenInput { endpoint, account, .. } = *input;
        let made = request(&Standing::new(self, endpoint, account), access, input);
        made.map_err(|failure| RenderError::of(PATH.to_owned(), failure))
    }

    /// What the answer to it gives.
    ///
    /// # Errors
    /// It gives no token; the message repeats nothing of the answer that could be secret.
    pub fn issued_token(&self, status: u16, body: &[u8]) -> Result<IssuedToken, String> {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if !(200..300).contains(&status) {
            let said = answer.get("error").and_then(Value::as_str);
            let said = said.and_then(|said| ERRORS.into_iter().find(|known| *known == said));
            return Err(said.map_or_else(|| format!("answered {status}"), |said| format!("answered {status} ({said})")));
        }
        let token = answer
            .get("access_token")
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        let Some(token) = token else { return Err(format!("answered {status} without an access token")) };
        let lifetime = answer.get("expires_in").and_then(seconds);
        let (lifetime_default, refresh_before) =
            self.access_token().map_or_else(Default::default, |access| (access.lifetime, access.refresh_before));
        let lifetime = lifetime.unwrap_or(lifetime_default).min(LIFETIME_MAX);
        let use_for = lifetime.saturating_sub(refresh_before).max(lifetime / 2);
        Ok(IssuedToken { token: Secret::new(token.to_owned()), use_for })
    }
}

/// A number of seconds, which some servers write as text.
fn seconds(value: &Value) -> Option<Duration> {
    let whole = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    whole.map(Duration::from_secs)
}

fn request(standing: &Standing<'_>, access: &AccessToken, input: &TokenInput<'_>) -> Result<OutboundRequest, Failure> {
    let text = |template: &Template| template.render_text(Scope::of(standing));
    let (url, client_id) = (url_of(standing, &access.url)?, text(&access.client_id)?);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Bellwire/", env!("CARGO_PKG_VERSION"))));
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    match &access.proof {
        Proof::Basic(secret) => {
            // Both halves are form-encoded first (RFC 6749 §2.3.1).
            let pair = format!("{}:{}", encoded(&client_id), encoded(&text(secret)?));
            let value = HeaderValue::from_maybe_shared(Bytes::from(format!("Basic {}", STANDARD.encode(pair))));
            let mut value = value.map_err(|_| Failure::new(secret.at, "no header can carry this"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Proof::Post(secret) => {
            form.append_pair("client_id", &client_id).append_pair("client_secret", &text(secret)?);
        }
        Proof::PrivateKey(algorithm) => {
            let keys = standing.contract.signers(true, input.secrets);
            let assertion = assertion((input, keys), (*algorithm).into(), &client_id, &url);
            let assertion = assertion.map_err(|message| Failure::new(access.client_id.at, message))?;
            form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            form.append_pair("client_assertion", &assertion);
        }
    }
    match access.scope.as_ref().map(text) {
        Some(Ok(scope)) if !scope.is_empty() => drop(form.append_pair("scope", &scope)),
        Some(Err(failure)) if !failure.absent => return Err(failure),
        _ => {}
    }
    for (name, optional, template) in &access.parameters {
        match text(template) {
            Ok(value) => drop(form.append_pair(name, &value)),
            Err(failure) if failure.absent && *optional => {}
            Err(failure) => return Err(failure.inside(name.clone())),
        }
    }
    let body = Bytes::from(form.finish());
    // A server at the endpoint's own host lets in whom the endpoint lets in, and is known by the same authority.
    let tls = if is_same_host(&url, standing.endpoint.url) { standing.tls()? } else { None };
    Ok(OutboundRequest { method: Method::POST, url, headers, spellings: Vec::new(), body, heeded: Arc::default(), tls })
}

/// The token server's URL, as it is on the wire.
fn url_of(standing: &Standing<'_>, template: &Template) -> Result<String, Failure> {
    let wrong = |message: &str| Failure::new(template.at, message);
    let mut url = url::Url::parse(&template.render_text(Scope::of(standing))?).map_err(|_| wrong("the result is not a URL"))?;
    let schemes: &[&str] = if standing.contract.subscription().url == UrlPolicy::Https { &["https"] } else { &["https", "http"] };
    if !schemes.contains(&url.scheme()) {
        return Err(wrong("the result is not an https URL, and secrets go there"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the result has a user name or password in it"));
    }
    url.set_fragment(None);
    Ok(url.into())
}

/// A signed assertion of who asks (RFC 7523), as SMART Backend Services wants it.
fn assertion(
    (input, keys): (&TokenInput<'_>, &[SigningSecret]),
    algorithm: SignatureAlgorithm,
    client_id: &str,
    audience: &str,
) -> Result<String, String> {
    let key = keys.first().ok_or("there is no private key to sign with")?;
    let key = PrivateKey::parse(algorithm.kind(), key.secret.expose())?;
    let now = input.at.as_secs();
    let header = json!({ "alg": algorithm.jose(), "typ": "JWT", "kid": key.verifying().id()? });
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "jti": hex::encode(input.random),
        "iat": now, "exp": now.saturating_add(ASSERTION_SECS),
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(algorithm, EcdsaForm::Raw, signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn is_same_host(one: &str, other: &str) -> bool {
    let host = |text: &str| url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    host(one).is_some_and(|one| host(other).is_some_and(|other| one == other))
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
