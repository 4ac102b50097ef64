//! Which of its owner's secrets made a value: `key.version`, also while two of them are active.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_contract::{CapturedRequest, CodeLanguage, Contract, OutboundRequest, RenderInput, SigningSecret, Verdict};

use crate::common::{NOW, compile, header, secrets, with_input};

const OLD: &str = "the old secret of this test";
const NEW: &str = "the new secret of this test";

fn source(headers: &str, signature: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\nrequest:\n  headers: {{ {headers} }}\n  body: \"{{{{ event.data }}}}\"\nsignatures:\n  main: {{ {signature} }}\n"
    )
}

/// A request that the second and the third secret of an endpoint sign.
fn rendered(contract: &Contract, texts: &[&str]) -> OutboundRequest {
    let signing: Vec<SigningSecret> = secrets(texts)
        .into_iter()
        .zip((2..2 + i64::try_from(texts.len()).unwrap()).rev())
        .map(|(secret, version)| SigningSecret { secret, version, is_beside: false })
        .collect();
    with_input("any", "{\"a\":1}", &[], |input| contract.render(&RenderInput { secrets: &signing, ..*input })).unwrap()
}

fn verdict(contract: &Contract, request: &OutboundRequest, body: &[u8], texts: &[&str]) -> Verdict {
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body };
    contract.verify(&captured, &secrets(texts), NOW)
}

#[test]
fn each_value_says_which_secret_made_it() {
    let contract = compile(&source(
        "x-signature: \"{{ signature.main }}\"",
        "hmac: sha256, over: \"{{ key.version }}.{{ body }}\", prefix: \"v{{ key.version }}=\", join: \",\"",
    ));
    let both = rendered(&contract, &[NEW, OLD]);
    let values: Vec<&str> = header(&both, "x-signature").split(',').map(|value| value.split_once('=').unwrap().0).collect();
    assert_eq!(values, ["v3", "v2"]);
    // Its value is the same when it is alone, as its version is.
    let alone = rendered(&contract, &[OLD]);
    assert_eq!(header(&both, "x-signature").split(',').nth(1), Some(header(&alone, "x-signature")));
    for known in [&[NEW][..], &[OLD], &[NEW, OLD], &["neither of the two", OLD]] {
        assert_eq!(verdict(&contract, &both, b"{\"a\":1}", known), Verdict::Genuine, "{known:?}");
    }
    assert!(matches!(verdict(&contract, &both, b"{\"a\":2}", &[NEW, OLD]), Verdict::Rejected { .. }));
    assert!(matches!(verdict(&contract, &both, b"{\"a\":1}", &["neither of the two"]), Verdict::Rejected { .. }));
    // The version is signed: another one in its place does not fit.
    let mut forged = alone.clone();
    let text = header(&alone, "x-signature").replace("v2=", "v9=");
    forged.headers.insert("x-signature", text.parse().unwrap());
    assert!(matches!(verdict(&contract, &forged, b"{\"a\":1}", &[OLD]), Verdict::Rejected { .. }));
}

#[test]
fn a_header_shows_the_version_of_the_secret_that_signs() {
    for (secrets, version) in [("oldest", "2"), ("newest", "3"), ("all, join: \" \"", "3"), ("previous", "2")] {
        let contract = compile(&source(
            "x-signature?: \"{{ signature.main }}\", x-key?: \"key-{{ key.version }}\"",
            &format!("hmac: sha256, over: \"{{{{ key.version }}}}{{{{ body }}}}\", secrets: {secrets}"),
        ));
        let request = rendered(&contract, &[NEW, OLD]);
        assert_eq!(header(&request, "x-key"), format!("key-{version}"), "{secrets}");
        assert_eq!(verdict(&contract, &request, b"{\"a\":1}", &[NEW, OLD]), Verdict::Genuine, "{secrets}");
        let text = contract.proofs().iter().map(|proof| proof.how.clone()).collect::<String>();
        assert!(contract.shows_key_version() && !text.contains("number of the secret"), "{text}");
    }
    let shown =
        compile(&source("authorization: \"Bearer {{ secret }}\", x-key: \"{{ key.version }}\"", "plain: \"{{ secret }}\""));
    assert_eq!(header(&rendered(&shown, &[NEW, OLD]), "x-key"), "3");
}

