//! The API does what its OpenAPI document says, tried with requests that schemathesis makes up from it: valid ones and wrong ones.
//!
//! That is `/v1` only. A published API has no document of this kind: its bodies and errors are the contract's own templates.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Home, LOCAL, Server, until, until_within};

/// How long one run may take.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Where endpoints are, whatever was asked for: nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9/";

/// The resource that there is, as the settings know it.
const RESOURCE: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";

/// A server with something of everything, and ids that the settings need: of a delivery, of an incident, of a client, and of a key, an
/// endpoint and a client that may be deleted.
struct Furnished {
    home: Home,
    server: Server,
    delivery: String,
    incident: String,
    bulk_retry: String,
    erasure: String,
    spare_key: String,
    spare_endpoint: String,
    client: String,
    spare_client: String,
}

impl Furnished {
    fn new() -> Self {
        let home = Home::new();
        // It tries each operation with a wrong key too.
        // One with keys of its own, which no contract has that is shipped.
        let contracts = home.path("contracts");
        std::fs::create_dir(&contracts).unwrap();
        let keyed = include_str!("../../../../tests/contracts/contract_keys.yaml");
        std::fs::write(contracts.join("contract_keys.yaml"), keyed).unwrap();
        let flags = ["--wrong-keys-max", "0", "--contracts", contracts.to_str().unwrap()];
        let server = home.start_with(&[&LOCAL[..], &flags].concat());
        let api = &server.api;
        for (account, contract) in [("clinic-7", "noyo"), ("passing", "noyo"), ("with-a-secret", "silver")] {
            api.put(&format!("/v1/accounts/{account}"), &json!({ "contract": contract })).expect(201);
        }
        let endpoint = json!({ "url": NOBODY, "secret": "a secret that nobody can guess" });
        let made = |path: &str, body: &Value| api.post(path, body).expect(201)["id"].as_str().unwrap().to_owned();
        made("/v1/accounts/clinic-7/endpoints", &endpoint);
        let event = api.publish("clinic-7", "difference.created", &json!({ "id": RESOURCE }).to_string());
        let delivery = api.delivery("clinic-7", &event).unwrap()["id"].as_str().unwrap().to_owned();
        let incident = until("an incident is open, as nobody listens", || {
            let incidents = api.get("/v1/incidents?account=clinic-7").expect(200);
            incidents["items"][0]["id"].as_str().map(str::to_owned)
        });
        let many = json!({ "filter": { "account": "clinic-7" }, "reason": "to see" });
        let bulk_retry = api.post("/v1/bulk/retries", &many).expect(202)["id"].as_str().unwrap().to_owned();
        let erase = json!({ "subject": "patient:gone", "reason": "to see" });
        let erasure = api.post("/v1/accounts/clinic-7/erasures", &erase).expect(202)["id"].as_str().unwrap().to_owned();
        for subject in ["patient:held", "patient:spare"] {
            api.put(&format!("/v1/accounts/clinic-7/holds/{subject}"), &json!({ "reason": "to see" })).expect(200);
        }
        let resource = json!({ "id": RESOURCE, "status": "processing" });
        api.put(&format!("/v1/accounts/clinic-7/resources/difference/{RESOURCE}"), &resource).expect(201);
        let spare_endpoint = made("/v1/accounts/clinic-7/endpoints", &endpoint);
        let spare_key = made("/v1/keys", &json!({ "role": "auditor" }));
        let asked = json!({ "jwks_url": "https://client.example/jwks.json" });
        let [client, spare_client] = [(); 2].map(|()| made("/v1/accounts/clinic-7/clients", &asked));
        Self { home, server, delivery, incident, bulk_retry, erasure, spare_key, spare_endpoint, client, spare_client }
    }

    fn key(&self, role: &str, account: Option<&str>) -> String {
        let made = self.server.api.post("/v1/keys", &json!({ "role": role, "account": account })).expect(201);
        made["key"].as_str().unwrap().to_owned()
    }

