//! Secrets and keys of the contract at once: each signature is made by its own, and neither is taken for the other.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use bellwire_contract::{CapturedRequest, CodeLanguage, Contract, OutboundRequest, RenderInput, SigningSecret, Verdict};
use bellwire_domain::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::common::{NOW, compile, header, secrets, with_input};

const TEXT: &str = "the text secret of this test";
const BOTH: &str = "{ secret: { from: generated }, keys: { from: contract } }";

fn source(subscription: &str, headers: &str, signatures: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\nsubscription: {subscription}\nrequest:\n  headers: {{ {headers} }}\n  body: \
         \"{{{{ event.data }}}}\"\nsignatures: {{ {signatures} }}\n"
    )
}

/// With an HMAC and a signature by a key, each in a header of its own.
fn contract() -> Contract {
    compile(&source(
        BOTH,
        "x-old: \"{{ signature.old }}\", x-new: \"{{ signature.new }}\", x-key: \"{{ key.id }}.{{ key.version }}\"",
        "old: { hmac: sha256, over: \"{{ body }}\" }, new: { sign: ed25519, over: \"{{ body }}\", encode: base64 }",
    ))
}

fn rendered(contract: &Contract, signing: &[SigningSecret]) -> Result<OutboundRequest, String> {
    with_input("any", "{\"a\":1}", &[], |input| contract.render(&RenderInput { secrets: signing, ..*input }))
        .map_err(|error| error.to_string())
}

/// A text, and keys that were drawn from these bytes, newest first.
fn signing(contract: &Contract, keys: &[u8]) -> Vec<SigningSecret> {
    let text = SigningSecret::numbered(&secrets(&[TEXT])).remove(0);
    let versions = (1..=i64::try_from(keys.len()).unwrap()).rev();
    let key = |(byte, version): (&u8, i64)| {
        let secret = contract.draw_contract_key([*byte; 32]).unwrap();
        SigningSecret { secret, version, is_beside: true }
    };
    std::iter::once(text).chain(keys.iter().zip(versions).map(key)).collect()
}

fn public(contract: &Contract, signing: &SigningSecret) -> String {
    contract.public_key(&signing.secret).unwrap().pem
}

fn verdict(contract: &Contract, request: &OutboundRequest, known: &[&str]) -> Verdict {
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body: &request.body };
    contract.verify(&captured, &secrets(known), NOW)
}

/// Why a request is not genuine.
fn rejected(contract: &Contract, request: &OutboundRequest, known: &[&str]) -> String {
    match verdict(contract, request, known) {
        Verdict::Rejected { reason } => reason,
        other => format!("{other:?}"),
    }
}

fn refused(source: &str) -> String {
    Contract::compile(source, "t").map_or_else(|error| error.to_string(), |_| "nothing".to_owned())
}

#[test]
fn each_signature_is_made_by_its_own() {
    let contract = contract();
    let signing = signing(&contract, &[2, 1]);
    let request = rendered(&contract, &signing).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(TEXT.as_bytes()).unwrap();
    mac.update(&request.body);
    assert_eq!(header(&request, "x-old"), hex::encode(mac.finalize().into_bytes()));
    // Without `join` the oldest key signs, and headers speak of that one.
    let oldest = contract.public_key(&signing[2].secret).unwrap();
    assert_eq!(header(&request, "x-key"), format!("{}.1", oldest.id));
    assert_eq!(verdict(&contract, &request, &[TEXT, &oldest.pem]), Verdict::Genuine);
    assert_eq!(rendered(&contract, &signing[..1]).unwrap_err(), "the contract has no key to sign with");
    assert!(rendered(&contract, &signing[1..]).unwrap_err().contains("no secret"));
}

