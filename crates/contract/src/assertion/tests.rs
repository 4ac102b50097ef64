use serde_json::json;

use super::*;
use crate::key_pair::{EcdsaForm, KeyKind, PrivateKey, SignatureAlgorithm};

const URL: &str = "https://api.example/auth/token";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A client with one key of each kind, drawn from fixed bytes.
struct Client {
    rsa: PrivateKey,
    p384: PrivateKey,
}

impl Client {
    fn new(seed: u8) -> Self {
        let key = |kind| PrivateKey::parse(kind, PrivateKey::draw(kind, [seed; 32]).unwrap().expose()).unwrap();
        Self { rsa: key(KeyKind::Rsa2048), p384: key(KeyKind::P384) }
    }

    fn jwks(&self) -> Value {
        let jwk = |key: &PrivateKey, algorithm, id: &str| {
            let mut jwk: Value = serde_json::from_str(&key.verifying().jwk(algorithm).unwrap()).unwrap();
            jwk["kid"] = id.into();
            jwk
        };
        json!({ "keys": [
            jwk(&self.rsa, SignatureAlgorithm::RsaSha384, "r"),
            jwk(&self.p384, SignatureAlgorithm::EcdsaP384Sha384, "e"),
        ] })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = match header["alg"].as_str() {
            Some("RS384") => self.rsa.sign(SignatureAlgorithm::RsaSha384, EcdsaForm::Raw, signed.as_bytes()),
            _ => self.p384.sign(SignatureAlgorithm::EcdsaP384Sha384, EcdsaForm::Raw, signed.as_bytes()),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap()))
    }
}

fn claims() -> Value {
    json!({ "iss": "cli_1", "sub": "cli_1", "aud": URL, "exp": NOW.as_secs() + 300, "jti": "1" })
}

fn header() -> Value {
    json!({ "alg": "ES384", "kid": "e", "typ": "JWT" })
}

fn read(text: &str) -> Result<Assertion, AssertionFault> {
    let terms = AssertionTerms { audiences: &["https://other.example", URL], algorithms: AssertionAlgorithm::ALL, now: NOW };
    Assertion::read(text, terms)
}

#[test]
fn what_a_client_has_signed_is_known_by_its_keys_and_by_no_others() {
    let (client, other) = (Client::new(1), Client::new(2));
    let (keys, others) = (ClientKeys::read(&client.jwks()).unwrap(), ClientKeys::read(&other.jwks()).unwrap());
    for (algorithm, id) in [("RS384", "r"), ("ES384", "e")] {
        let text = client.sign(&json!({ "alg": algorithm, "kid": id }), &claims());
        let assertion = read(&text).unwrap();
        assert_eq!((assertion.client(), assertion.id()), ("cli_1", "1"));
        assert_eq!(assertion.expires_at(), Timestamp::from_secs(NOW.as_secs() + 300));
        assert!(assertion.is_signed_by(&keys), "{algorithm}");
        assert!(assertion.has_key_in(&others) && !assertion.is_signed_by(&others), "{algorithm}");
        let changed = format!("{}A{}", &text[..text.len() - 5], &text[text.len() - 4..]);
        assert!(!read(&changed).unwrap().is_signed_by(&keys) || changed == text);
    }
}

#[test]
fn a_key_signs_only_by_its_own_algorithm_and_under_its_own_name() {
    let client = Client::new(1);
    let keys = ClientKeys::read(&client.jwks()).unwrap();
    for (algorithm, id) in [("RS384", "e"), ("ES384", "r"), ("ES384", "x")] {
        let assertion = read(&client.sign(&json!({ "alg": algorithm, "kid": id }), &claims())).unwrap();
        assert!(!assertion.has_key_in(&keys) && !assertion.is_signed_by(&keys), "{algorithm} {id}");
    }
    let only_rsa = AssertionTerms { audiences: &[URL], algorithms: &[AssertionAlgorithm::Rs384], now: NOW };
    let refused = Assertion::read(&client.sign(&header(), &claims()), only_rsa).unwrap_err();
    assert_eq!(refused, AssertionFault::Algorithm);
}

