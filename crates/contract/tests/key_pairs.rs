//! Signatures by private keys, verified by Node's own library and by the contract with the public half.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::common::{self, NOW, body, header, render, secrets};
use bellwire_contract::{CapturedRequest, CodeLanguage, Contract, OutboundRequest, Verdict};
use bellwire_domain::Secret;

const SOURCES: [&str; 3] = [
    include_str!("../../../tests/contracts/keys_ed25519.yaml"),
    include_str!("../../../tests/contracts/keys_p256.yaml"),
    include_str!("../../../tests/contracts/keys_rsa.yaml"),
];

/// Each contract with two of its keys.
static CONTRACTS: LazyLock<Vec<(Contract, [String; 2])>> = LazyLock::new(|| {
    let drawn = |contract: &Contract, byte| contract.draw_secret([byte; 32]).expose().clone();
    SOURCES
        .iter()
        .map(|source| common::compile(source))
        .map(|contract| {
            let keys = [contract.example_secret().expose().clone(), drawn(&contract, 8)];
            (contract, keys)
        })
        .collect()
});

/// What Node finds wrong.
fn node(request: &OutboundRequest) -> String {
    let headers: serde_json::Map<String, serde_json::Value> =
        request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    let input = serde_json::json!({ "body": body(request), "headers": headers }).to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/key_pairs/verify.mjs");
    let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn judge(contract: &Contract, request: &OutboundRequest, body: &[u8], known: &[&str]) -> Verdict {
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body };
    contract.verify(&captured, &secrets(known), NOW)
}

fn public(contract: &Contract, key: &str) -> String {
    contract.public_key(&Secret::new(key.to_owned())).unwrap().pem
}

#[test]
fn node_verifies_every_signature_and_reads_every_description_of_the_key() {
    for (contract, [key, old]) in CONTRACTS.iter() {
        let request = render(contract, "a.b", r#"{"n":1.10}"#, &[key]);
        assert_eq!(node(&request), "", "{}", contract.name());
        let again = render(contract, "a.b", r#"{"n":1.10}"#, &[key]);
        assert_eq!((request.body, request.headers), (again.body, again.headers), "the same each time");
        if contract.name() == "keys-ed25519" {
            assert_eq!(node(&render(contract, "a.b", "{}", &[key, old])), "", "while rotating");
        }
    }
}

#[test]
fn a_receiver_verifies_with_the_public_half_and_with_no_other() {
    for (contract, [key, other]) in CONTRACTS.iter() {
        let request = render(contract, "a.b", r#"{"n":1.10}"#, &[key]);
        let (pem, other) = (public(contract, key), public(contract, other));
        assert_eq!(contract.check_known_secret(&pem), Ok(()));
        assert!(contract.check_secret(&pem).unwrap_err().contains("public key"));
        for known in [&[pem.as_str()][..], &[key], &[&other, &pem]] {
            assert_eq!(judge(contract, &request, &request.body, known), Verdict::Genuine, "{}", contract.name());
        }
        let changed = body(&request).replace("1.10", "1.11");
        for (body, known) in [(changed.as_bytes(), &pem), (&request.body, &other)] {
            assert!(matches!(judge(contract, &request, body, &[known]), Verdict::Rejected { .. }), "{}", contract.name());
        }
    }
}

#[test]
fn while_a_key_is_rotated_the_one_that_signs_is_the_one_that_is_described() {
    let (contract, [new, old]) = &CONTRACTS[1];
    let request = render(contract, "a.b", "{}", &[new, old]);
    let id = |key: &String| contract.public_key(&Secret::new(key.clone())).unwrap().id;
    assert!(header(&request, "x-der").starts_with(&format!("keyId={},", id(old))), "the oldest signs where there is one value");
    assert_eq!(judge(contract, &request, &request.body, &[&public(contract, old), &public(contract, new)]), Verdict::Genuine);
}

#[test]
fn keys_are_taken_as_others_write_them_and_refused_with_what_is_wrong() {
    let [ed25519, p256, rsa] = [0, 1, 2].map(|index| &CONTRACTS[index].0);
    let openssl = |program: &str| {
        let output = Command::new("node").args(["-e", program]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let pem = |kind: &str, options: &str, form: &str| {
        openssl(&format!(
            "const {{privateKey}} = crypto.generateKeyPairSync('{kind}', {{{options}}}); process.stdout.write(privateKey.export({{type: '{form}', format: 'pem'}}))"
        ))
    };
    assert_eq!(ed25519.check_secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Ok(()));
    assert_eq!(ed25519.check_secret(&pem("ed25519", "", "pkcs8")), Ok(()));
    let curve = "namedCurve: 'P-256'";
    assert_eq!(p256.check_secret(&pem("ec", curve, "pkcs8")), Ok(()));
    assert_eq!(p256.check_secret(&pem("ec", curve, "sec1").replace('\n', "\r\n")), Ok(()));
    assert_eq!(rsa.check_secret(&pem("rsa", "modulusLength: 2048", "pkcs8")), Ok(()));
    assert_eq!(rsa.check_secret(&pem("rsa", "modulusLength: 3072", "pkcs1")), Ok(()));
    let mut refusals = Vec::new();
    for (contract, key) in [
        (ed25519, "correct horse battery staple".to_owned()),
        (ed25519, "AAECAw==".to_owned()),
        (p256, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
        (ed25519, pem("ec", curve, "pkcs8")),
        (p256, pem("ec", "namedCurve: 'P-384'", "sec1")),
        (p256, pem("rsa", "modulusLength: 2048", "pkcs1")),
        (rsa, pem("ed25519", "", "pkcs8")),
        (rsa, pem("rsa", "modulusLength: 1024", "pkcs8")),
        (rsa, "-----BEGIN PRIVATE KEY-----\nMII".to_owned()),
        (rsa, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQI\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned()),
        (rsa, public(rsa, &CONTRACTS[2].1[0])),
    ] {
        refusals.push(contract.check_secret(&key).unwrap_err());
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn there_is_no_code_for_receivers_and_the_key_says_why() {
    for (contract, _) in CONTRACTS.iter() {
        for language in CodeLanguage::ALL {
            let refused = contract.verification_code(*language).unwrap_err();
            assert_eq!(refused.place.split('.').next_back(), Some("sign"), "{refused}");
        }
    }
}

#[test]
fn receivers_are_told_how_to_verify() {
    let told: Vec<String> = CONTRACTS
        .iter()
        .flat_map(|(contract, _)| contract.proofs().into_iter().map(|proof| format!("{}: {}", proof.place, proof.how)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}