#[test]
fn a_receiver_that_checks_both_is_told_which_does_not_fit() {
    let contract = contract();
    let signing = signing(&contract, &[1]);
    let request = rendered(&contract, &signing).unwrap();
    let key = public(&contract, &signing[1]);
    let other = contract.public_key(&contract.draw_contract_key([9; 32]).unwrap()).unwrap().pem;
    assert_eq!(rejected(&contract, &request, &[TEXT]), "there is no public key to verify it with, which is given as PEM");
    assert_eq!(rejected(&contract, &request, &[&key]), "there is no secret to verify with");
    assert!(rejected(&contract, &request, &[TEXT, &other]).contains("`x-new` does not fit"));
    assert!(rejected(&contract, &request, &["another text", &key]).contains("`x-old` does not fit"));
    // Everybody knows the public half. An HMAC of it proves nothing.
    let mut forged = request.clone();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(&request.body);
    forged.headers.insert("x-old", hex::encode(mac.finalize().into_bytes()).parse().unwrap());
    assert!(rejected(&contract, &forged, &[TEXT, &key]).contains("`x-old` does not fit"));
    assert!(contract.check_known_secret(TEXT).is_ok() && contract.check_known_secret(&key).is_ok());
    assert!(contract.check_secret(&key).is_err() && contract.check_secret(TEXT).is_ok());
    assert!(contract.check_contract_key(TEXT).is_err() && contract.check_contract_key(signing[1].secret.expose()).is_ok());
}

#[test]
fn both_stand_in_one_header_and_each_is_joined_for_itself() {
    let text = include_str!("../../../tests/contracts/two_schemes.yaml");
    let contract = compile(text);
    let secret = |byte: u8, version| SigningSecret { secret: contract.draw_secret([byte; 32]), version, is_beside: false };
    let key =
        |byte: u8, version| SigningSecret { secret: contract.draw_contract_key([byte; 32]).unwrap(), version, is_beside: true };
    let signing = [secret(2, 2), secret(1, 1), key(4, 2), key(3, 1)];
    let request = rendered(&contract, &signing).unwrap();
    let values: Vec<&str> = header(&request, "webhook-signature").split(' ').map(|value| &value[..3]).collect();
    assert_eq!(values, ["v1,", "v1,", "v1a", "v1a"]);
    let (old, new) = (signing[1].secret.expose().as_str(), signing[0].secret.expose().as_str());
    let (old_key, new_key) = (public(&contract, &signing[3]), public(&contract, &signing[2]));
    for known in [[old, &*old_key], [old, &*new_key], [new, &*old_key], [new, &*new_key]] {
        assert_eq!(verdict(&contract, &request, &known), Verdict::Genuine);
    }
    let whpk = format!("whpk_{}", contract.public_key(&signing[2].secret).unwrap().public);
    assert_eq!(verdict(&contract, &request, &[&whpk, new]), Verdict::Genuine);
    assert_eq!(contract.warnings("t").len(), 0, "{:?}", contract.warnings("t"));
    let told: Vec<String> = contract.proofs().into_iter().map(|proof| proof.how).collect();
    assert!(told.iter().any(|how| how.contains("HMAC")) && told.iter().any(|how| how.contains("Ed25519")), "{told:?}");
}

#[test]
fn a_token_and_an_assertion_are_signed_by_the_key() {
    let contract = compile(&source(
        "{ secret: { from: consumer }, keys: { from: contract } }",
        "x-old: \"{{ signature.old }}\", x-token: \"{{ signature.token }}\"",
        "old: { plain: \"{{ secret }}\" }, token: { jwt: { alg: ES256, header: { kid: \"{{ key.id }}\" }, claims: { iat: \"{{ attempt.at | unix }}\" } } }",
    ));
    let signing = signing(&contract, &[1]);
    let request = rendered(&contract, &signing).unwrap();
    assert_eq!(header(&request, "x-old"), TEXT);
    assert_eq!(verdict(&contract, &request, &[TEXT, &public(&contract, &signing[1])]), Verdict::Genuine);
    assert!(rejected(&contract, &request, &[TEXT]).contains("no public key"));
}

