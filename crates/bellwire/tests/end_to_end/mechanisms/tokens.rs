//! Access tokens of a published API: a client signs assertions as its specification says (with Node's own library), and the server takes
//! each once, and no other.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use bellwire_testkit::postgres::Cluster;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{ACCOUNT, World, start_with};
use crate::harness::{Answer, Api, Home, Reply, Sink, now, send, until};

const TOKEN_URL: &str = "https://fhir.example/auth/token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const READ: &str = "system/*.rs";
const WRITE: &str = "system/Subscription.crud";

/// Draws keys, and signs with them: JSON in, JSON out.
const CLIENT: &str = r#"
import crypto from "node:crypto";
const input = JSON.parse(await new Response(process.stdin).text());
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
if (input.draw) {
  const make = { RS384: ["rsa", { modulusLength: 2048 }], ES384: ["ec", { namedCurve: "P-384" }] };
  const keys = input.draw.map((alg, index) => {
    const { publicKey, privateKey } = crypto.generateKeyPairSync(...make[alg]);
    const jwk = { ...publicKey.export({ format: "jwk" }), kid: `k${index}`, alg, use: "sig" };
    return { alg, jwk, pem: privateKey.export({ type: "pkcs8", format: "pem" }) };
  });
  console.log(JSON.stringify(keys));
} else {
  const text = `${encode(input.header)}.${encode(input.claims)}`;
  const key = { key: input.pem, dsaEncoding: "ieee-p1363" };
  console.log(JSON.stringify(`${text}.${crypto.sign("sha384", Buffer.from(text), key).toString("base64url")}`));
}
"#;

fn node(input: &Value) -> Value {
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", CLIENT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The keys of all clients here: `k0` is RSA, the others are on P-384.
static KEYS: LazyLock<Value> = LazyLock::new(|| node(&json!({ "draw": ["RS384", "ES384", "ES384"] })));

fn jwks(indexes: &[usize]) -> Value {
    let keys: Vec<&Value> = indexes.iter().map(|index| &KEYS[*index]["jwk"]).collect();
    json!({ "keys": keys })
}

fn claims(client: &str) -> Value {
    static COUNT: Mutex<u32> = Mutex::new(0);
    let mut count = COUNT.lock().unwrap();
    *count += 1;
    json!({ "iss": client, "sub": client, "aud": TOKEN_URL, "exp": now().as_secs() + 240, "jti": count.to_string() })
}

fn sign(key: usize, claims: &Value) -> String {
    let (alg, pem, kid) = (&KEYS[key]["alg"], &KEYS[key]["pem"], &KEYS[key]["jwk"]["kid"]);
    let signed = node(&json!({ "header": { "alg": alg, "kid": kid, "typ": "JWT" }, "claims": claims, "pem": pem }));
    signed.as_str().unwrap().to_owned()
}

fn post_form(address: SocketAddr, path: &str, pairs: &[(&str, &str)]) -> Answer {
    let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
    let headers = [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    send(address, "POST", path, &headers, form.as_bytes()).unwrap()
}

/// Asks for a token at a contract's endpoint.
fn ask_at(api: &Api, contract: &str, assertion: &str, scope: &str) -> Answer {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    post_form(api.address, &format!("/published/{contract}/auth/token"), &pairs)
}

fn ask(api: &Api, assertion: &str, scope: &str) -> Answer {
    ask_at(api, "tokens", assertion, scope)
}

fn token(answer: &Answer) -> String {
    answer.expect(200)["access_token"].as_str().unwrap().to_owned()
}

fn register(api: &Api, account: &str, body: &Value) -> String {
    api.post(&format!("/v1/accounts/{account}/clients"), body).expect(201)["id"].as_str().unwrap().to_owned()
}

const SUBSCRIPTION: &str = "/published/tokens/Subscription";

#[test]
fn a_client_gets_tokens_by_either_algorithm_and_may_do_what_their_scopes_say() {
    let world = World::of("tokens");
    let api = &world.server.api;
    let client = register(api, ACCOUNT, &json!({ "name": "Ward", "jwks": jwks(&[0, 1]) }));
    let document = api.without_key().get("/published/tokens/.well-known/smart-configuration").expect(200);
    assert_eq!((&document["token_endpoint"], &document["scopes_supported"]), (&json!(TOKEN_URL), &json!([READ, WRITE])));
    let below = format!("http://{}/published/tokens/auth/token", api.address);
    for (key, audience) in [(0, TOKEN_URL), (1, below.as_str())] {
        let mut claims = claims(&client);
        claims["aud"] = audience.into();
        let answer = ask(api, &sign(key, &claims), &format!("launch {READ}"));
        let said = answer.expect(200);
        let expected = (&json!("bearer"), &json!(300), &json!(READ));
        assert_eq!((&said["token_type"], &said["expires_in"], &said["scope"]), expected);
        assert_eq!((answer.header("cache-control"), answer.header("content-type")), (Some("no-store"), Some("application/json")));
        let reader = api.with_key(&token(&answer));
        assert_eq!(reader.get(SUBSCRIPTION).expect(200), json!({ "urls": [] }));
        let refused = reader.post(SUBSCRIPTION, &json!({ "endpoint": "http://127.0.0.1:9/in" })).expect(403);
        assert_eq!(refused["issue"], "forbidden");
        assert_eq!(reader.get(&format!("/v1/accounts/{ACCOUNT}")).status, 401, "only for what the contract publishes");
    }
    let writer = api.with_key(&token(&ask(api, &sign(0, &claims(&client)), &format!("{READ} {WRITE}"))));
    writer.post(SUBSCRIPTION, &json!({ "endpoint": "http://127.0.0.1:9/in" })).expect(201);
    assert_eq!(writer.get(SUBSCRIPTION).expect(200), json!({ "urls": ["http://127.0.0.1:9/in"] }));
    let records = api.get("/v1/audit?action=endpoint.created").expect(200);
    assert_eq!((&records["items"][0]["actor"], &records["items"][0]["account"]), (&json!(client), &json!(ACCOUNT)));
    let key = api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    assert_eq!(api.with_key(key["key"].as_str().unwrap()).get(SUBSCRIPTION).status, 200, "keys go on working");
    let description = api.get("/v1/contracts/tokens/openapi.json").expect(200);
    assert_eq!(description["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]["tokenUrl"], TOKEN_URL);
    assert!(description["paths"]["/auth/token"]["post"].is_object(), "{description}");
    assert_eq!(description["paths"]["/Subscription"]["get"]["security"], json!([{ "key": [] }, { "token": [] }]));
}

#[test]
fn whatever_is_wrong_with_an_assertion_is_refused_and_so_is_one_that_was_used() {
    let world = World::of("tokens");
    let api = &world.server.api;
    api.put("/v1/accounts/other", &json!({ "contract": "tokens-short" })).expect(201);
    let client = register(api, ACCOUNT, &json!({ "jwks": jwks(&[1]) }));
    let stranger = register(api, "other", &json!({ "jwks": jwks(&[1]) }));
    let with = |name: &str, value: Value| {
        let mut claims = claims(&client);
        claims[name] = value;
        sign(1, &claims)
    };
    let used = sign(1, &claims(&client));
    token(&ask(api, &used, READ));
    let secs = now().as_secs();
    let wrong = [
        ("used", used),
        ("for somebody else", with("aud", json!("https://else.example/auth/token"))),
        ("for a host that only the request names", with("aud", json!("https://evil.example/published/tokens/auth/token"))),
        ("over", with("exp", json!(secs - 1))),
        ("for too long", with("exp", json!(secs + 600))),
        ("of another issuer", with("iss", json!("cli_x"))),
        ("without a name", with("jti", Value::Null)),
        ("by an unknown key", sign(2, &claims(&client))),
        ("by another kind of key", sign(0, &claims(&client))),
        ("of nobody", sign(1, &claims("cli_nobody"))),
        ("of another contract's client", sign(1, &claims(&stranger))),
        ("nothing", "x.y.z".to_owned()),
    ];
    for (why, assertion) in wrong {
        let answer = ask(api, &assertion, READ);
        let said = answer.expect(401);
        assert_eq!((&said["error"], answer.header("cache-control")), (&json!("invalid_client"), Some("no-store")), "{why}");
    }
    // Whether a client exists, and whether it has that key, is not told.
    let unknown =
        [sign(2, &claims(&client)), sign(1, &claims("cli_nobody"))].map(|assertion| ask(api, &assertion, READ).expect(401));
    assert_eq!(unknown[0], unknown[1]);
    let forged = sign(1, &claims(&client));
    let (text, _) = forged.rsplit_once('.').unwrap();
    let (_, signature) =
        sign(1, &claims(&client)).rsplit_once('.').map(|(one, other)| (one.to_owned(), other.to_owned())).unwrap();
    ask(api, &format!("{text}.{signature}"), READ).expect(401);
    for scope in ["", "system/*.*", "launch"] {
        assert_eq!(ask(api, &sign(1, &claims(&client)), scope).expect(400)["error"], "invalid_scope", "{scope}");
    }
    let path = "/published/tokens/auth/token";
    let assertion = sign(1, &claims(&client));
    let asked: [(&str, &[(&str, &str)]); 4] = [
        ("invalid_request", &[("scope", READ)]),
        ("unsupported_grant_type", &[("grant_type", "password")]),
        ("invalid_request", &[("grant_type", "client_credentials"), ("client_assertion", &assertion)]),
        ("invalid_request", &[("grant_type", "client_credentials"), ("grant_type", "client_credentials")]),
    ];
    for (error, pairs) in asked {
        assert_eq!(post_form(api.address, path, pairs).expect(400)["error"], error, "{pairs:?}");
    }
    assert_eq!(api.without_key().post(path, &json!({})).expect(400)["error"], "invalid_request", "it is a form");
    let answer = api.without_key().get(path);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_eq!(ask_at(api, "tokens", &assertion, READ).status, 200, "what was refused before it was read is not used");
}

#[test]
fn keys_are_fetched_where_the_client_publishes_them_and_again_when_it_has_others() {
    let world = World::of("tokens");
    let api = &world.server.api;
    let published = Arc::new(Mutex::new(jwks(&[1])));
    let served = Arc::clone(&published);
    let sink = Sink::start_with(move |_| Reply { body: served.lock().unwrap().to_string().into_bytes(), ..Reply::from(200) });
    let client = register(api, ACCOUNT, &json!({ "jwks_url": sink.url("/jwks.json") }));
    for _ in 0..3 {
        token(&ask(api, &sign(1, &claims(&client)), READ));
    }
    assert_eq!(sink.count(), 1, "they are kept");
    assert_eq!(sink.requests()[0].path, "/jwks.json");
    *published.lock().unwrap() = jwks(&[2]);
    token(&ask(api, &sign(2, &claims(&client)), READ));
    ask(api, &sign(1, &claims(&client)), READ).expect(401);
    ask(api, &sign(0, &claims(&client)), READ).expect(401);
    assert_eq!(sink.count(), 2, "anybody can name unknown keys: they are not looked for each time");
    // Where nothing is to be had, the client is told to come back.
    let gone = Sink::start(|_| 500);
    let client = register(api, ACCOUNT, &json!({ "jwks_url": gone.url("/") }));
    for _ in 0..2 {
        let answer = ask(api, &sign(1, &claims(&client)), READ);
        assert_eq!(
            (answer.expect(503)["error"].as_str(), answer.header("retry-after")),
            (Some("temporarily_unavailable"), Some("20"))
        );
    }
    assert_eq!(gone.count(), 1);
}

#[test]
fn tokens_end_with_their_time_with_their_client_and_at_other_contracts() {
    let world = World::of("tokens");
    let api = &world.server.api;
    api.put("/v1/accounts/other", &json!({ "contract": "tokens-short" })).expect(201);
    let client = register(api, ACCOUNT, &json!({ "jwks": jwks(&[1]) }));
    let short = register(api, "other", &json!({ "jwks": jwks(&[1]) }));
    let held = api.with_key(&token(&ask(api, &sign(1, &claims(&client)), READ)));
    held.get(SUBSCRIPTION).expect(200);
    assert_eq!(held.get("/published/tokens-short/Subscription").status, 401);
    let ends = api.with_key(&token(&ask_at(api, "tokens-short", &sign(1, &claims(&short)), READ)));
    let refused = until("the token is over", || {
        Some(ends.get("/published/tokens-short/Subscription")).filter(|answer| answer.status == 401)
    });
    assert!(refused.json()["text"].as_str().unwrap().contains("expired"), "{}", refused.text());
    let clients = format!("/v1/accounts/{ACCOUNT}/clients");
    assert_eq!(api.delete(&format!("{clients}/{client}")).status, 204);
    assert_eq!(held.get(SUBSCRIPTION).expect(401)["issue"], "unauthenticated");
    ask(api, &sign(1, &claims(&client)), READ).expect(401);
    assert_eq!(api.get(&clients).expect(200)["items"], json!([]));
    let actions = api.get(&format!("/v1/audit?account={ACCOUNT}&limit=200")).expect(200).to_string();
    assert!(actions.contains("client.created") && actions.contains("client.deleted"), "{actions}");
}

#[test]
fn a_client_has_keys_that_can_be_used_or_a_url_where_they_may_be() {
    let world = World::of("tokens");
    let api = &world.server.api;
    let clients = format!("/v1/accounts/{ACCOUNT}/clients");
    let mut private = jwks(&[0]);
    private["keys"][0]["d"] = json!("AA");
    let refused = [
        (json!({}), "/jwks"),
        (json!({ "jwks": jwks(&[0]), "jwks_url": "https://client.example/jwks" }), "/jwks"),
        (json!({ "jwks": private }), "/jwks"),
        (json!({ "jwks": { "keys": [] } }), "/jwks"),
        (json!({ "jwks_url": "ftp://client.example" }), "/jwks_url"),
        (json!({ "jwks_url": "https://169.254.169.254/latest" }), "/jwks_url"),
        (json!({ "name": " ", "jwks": jwks(&[0]) }), "/name"),
    ];
    for (body, pointer) in refused {
        let answer = api.post(&clients, &body);
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer.to_owned()]), "{body}");
    }
    for _ in 0..100 {
        register(api, ACCOUNT, &json!({ "jwks_url": "https://client.example/jwks" }));
    }
    assert_eq!(api.post(&clients, &json!({ "jwks_url": "https://client.example/jwks" })).expect(409)["code"], "client_limit");
}

#[test]
fn over_one_database_every_node_takes_a_token_and_none_takes_an_assertion_again() {
    let url = Cluster::shared().database();
    let homes = [Home::over(&url), Home::over(&url)];
    let nodes = homes.each_ref().map(|home| start_with(home, &[]));
    let [one, other] = nodes.each_ref().map(|node| node.api.clone());
    one.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": "tokens" })).expect(201);
    let client = register(&one, ACCOUNT, &json!({ "jwks": jwks(&[1]) }));
    let assertion = sign(1, &claims(&client));
    let held = token(&ask(&one, &assertion, READ));
    assert_eq!(other.with_key(&held).get(SUBSCRIPTION).status, 200);
    assert_eq!(ask(&other, &assertion, READ).expect(401)["error"], "invalid_client");
    assert_eq!(one.delete(&format!("/v1/accounts/{ACCOUNT}/clients/{client}")).status, 204);
    until("the other node knows that the client is gone", || {
        (other.with_key(&held).get(SUBSCRIPTION).status == 401).then_some(())
    });
}
