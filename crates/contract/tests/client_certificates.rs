//! Client certificates and private authorities: what a contract may say of them, what may be given, and where they go.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use bellwire_contract::{AccountInput, Contract, EndpointInput, RenderError, RenderInput, TokenInput};
use bellwire_domain::{ClientTls, OutboundRequest};
use serde_json::{Value, json};

use crate::common::{NOW, compile, render, with_input};

const CREDENTIALS: &str = "  credentials: { certificate: { type: string }, key: { type: string }, ca: { type: string }, password: { type: string, required: true } }\n";
const BOTH: &str = "  client_certificate: { certificate: \"{{ endpoint.credentials.certificate }}\", key: \"{{ endpoint.credentials.key }}\" }\n  ca: \"{{ endpoint.credentials.ca }}\"\n";

fn source(subscription: &str, request: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\nsubscription:\n{subscription}request:\n  body: \"{{{{ event.data }}}}\"\n{request}"
    )
}

fn with_credentials<T>(contract: &Contract, given: &Value, with: impl FnOnce(&Contract, &RenderInput<'_>) -> T) -> T {
    let given = given.to_string();
    with_input("any", "{}", &[], |input| {
        let endpoint = EndpointInput { credentials: Some(&given), ..input.endpoint };
        with(contract, &RenderInput { endpoint, ..*input })
    })
}

fn rendered(contract: &Contract, given: &Value) -> Result<OutboundRequest, RenderError> {
    with_credentials(contract, given, Contract::render)
}

/// A certificate and its key, both as PEM, of a kind of key.
fn pair(algorithm: &str) -> (String, String) {
    let key_source = format!(
        "contract: k\ntitle: K\nevents: any\nrequest: {{ headers: {{ x-s: \"{{{{ signature.main }}}}\" }}, body: {{ $text: \"{{{{ key.x509 }}}}\" }} }}\nsignatures: {{ main: {{ sign: {algorithm}, over: a }} }}\n"
    );
    let contract = compile(&key_source);
    let key = contract.draw_secret([9; 32]);
    let certificate = render(&contract, "any", "{}", &[key.expose()]).body;
    (String::from_utf8(certificate.to_vec()).unwrap(), key.expose().clone())
}

#[test]
fn a_contract_is_refused_that_says_of_them_what_cannot_be() {
    for (subscription, request, expected) in [
        (
            CREDENTIALS,
            "  client_certificate: { certificate: \"{{ endpoint.credentials.certificate }}\" }\n",
            "request.client_certificate.key: missing",
        ),
        (CREDENTIALS, "  ca: \"{{ event.data.ca }}\"\n", "knows the endpoint and its account only"),
        (CREDENTIALS, "  ca: \"{{ secret }}\"\n", "knows the endpoint and its account only"),
        (CREDENTIALS, "  ca: \"{{ endpoint.credentials.caa }}\"\n", "there is no credential `caa`"),
        ("  url: https\n", "  ca: \"{{ endpoint.credentials.ca }}\"\n", "declare it under `subscription.credentials`"),
    ] {
        let error = Contract::compile(&source(subscription, request), "t.yaml").unwrap_err().to_string();
        assert!(error.contains(expected), "{request}: {error}");
    }
}

#[test]
fn requests_carry_what_their_endpoint_has_given_and_nothing_where_it_has_given_nothing() {
    let contract = compile(&source(CREDENTIALS, BOTH));
    assert!(contract.shows_certificate() && contract.trusts_own_authority());
    let tls = |given: Value| rendered(&contract, &given).map(|request| request.tls.as_deref().cloned());
    assert_eq!(tls(json!({})).unwrap(), None);
    assert_eq!(tls(json!({ "ca": " " })).unwrap(), None);
    let shown = tls(json!({ "certificate": "c", "key": "k", "ca": "a" })).unwrap().unwrap();
    let (certificate, key) = shown.certificate.clone().unwrap();
    assert_eq!((certificate.expose().as_str(), key.expose().as_str()), ("c", "k"));
    assert_eq!(shown.ca.as_ref().unwrap().expose(), "a");
    assert!(!format!("{shown:?}").contains('"'), "nothing of it is printed: {shown:?}");
    assert_eq!(tls(json!({ "ca": "a" })).unwrap(), Some(ClientTls { certificate: None, ..shown }));
    for given in [json!({ "certificate": "c" }), json!({ "key": "k" })] {
        let error = tls(given).unwrap_err().to_string();
        assert!(error.contains("request.client_certificate"), "{error}");
    }
    let without = compile(&source("  url: https\n", ""));
    assert!(!without.shows_certificate() && !without.trusts_own_authority());
    assert!(rendered(&without, &json!({})).unwrap().tls.is_none());
}

#[test]
fn what_is_given_is_read_before_it_is_taken() {
    let contract = compile(&source(&format!("{CREDENTIALS}  url: any\n"), BOTH));
    let faults_at = |url: &str, given: Value| {
        let given = given.to_string();
        let found = with_input("any", "{}", &[], |input| {
            let endpoint = EndpointInput { credentials: Some(&given), url, ..input.endpoint };
            contract.check_client_tls(endpoint, input.account)
        });
        found.into_iter().map(|error| format!("{}: {}", error.pointer, error.message)).collect::<Vec<_>>()
    };
    let faults = |given: Value| faults_at("https://a.example/", given);
    let (other, _) = pair("ed25519");
    for algorithm in ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-sha256"] {
        let (certificate, key) = pair(algorithm);
        let chain = format!("{certificate}{other}");
        let windows = key.replace('\n', "\r\n");
        assert_eq!(faults(json!({ "certificate": certificate, "key": key, "ca": chain })), Vec::<String>::new());
        assert_eq!(faults(json!({ "certificate": chain, "key": windows })), Vec::<String>::new());
        let wrong = faults(json!({ "certificate": other, "key": key }));
        assert_eq!(wrong, ["/credentials/key: this key does not belong to the certificate"]);
        let plain = faults_at("http://a.example/", json!({ "certificate": certificate, "key": key }));
        assert_eq!(plain, ["/url: certificates are shown and checked over https only: give an https URL"]);
    }
    let (certificate, key) = pair("ed25519");
    for (given, places) in [
        (json!({ "certificate": "hunter2", "key": "hunter2" }), vec!["/credentials/certificate", "/credentials/key"]),
        (json!({ "certificate": certificate, "key": certificate }), vec!["/credentials/key"]),
        (json!({ "certificate": key, "key": key }), vec!["/credentials/certificate"]),
        (json!({ "certificate": certificate }), vec!["/credentials/certificate"]),
        (json!({ "key": key }), vec!["/credentials/certificate"]),
        (
            json!({ "ca": format!("{certificate}-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n") }),
            vec!["/credentials/ca"],
        ),
        (json!({ "ca": "hunter2" }), vec!["/credentials/ca"]),
        (json!({}), vec![]),
    ] {
        let found = faults(given);
        assert_eq!(found.iter().map(|fault| fault.split(':').next().unwrap()).collect::<Vec<_>>(), places, "{found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
    assert!(faults(json!({ "key": key })).concat().contains("there is a key and no certificate"));
}

#[test]
fn a_token_server_at_the_endpoints_own_host_gets_the_same_and_another_does_not() {
    let token = "  access_token: { url: \"{{ endpoint.options.token_url }}\", client_id: me, client_secret: \"{{ endpoint.credentials.password }}\" }\n  headers: { authorization: \"Bearer {{ access_token }}\" }\n";
    let options = "  options: { token_url: { type: string, required: true, examples: ['https://auth.example/'] } }\n";
    let contract = compile(&source(&format!("{CREDENTIALS}{options}"), &format!("{BOTH}{token}")));
    let asked = |token_url: &str| {
        let options = json!({ "token_url": token_url }).to_string();
        let credentials = json!({ "certificate": "c", "key": "k", "password": "p" }).to_string();
        let endpoint = EndpointInput {
            id: "ep_1",
            url: "https://client.example.com/hooks",
            name: None,
            expires_at: None,
            headers: &[],
            options: Some(&options),
            credentials: Some(&credentials),
        };
        let account = AccountInput { id: "acc_1", name: None };
        let input = TokenInput { endpoint, account, secrets: &[], at: NOW, random: [0; 16] };
        contract.render_token_request(&input).unwrap().tls
    };
    assert!(asked("https://client.example.com:8443/token").unwrap().certificate.is_some());
    assert!(asked("https://auth.example.com/token").is_none());
}