#[test]
fn code_for_receivers_checks_what_the_secret_makes_and_says_so() {
    let contract = contract();
    for language in CodeLanguage::ALL {
        let code = contract.verification_code(*language).unwrap();
        assert!(code.text.contains("The signature by a private key, in the header x-new,"), "{}", code.text);
        assert!(code.tells_changed_body);
    }
    // What only the key protects is not protected where it is not looked at.
    let weak = compile(&source(
        BOTH,
        "x-old: \"{{ signature.old }}\", x-new: \"{{ signature.new }}\"",
        "old: { plain: \"{{ secret }}\" }, new: { sign: ed25519, over: \"{{ body }}\" }",
    ));
    let code = weak.verification_code(CodeLanguage::Python).unwrap();
    assert!(!code.tells_changed_body && code.text.contains("Nothing protects the body"), "{}", code.text);
    // Where nothing but the key signs any more, there is no code, as for other contracts with keys.
    let alone = compile(&source(BOTH, "x-new: \"{{ signature.new }}\"", "new: { sign: ed25519, over: \"{{ body }}\" }"));
    assert!(alone.verification_code(CodeLanguage::Python).unwrap_err().to_string().contains("by a private key"));
    let key = alone.draw_contract_key([1; 32]).unwrap();
    let only = [SigningSecret { secret: key, version: 1, is_beside: true }];
    assert!(!alone.subscription().secret.required && rendered(&alone, &only).is_ok());
}

#[test]
fn what_is_said_of_both_is_checked() {
    let (hmac, sign) = ("old: { hmac: sha256, over: \"{{ body }}\" }", "new: { sign: ed25519, over: \"{{ body }}\" }");
    let headers = "x-a: \"{{ signature.old }}\"";
    let both = "x-a: \"{{ signature.old }}\", x-b: \"{{ signature.new }}\"";
    let signatures = format!("{hmac}, {sign}");
    for (subscription, headers, signatures, said) in [
        (BOTH, headers, hmac, "subscription.keys: nothing in this contract signs with a private key"),
        ("{ keys: { from: account } }", both, &*signatures, "subscription.keys.from"),
        ("{ keys: { private_key: ed25519 } }", both, &*signatures, "subscription.keys.from"),
        (
            "{ secret: { from: generated, private_key: ed25519 }, keys: { from: contract } }",
            both,
            &*signatures,
            "subscription.secret.private_key: the secrets are texts",
        ),
        ("{ secret: { from: contract }, keys: { from: contract } }", both, &*signatures, "lets each of them sign for the others"),
        (
            "{ keys: { from: contract, private_key: p256 } }",
            both,
            &*signatures,
            "signatures.new.sign: this needs a key of Ed25519, and the contract's keys are of ECDSA (P-256)",
        ),
        ("{ secret: { from: generated } }", both, &*signatures, "`subscription: { keys: { from: contract } }`"),
        (BOTH, both, &*format!("{hmac}, new: {{ sign: ed25519, over: \"{{{{ secret }}}}\" }}"), "the secret is a private key"),
        (BOTH, both, &*format!("{sign}, old: {{ hmac: sha256, over: \"{{{{ key.id }}}}\" }}"), "has no `key` but its version"),
        (
            BOTH,
            both,
            &*format!("{sign}, old: {{ hmac: sha256, over: \"{{{{ key.version }}}}{{{{ body }}}}\" }}"),
            "the version of the secret is signed but not sent",
        ),
    ] {
        let told = refused(&source(subscription, headers, signatures));
        assert!(told.contains(said), "{subscription}: {told}");
    }
    let shown = format!(
        "{sign}, old: {{ hmac: sha256, over: \"{{{{ key.version }}}}{{{{ body }}}}\", prefix: \"v{{{{ key.version }}}}=\" }}"
    );
    assert_eq!(refused(&source(BOTH, both, &shown)), "nothing");
    let secret = compile(&source(BOTH, both, &signatures)).draw_secret([7; 32]);
    assert!(!secret.expose().contains("PRIVATE"), "{:?}", Secret::new(()));
}