#[test]
fn what_an_assertion_says_of_itself_has_to_fit() {
    let client = Client::new(1);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        read(&client.sign(&header(), &claims)).map(|assertion| assertion.client().to_owned())
    };
    let now = NOW.as_secs();
    assert!(with("aud", json!(["https://else.example", URL])).is_ok());
    assert!(with("exp", json!(1_800_000_010.5)).is_ok());
    assert!(with("nbf", json!(now)).is_ok() && with("iat", json!(now)).is_ok());
    let refused = [
        ("aud", json!("https://api.example/auth/token/"), AssertionFault::Audience),
        ("aud", json!([]), AssertionFault::Audience),
        ("aud", Value::Null, AssertionFault::Audience),
        ("iss", json!("cli_2"), AssertionFault::Client),
        ("sub", json!("cli_2"), AssertionFault::Client),
        ("exp", json!(now), AssertionFault::Expired),
        ("exp", json!("soon"), AssertionFault::Expired),
        ("exp", Value::Null, AssertionFault::Expired),
        ("exp", json!(now + 311), AssertionFault::TooLong),
        ("exp", json!(i64::MAX), AssertionFault::Expired),
        ("nbf", json!(now + 60), AssertionFault::NotYet),
        ("jti", json!(""), AssertionFault::Id),
        ("jti", json!(7), AssertionFault::Id),
        ("jti", json!("x".repeat(256)), AssertionFault::Id),
    ];
    for (name, value, expected) in refused {
        assert_eq!(with(name, value.clone()), Err(expected), "{name}: {value}");
    }
}

#[test]
fn what_is_no_assertion_is_refused() {
    let client = Client::new(1);
    let headers = [
        json!({ "alg": "none", "kid": "e" }),
        json!({ "alg": "HS256", "kid": "e" }),
        json!({ "alg": "ES384" }),
        json!({ "kid": "e" }),
        json!({ "alg": "ES384", "kid": "e", "crit": ["exp"] }),
        json!({ "alg": "ES384", "kid": "e", "typ": "dpop+jwt" }),
    ];
    for header in headers {
        assert!(read(&client.sign(&header, &claims())).is_err(), "{header}");
    }
    for text in ["", ".", "..", "a.b.c", "e30.e30.", &"x".repeat(LENGTH_MAX + 1)] {
        assert_eq!(read(text).unwrap_err(), AssertionFault::Unreadable, "{text}");
    }
}

#[test]
fn a_key_set_has_a_key_that_can_be_used_and_no_private_part() {
    let jwks = Client::new(1).jwks();
    let refusal = |name: &str, value: Value| {
        let mut key = jwks["keys"][1].clone();
        key[name] = value;
        ClientKeys::read(&json!({ "keys": [key] })).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refusal("alg", json!("ES384")), Ok(()));
    let refused = [
        ("d", json!("AA"), "private part"),
        ("kid", Value::Null, "no `kid`"),
        ("use", json!("enc"), "`sig`"),
        ("key_ops", json!(["sign"]), "`verify`"),
        ("alg", json!("ES256"), "is not ES384"),
        ("x", jwks["keys"][1]["y"].clone(), "no point on P-384"),
        ("x", json!("AA=="), "not base64url"),
        ("crv", json!("P-256"), "not P-384"),
        ("kty", json!("OKP"), "neither"),
    ];
    for (name, value, expected) in refused {
        let refusal = refusal(name, value.clone());
        assert!(refusal.as_ref().is_err_and(|error| error.contains(expected)), "{name}: {value}: {refusal:?}");
    }
    let small = json!({ "keys": [{ "kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB" }] });
    assert!(ClientKeys::read(&small).unwrap_err().to_string().contains("this one has 17"));
    for text in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":[1]}"#, r#"{"keys":{}}"#] {
        assert!(ClientKeys::parse(text).is_err(), "{text}");
    }
    assert!(ClientKeys::parse(&json!({ "keys": vec![json!({}); 51] }).to_string()).is_err());
}

#[test]
fn keys_for_other_purposes_are_passed_over() {
    let client = Client::new(1);
    let mut jwks = client.jwks();
    jwks["keys"].as_array_mut().unwrap().insert(0, json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "o" }));
    let keys = ClientKeys::read(&jwks).unwrap();
    assert!(read(&client.sign(&header(), &claims())).unwrap().is_signed_by(&keys));
}