    /// Runs schemathesis with a key; it must find nothing.
    fn holds_for(&self, key: &str, more: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let (program, here) = (root.join(".tools/venv/bin/schemathesis"), root.join("tests/schemathesis"));
        assert!(program.exists(), "schemathesis is missing: run scripts/setup first");
        let said = self.home.path("schemathesis.txt");
        let mut command = Command::new(program);
        command.arg("--config-file").arg(here.join("schemathesis.toml")).arg("run");
        command.arg(format!("http://{}/v1/openapi.json", self.server.api.address)).args(more);
        command.current_dir(self.home.path("")).env("PYTHONPATH", here).env("PYTHONDONTWRITEBYTECODE", "1");
        let ids = [
            ("DELIVERY_ID", &self.delivery),
            ("INCIDENT_ID", &self.incident),
            ("BULK_RETRY_ID", &self.bulk_retry),
            ("ERASURE_ID", &self.erasure),
            ("SPARE_KEY_ID", &self.spare_key),
            ("SPARE_ENDPOINT_ID", &self.spare_endpoint),
            ("CLIENT_ID", &self.client),
            ("SPARE_CLIENT_ID", &self.spare_client),
        ];
        command.env("BELLWIRE_KEY", key).envs(ids);
        command
            .stdin(Stdio::null())
            .stdout(File::create(&said).unwrap())
            .stderr(File::options().append(true).open(&said).unwrap());
        let mut child = command.spawn().unwrap();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until_within(RUN_MAX, "schemathesis has ended", || child.try_wait().unwrap())
        }));
        let said = || std::fs::read_to_string(&said).unwrap();
        if let Ok(status) = ended {
            assert!(status.success(), "{}", said());
        } else {
            let _ = child.kill();
            panic!("{:?} {}", child.wait(), said());
        }
    }

    /// How many requests of an operation were answered 2xx.
    fn successes(&self, method: &str, route: &str) -> u64 {
        let metrics = self.server.api.get("/metrics");
        let (method, route) = (format!("method=\"{}\"", method.to_uppercase()), format!("route=\"{route}\""));
        let counted = metrics.text().lines().filter(|line| {
            line.starts_with("bellwire_api_requests_total")
                && [&method, &route, "status=\"2"].iter().all(|part| line.contains(*part))
        });
        counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Nothing was to be delivered to anywhere but this machine.
    fn stayed_here(&self) {
        let accounts = self.server.api.get("/v1/accounts?limit=200").expect(200);
        for account in accounts["items"].as_array().unwrap() {
            let path = format!("/v1/accounts/{}/endpoints?limit=200", account["id"].as_str().unwrap());
            let endpoints: Value = self.server.api.get(&path).json();
            for endpoint in endpoints["items"].as_array().into_iter().flatten() {
                assert_eq!(endpoint["url"], NOBODY, "{endpoint}");
            }
        }
    }
}

#[test]
fn the_operators_requests_are_answered_as_the_document_says() {
    let furnished = Furnished::new();
    furnished.holds_for(&furnished.key("admin", None), &[]);
    furnished.stayed_here();
    let document = furnished.server.api.get("/v1/openapi.json").expect(200);
    let mut never = Vec::new();
    for (route, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys();
        never.extend(methods.filter(|method| furnished.successes(method, route) == 0).map(|method| format!("{method} {route}")));
    }
    assert!(never.is_empty(), "no request of these ever succeeded, so little was tried: {never:?}");
}

#[test]
fn the_requests_of_other_roles_are_answered_as_the_document_says() {
    let furnished = Furnished::new();
    for (role, account) in [("publisher", None), ("consumer", Some("clinic-7")), ("auditor", None)] {
        furnished.holds_for(&furnished.key(role, account), &["--phases", "examples,fuzzing", "--max-examples", "4"]);
    }
    furnished.stayed_here();
}