#[test]
fn a_token_names_its_secret_as_kid() {
    let contract = compile(&source(
        "authorization: \"Bearer {{ signature.main }}\"",
        "jwt: { header: { kid: \"v{{ key.version }}\" }, claims: { iat: \"{{ attempt.at | unix }}\", key: \"{{ key.version }}\" } }, secrets: oldest",
    ));
    let request = rendered(&contract, &[NEW, OLD]);
    let token = header(&request, "authorization").strip_prefix("Bearer ").unwrap();
    let parts: Vec<String> =
        token.split('.').take(2).map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
    assert_eq!(parts[0], r#"{"alg":"HS256","typ":"JWT","kid":"v2"}"#);
    assert!(parts[1].ends_with(r#""key":2}"#), "{}", parts[1]);
    assert_eq!(verdict(&contract, &request, b"{\"a\":1}", &[OLD]), Verdict::Genuine);
}

#[test]
fn private_keys_have_versions_as_well_as_ids() {
    let contract = compile(&source(
        "x-signature: \"{{ signature.main }}\", x-key: \"{{ key.version }}\"",
        "sign: ed25519, over: \"{{ body }}\", encode: base64, prefix: \"{{ key.version }}.{{ key.id }}:\", join: \" \"",
    ));
    let keys = [contract.draw_secret([1; 32]), contract.draw_secret([2; 32])];
    let [new, old] = keys.each_ref().map(|key| key.expose().as_str());
    let request = rendered(&contract, &[new, old]);
    let ids = keys.each_ref().map(|key| contract.public_key(key).unwrap().id);
    let shown: Vec<&str> = header(&request, "x-signature").split(' ').map(|value| value.split_once(':').unwrap().0).collect();
    assert_eq!(shown, [format!("3.{}", ids[0]), format!("2.{}", ids[1])]);
    assert_eq!(header(&request, "x-key"), "3");
    for public in keys.each_ref().map(|key| contract.public_key(key).unwrap().pem) {
        assert_eq!(verdict(&contract, &request, b"{\"a\":1}", &[&public]), Verdict::Genuine);
        assert!(matches!(verdict(&contract, &request, b"{}", &[&public]), Verdict::Rejected { .. }));
    }
}

#[test]
fn a_prefix_is_refused_that_nobody_could_take_off() {
    for (prefix, expected) in [
        ("{{ attempt.at | unix }}=", "knows `key.version` and `key.id`, as they are"),
        ("{{ key.version + 1 }}=", "knows `key.version` and `key.id`, as they are"),
        ("v{{ key.version }}", "nobody can tell where this ends"),
        ("v{{ key.version }}0=", "nobody can tell where this ends"),
        ("{{ key.version }}{{ key.id }}=", "nobody can tell where this ends"),
        ("{{ key.id }}=", "there is no `key` here"),
    ] {
        let signature = format!("hmac: sha256, over: \"{{{{ body }}}}\", prefix: \"{prefix}\"");
        let error = Contract::compile(&source("x-signature: \"{{ signature.main }}\"", &signature), "t.yaml").unwrap_err();
        assert!(error.to_string().contains(expected), "{prefix}: {error}");
    }
    let error =
        Contract::compile(&source("x-key: \"{{ key.pem }}\"", "hmac: sha256, over: \"{{ body }}\""), "t.yaml").unwrap_err();
    assert!(error.to_string().contains("there is no `key` here"), "{error}");
}

#[test]
fn who_verifies_is_told_of_versions() {
    let signature = "hmac: sha256, over: \"{{ key.version }}.{{ body }}\"";
    let outside = compile(&source("x-signature: \"v{{ key.version }}={{ signature.main }}\"", signature));
    let request = rendered(&outside, &[NEW, OLD]);
    assert!(header(&request, "x-signature").starts_with("v2="));
    assert_eq!(verdict(&outside, &request, b"{\"a\":1}", &[OLD]), Verdict::Genuine);
    assert!(outside.warnings("t.yaml").is_empty(), "{:?}", outside.warnings("t.yaml"));
    for language in CodeLanguage::ALL {
        let code = outside.verification_code(*language).unwrap();
        assert!(code.text.contains("key_version") || code.text.contains("keyVersion"), "{language}: {}", code.text);
    }
    let inside = compile(&source(
        "x-signature: \"{{ signature.main }}\"",
        "hmac: sha256, over: \"{{ body }}\", prefix: \"v{{ key.version }}=\"",
    ));
    let proofs = inside.proofs();
    assert!(proofs[0].how.contains("1 for the first and one more for each new one"), "{}", proofs[0].how);
    let error = inside.verification_code(CodeLanguage::Python).unwrap_err().to_string();
    assert!(error.contains("write it into the header"), "{error}");
    // Signed and not sent: no receiver can tell.
    let unsent = compile(&source("x-signature: \"{{ signature.main }}\"", signature));
    let warnings = unsent.warnings("t.yaml");
    assert!(warnings[0].message.contains("`key.version` is signed but not sent"), "{warnings:?}");
}
