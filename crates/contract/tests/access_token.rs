//! Access tokens: what a contract may say of them, how one is asked for, and what is made of the answer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail them")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_contract::{
    AccountInput, Contract, EndpointInput, OutboundRequest, RenderError, RenderInput, SigningSecret, TokenInput,
};
use bellwire_domain::Secret;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::common::{NOW, URL, compile, header, with_input};

const CLIENT: &str =
    "    client_id: \"{{ endpoint.credentials.id }}\"\n    client_secret: \"{{ endpoint.credentials.secret }}\"\n";

/// A contract whose `access_token` has these keys besides the URL.
fn source(keys: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\nsubscription:\n  credentials: {{ id: {{ type: string, required: true }}, secret: {{ type: string, required: true }} }}\n\
         request:\n  headers: {{ authorization: \"Bearer {{{{ access_token }}}}\" }}\n  body: \"{{{{ event.data }}}}\"\n  access_token:\n    \
         url: \"https://auth.example/token?tenant=7#x\"\n{keys}"
    )
}

fn asked(contract: &Contract, credentials: &str, secrets: &[Secret<String>]) -> Result<OutboundRequest, RenderError> {
    contract.render_token_request(&TokenInput {
        endpoint: EndpointInput {
            id: "ep_1",
            url: URL,
            name: None,
            expires_at: None,
            headers: &[],
            options: None,
            credentials: Some(credentials),
        },
        account: AccountInput { id: "a", name: None },
        secrets: &SigningSecret::numbered(secrets),
        at: NOW,
        random: [7; 16],
    })
}

fn pairs(request: &OutboundRequest) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_contract_is_refused_whose_token_could_not_be_got() {
    let with = |keys: &str| source(&format!("{CLIENT}{keys}"));
    for (source, expected) in [
        (source("    client_id: a\n"), "nothing proves who asks"),
        (with("    authenticate: private_key_jwt\n"), "takes no `client_secret`"),
        (with("    algorithm: ES384\n"), "takes no `algorithm`"),
        (with("    scope: \"{{ event.id }}\"\n"), "knows the endpoint and its account only"),
        (with("    scope: \"{{ endpoint.credentials.scope }}\"\n"), "there is no credential `scope`"),
        (with("").replace("https://auth", "http://auth"), "not an https URL"),
        (with("").replace("https://auth", "https://a:b@auth"), "a user name or password"),
        (with("").replace("{{ access_token }}", "x"), "nothing uses the token"),
        (source("").split("  access_token:\n").next().unwrap().to_owned(), "there is no `access_token` here"),
        (
            source("    client_id: a\n    authenticate: private_key_jwt\n")
                + "signatures: { a: { sign: ed25519, over: \"{{ body }}\" } }\n",
            "this needs a key of RSA",
        ),
    ] {
        let error = Contract::compile(&source, "t.yaml").unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn a_secret_is_shown_as_basic_with_both_halves_encoded_or_in_the_body() {
    let keys = "    scope: \"a b\"\n    parameters: { audience: \"{{ endpoint.url | url_origin }}\", \"x?\": \"{{ endpoint.name }}\" }\n";
    let basic = compile(&source(&format!("{CLIENT}{keys}")));
    let request = asked(&basic, r#"{"id":"a:b","secret":"ü &"}"#, &[]).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://auth.example/token?tenant=7"));
    assert_eq!(header(&request, "content-type"), "application/x-www-form-urlencoded");
    // `a%3Ab:%C3%BC+%26`
    assert_eq!(header(&request, "authorization"), "Basic YSUzQWI6JUMzJUJDKyUyNg==");
    let audience = pair("audience", "https://client.example.com");
    assert_eq!(pairs(&request), [pair("grant_type", "client_credentials"), pair("scope", "a b"), audience]);
    let post = compile(&source(&format!("{CLIENT}    authenticate: client_secret_post\n")));
    let request = asked(&post, r#"{"id":"a","secret":"b"}"#, &[]).unwrap();
    assert!(request.headers.get("authorization").is_none());
    let expected = [pair("grant_type", "client_credentials"), pair("client_id", "a"), pair("client_secret", "b")];
    assert_eq!(pairs(&request), expected);
    assert!(
        asked(&post, "{}", &[]).unwrap_err().to_string().contains("endpoint.credentials.id"),
        "a credential that is missing is named"
    );
}

#[test]
fn a_private_key_signs_an_assertion_that_a_library_verifies() {
    for (algorithm, known) in [("RS384", Algorithm::RS384), ("ES384", Algorithm::ES384)] {
        let keys = format!(
            "    client_id: \"{{{{ endpoint.credentials.id }}}}\"\n    authenticate: private_key_jwt\n    algorithm: {algorithm}\n"
        );
        let contract = compile(&source(&keys));
        let secret = contract.draw_secret([9; 32]);
        let request = asked(&contract, r#"{"id":"app 1"}"#, std::slice::from_ref(&secret)).unwrap();
        let pairs = pairs(&request);
        assert_eq!(pairs[1], pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
        let (name, assertion) = &pairs[2];
        assert_eq!(name, "client_assertion");
        let public = contract.public_key(&secret).unwrap();
        assert_eq!(public.algorithm, algorithm);
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&public.jwk).unwrap();
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let mut validation = Validation::new(known);
        validation.set_audience(&["https://auth.example/token?tenant=7"]);
        validation.validate_exp = false;
        let token = jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap();
        assert_eq!(token.header.kid.as_deref(), Some(public.id.as_str()));
        let claims = token.claims;
        assert_eq!((&claims["iss"], &claims["sub"], &claims["jti"]), (&"app 1".into(), &"app 1".into(), &"07".repeat(16).into()));
        let lasts = claims["exp"].as_i64().unwrap() - NOW.as_secs();
        assert!((1..=300).contains(&lasts), "{lasts}");
        let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap()).unwrap();
        assert_eq!(head["alg"], algorithm);
    }
}

#[test]
fn an_answer_gives_a_token_for_a_time_or_a_reason_that_repeats_nothing() {
    let contract = compile(&source(&format!("{CLIENT}    lifetime: 10m\n    refresh_before: 1m\n")));
    let used = |body: &str| contract.issued_token(200, body.as_bytes()).map(|issued| issued.use_for.as_secs());
    for (body, expected) in [
        (r#"{"access_token":"t","token_type":"Bearer","expires_in":3600}"#, 3_540),
        (r#"{"access_token":"t","expires_in":"3600"}"#, 3_540),
        (r#"{"access_token":"t"}"#, 540),
        (r#"{"access_token":"t","expires_in":90}"#, 45),
        (r#"{"access_token":"t","expires_in":0}"#, 0),
        (r#"{"access_token":"t","expires_in":99999999}"#, 86_340),
    ] {
        assert_eq!(used(body), Ok(expected), "{body}");
    }
    for (status, body, expected) in [
        (200, "hunter2", "answered 200 without an access token"),
        (200, r#"{"access_token":"hunter2\u000a"}"#, "answered 200 without an access token"),
        (200, r#"{"access_token":""}"#, "answered 200 without an access token"),
        (401, r#"{"error":"invalid_client","error_description":"hunter2"}"#, "answered 401 (invalid_client)"),
        (400, r#"{"error":"hunter2"}"#, "answered 400"),
        (302, "", "answered 302"),
    ] {
        assert_eq!(contract.issued_token(status, body.as_bytes()), Err(expected.to_owned()), "{body}");
    }
    let lasts = contract.issued_token(200, br#"{"access_token":"t"}"#).unwrap();
    assert_eq!((lasts.token.expose().as_str(), lasts.use_for), ("t", Duration::from_secs(540)));
}

#[test]
fn a_request_shows_the_token() {
    let contract = compile(&source(CLIENT));
    let request = with_input("any", "{}", &[], |input| contract.render(&RenderInput { access_token: Some("t.1"), ..*input }));
    assert_eq!(header(&request.unwrap(), "authorization"), "Bearer t.1");
}
