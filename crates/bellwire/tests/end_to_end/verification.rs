//! The verification code that Bellwire writes for receivers, run in each of its languages: it judges genuine, changed and old
//! requests, and requests made with another secret, as `bellwire verify` does.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_contract::{
    AccountInput, AttemptInput, CapturedRequest, CodeLanguage, Contract, Contracts, DeliveryInput, EndpointInput, EventInput,
    OutboundRequest, RenderInput, SigningSecret, Verdict, VerificationCode,
};
use bellwire_domain::{EventType, Secret, Timestamp, Trigger};
use http::HeaderValue;

use crate::harness::{bellwire, run};

/// When the requests are made: 2026-01-15T09:00:00.250Z.
const SENT: Timestamp = Timestamp::from_micros(1_768_467_600_250_000);
const URL: &str = "https://client.example/hooks/in%20box?tenant=7&b=%2F";

/// One request, as a receiver with one secret sees it.
struct Case {
    /// For messages.
    name: String,
    request: OutboundRequest,
    secret: Secret<String>,
    now: Timestamp,
    /// What the code must say; `None`: either, as long as it says it.
    is_genuine: Option<bool>,
}

#[test]
fn generated_python_judges_requests_as_bellwire_does() {
    judge(CodeLanguage::Python, |cases| output_of(Command::new("python3").arg(driver("py")).args(cases.paths())));
}

#[test]
fn generated_node_judges_requests_as_bellwire_does() {
    judge(CodeLanguage::Node, |cases| output_of(Command::new("node").arg(driver("mjs")).args(cases.paths())));
}

#[test]
fn generated_go_judges_requests_as_bellwire_does() {
    judge(CodeLanguage::Go, |cases| {
        let module = cases.code();
        fs::copy(driver("go"), module.join("driver.go")).unwrap();
        fs::write(module.join("go.mod"), "module verification\n\ngo 1.19\n").unwrap();
        fs::write(module.join("registry.go"), registry(&cases.codes)).unwrap();
        let mut go = Command::new("go");
        go.current_dir(&module).args(["run", "."]).args(cases.paths());
        // Nothing is fetched, and what is compiled of the standard library is kept for the next run.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-build");
        go.envs([
            ("GOFLAGS", "-mod=mod"),
            ("GOPROXY", "off"),
            ("GO111MODULE", "on"),
            ("GOTOOLCHAIN", "local"),
            ("CGO_ENABLED", "0"),
        ]);
        output_of(go.env("GOCACHE", cache).env("GOPATH", module.join("path")))
    });
}

#[test]
fn generated_ruby_judges_requests_as_bellwire_does() {
    judge(CodeLanguage::Ruby, |cases| output_of(Command::new("ruby").arg(driver("rb")).args(cases.paths())));
}

#[test]
fn generated_java_judges_requests_as_bellwire_does() {
    let file = driver("java").with_file_name("Driver.java");
    judge(CodeLanguage::Java, |cases| output_of(Command::new("java").arg(file).args(cases.paths())));
}

#[test]
fn generated_php_judges_requests_as_bellwire_does() {
    judge(CodeLanguage::Php, |cases| output_of(Command::new("php").arg(driver("php")).args(cases.paths())));
}

#[test]
fn the_command_writes_the_code_and_refuses_what_it_cannot_write_in_one_line() {
    let shipped = Contracts::shipped().unwrap();
    for language in CodeLanguage::ALL {
        let written = run(bellwire().args(["contract", "code", "noyo", "--language", language.as_str()]));
        assert_eq!(written.success(), shipped.get("noyo").unwrap().verification_code(*language).unwrap().text);
    }
    let unknown = run(bellwire().args(["contract", "code", "noyo", "--language", "cobol"]));
    assert!(unknown.refusal().contains("--language"), "{}", unknown.refusal());
    let file = tempfile::NamedTempFile::new().unwrap();
    let source = "contract: t\ntitle: T\nevents: any\nrequest: { headers: { x-s: \"{{ signature.s }}\" }, body: \"{{ event.data }}\" }\nsignatures: { s: { hmac: sha256, over: \"{{ body | crc32 }}\" } }\n";
    fs::write(file.path(), source).unwrap();
    let refused = run(bellwire().args(["contract", "code", "--language", "go"]).arg(file.path()));
    let wanted = "no verification code for the contract `t`: request.headers.x-s: `body|crc32` cannot be translated";
    assert!(refused.refusal().contains(wanted), "{}", refused.refusal());
}

/// Go code that calls the code of each contract with what it takes.
fn registry(codes: &[VerificationCode]) -> String {
    let (mut imports, mut entries) = (String::new(), String::new());
    for (index, code) in codes.iter().enumerate() {
        let more = [(code.takes_url, ", url"), (code.takes_method, ", method"), (code.takes_now, ", now")];
        let more: String = more.iter().filter(|(takes, _)| *takes).map(|(_, argument)| *argument).collect();
        let _ = writeln!(imports, "\tc{index} \"verification/c{index}\"");
        let _ = writeln!(
            entries,
            "\t\"c{index}\": func(secret string, headers http.Header, body []byte, url, method string, now time.Time) (error, bool) {{
\t\terr := c{index}.Verify(secret, headers, body{more})
\t\t_, isRefusal := err.(c{index}.VerificationError)
\t\treturn err, isRefusal
\t}},"
        );
    }
    format!(
        "package main\n\nimport (\n\t\"net/http\"\n\t\"time\"\n\n{imports})\n\nvar verifiers = map[string]verifier{{\n{entries}}}\n"
    )
}

/// The code and the cases of one language, on disk.
struct Written {
    folder: tempfile::TempDir,
    codes: Vec<VerificationCode>,
}

impl Written {
    fn code(&self) -> PathBuf {
        self.folder.path().join("code")
    }

    fn cases(&self) -> PathBuf {
        self.folder.path().join("cases")
    }

    fn paths(&self) -> [PathBuf; 2] {
        [self.code(), self.cases()]
    }
}

fn driver(extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verification").join(format!("driver.{extension}"))
}

/// The standard output of a program that must be there, and must succeed.
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; `scripts/setup` brings it"));
    let [said, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{command:?}: {}: {errors}{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Writes code and cases, has a driver judge them, and compares.
fn judge(language: CodeLanguage, drive: impl FnOnce(&Written) -> String) {
    let contracts = contracts();
    let codes: Vec<VerificationCode> = contracts
        .iter()
        .map(|contract| contract.verification_code(language).unwrap_or_else(|error| panic!("{language}: {error}")))
        .collect();
    let mut lines = String::new();
    let mut wanted = Vec::new();
    for (index, (contract, code)) in contracts.iter().zip(&codes).enumerate() {
        for case in cases(contract, code) {
            lines.push_str(&line(index, code, &case));
            wanted.push((format!("{} in {language}: {}", contract.name(), case.name), case.is_genuine));
        }
    }
    let written = Written { folder: tempfile::tempdir().unwrap(), codes };
    fs::create_dir(written.code()).unwrap();
    for (index, code) in written.codes.iter().enumerate() {
        write_code(language, &written.code(), index, &code.text);
    }
    fs::write(written.cases(), lines).unwrap();
    let judged = drive(&written);
    let judged: Vec<&str> = judged.lines().collect();
    assert_eq!(judged.len(), wanted.len(), "{judged:#?}");
    let fits = |wanted: Option<bool>, line: &str| match wanted {
        Some(true) => line == "genuine",
        Some(false) => line.starts_with("refused "),
        None => line == "genuine" || line.starts_with("refused "),
    };
    let both = wanted.iter().zip(&judged);
    let wrong: Vec<String> = both
        .filter(|((_, is_genuine), line)| !fits(*is_genuine, line))
        .map(|((name, is_genuine), line)| format!("{name}: genuine is {is_genuine:?}, the code says: {line}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn write_code(language: CodeLanguage, folder: &Path, index: usize, text: &str) {
    let extension = match language {
        CodeLanguage::Python => "py",
        CodeLanguage::Node => "mjs",
        CodeLanguage::Ruby => "rb",
        CodeLanguage::Php => "php",
        CodeLanguage::Go | CodeLanguage::Java => {
            let (folder, name) = (folder.join(format!("c{index}")), if language == CodeLanguage::Go { "go" } else { "java" });
            fs::create_dir(&folder).unwrap();
            return fs::write(folder.join(format!("WebhookVerifier.{name}")), text).unwrap();
        }
    };
    fs::write(folder.join(format!("c{index}.{extension}")), text).unwrap();
}

fn line(index: usize, code: &VerificationCode, case: &Case) -> String {
    let arguments: Vec<&str> = [(code.takes_url, "url"), (code.takes_method, "method")]
        .iter()
        .filter(|(takes, _)| *takes)
        .map(|(_, name)| *name)
        .collect();
    let arguments = if arguments.is_empty() { "-".to_owned() } else { arguments.join(",") };
    let now = if code.takes_now { case.now.as_secs().to_string() } else { "-".to_owned() };
    let mut line = format!("c{index}\t{arguments}\t{now}");
    let request = &case.request;
    let texts = [case.secret.expose().as_bytes(), &request.body, request.url.as_bytes(), request.method.as_str().as_bytes()];
    let headers = request.headers.iter().flat_map(|(name, value)| [request.spelled(name).as_bytes(), value.as_bytes()]);
    for text in texts.into_iter().chain(headers) {
        let _ = write!(line, "\t{}", STANDARD.encode(text));
    }
    line + "\n"
}

/// The shipped contracts, and those that use what these do not.
fn contracts() -> Vec<Contract> {
    let shipped = Contracts::shipped().unwrap();
    let names: Vec<String> = shipped.iter().map(|contract| contract.name().to_owned()).collect();
    let shipped = names.iter().map(|name| shipped.get(name).unwrap().source().to_owned());
    let others = OTHERS.iter().enumerate().map(|(index, source)| {
        format!("contract: other-{index}\ntitle: Other\nevents: [{{ type: a.b, example: {{ n: 1 }} }}]\n{source}")
    });
    shipped.chain(others).map(|source| Contract::compile(&source, "it.yaml").unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn cases(contract: &Contract, code: &VerificationCode) -> Vec<Case> {
    let (secret, other) = (contract.draw_secret([7; 32]), contract.draw_secret([8; 32]));
    let mut cases = Vec::new();
    let mut types: Vec<(EventType, String)> =
        contract.events().iter().map(|event| (event.event_type.clone(), event.example.get().to_owned())).collect();
    types.push((types.first().map_or_else(|| EventType::try_new("a.b").unwrap(), |(first, _)| first.clone()), sample(contract)));
    for (event_type, data) in &types {
        let request = render(contract, event_type, data, std::slice::from_ref(&secret));
        let mut add =
            |what: &str, request: &OutboundRequest, secret: &Secret<String>, now: Timestamp, is_genuine: Option<bool>| {
                let name = format!("{event_type} {what}");
                cases.push(Case { name, request: request.clone(), secret: secret.clone(), now, is_genuine });
            };
        let mut judged = |what: &str, request: &OutboundRequest, secret: &Secret<String>, now: Timestamp, is_genuine: bool| {
            let says = takes(contract, request, secret, now);
            assert_eq!(says, is_genuine, "{}: {event_type} {what}", contract.name());
            add(what, request, secret, now, Some(is_genuine));
        };
        judged("as it was sent", &request, &secret, SENT.plus(Duration::from_secs(120)), true);
        judged("with another secret", &request, &other, SENT, false);
        judged("with a changed body", &with_changed_body(&request), &secret, SENT, !code.tells_changed_body);
        judged("an hour late", &request, &secret, SENT.plus(Duration::from_secs(3_600)), !code.tells_old);
        judged("an hour early", &request, &secret, SENT.minus(Duration::from_secs(3_600)), !code.tells_old);
        if !contract.proofs().iter().any(|proof| proof.place == "the body") {
            let mut bare = request.clone();
            bare.headers.clear();
            judged("without its headers", &bare, &secret, SENT, false);
        }
        // Garbage is refused where Bellwire refuses it. A time that is no time may be refused where Bellwire passes over it.
        for name in request.headers.keys() {
            for garbage in ["", "a", "e30.e30.", "t=1,v1=\u{e9}", "99999999999999999999"] {
                let mut garbled = request.clone();
                garbled.headers.insert(name.clone(), HeaderValue::from_bytes(garbage.as_bytes()).unwrap());
                // An empty optional header is one that is not there.
                let mut without = request.clone();
                without.headers.remove(name);
                let taken = |request| takes(contract, request, &secret, SENT);
                let passes = taken(&garbled) || garbage.is_empty() && taken(&without);
                let refused = (!passes).then_some(false);
                add(&format!("with {name}: {garbage}"), &garbled, &secret, SENT, refused);
            }
        }
        // While a secret is rotated, whoever has one of the two takes what Bellwire takes with that one.
        let rotated = render(contract, event_type, data, &[other.clone(), secret.clone()]);
        for (what, known) in [("with the old secret", &secret), ("with the new secret", &other)] {
            let taken = takes(contract, &rotated, known, SENT).then_some(true);
            add(what, &rotated, known, SENT, taken);
        }
    }
    cases
}

/// Whether Bellwire takes the request for genuine.
fn takes(contract: &Contract, request: &OutboundRequest, secret: &Secret<String>, now: Timestamp) -> bool {
    let captured =
        CapturedRequest { method: request.method.as_str(), url: &request.url, headers: &request.headers, body: &request.body };
    contract.verify(&captured, std::slice::from_ref(secret), now) == Verdict::Genuine
}

fn with_changed_body(request: &OutboundRequest) -> OutboundRequest {
    let mut body = request.body.to_vec();
    body.push(b' ');
    OutboundRequest { body: body.into(), ..request.clone() }
}

/// Data with characters of all kinds, where the contract's example is not all that it takes.
fn sample(contract: &Contract) -> String {
    let first = contract.events().first();
    match first {
        Some(event) if event.schema.is_some() => event.example.get().to_owned(),
        _ => r#"{"n":1.10,"text":"é 😀 \u00e9 \"quoted\" </script>","list":[ 1, 2 ]}"#.to_owned(),
    }
}

fn render(contract: &Contract, event_type: &EventType, data: &str, secrets: &[Secret<String>]) -> OutboundRequest {
    let ids = contract.ids();
    let (event_id, endpoint_id) = (ids.event.draw(SENT, [7; 10]), ids.endpoint.draw(SENT, [8; 10]));
    let input = RenderInput {
        event: EventInput { id: &event_id, event_type, occurred_at: SENT, seq: 1, data, is_test: false },
        attempt: AttemptInput { number: 1, at: SENT, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: "dlv_1", number: 1, created_at: SENT, first_attempt_at: Some(SENT), previous: None },
        endpoint: EndpointInput {
            id: &endpoint_id,
            url: URL,
            name: None,
            expires_at: None,
            headers: &[],
            options: None,
            credentials: None,
        },
        account: AccountInput { id: "clinic-1", name: None },
        secrets: &SigningSecret::numbered(secrets),
        activation: None,
        others: &[],
        access_token: None,
    };
    contract.render(&input).unwrap_or_else(|error| panic!("{}: {error}", contract.name()))
}

/// What published contracts do and the shipped ones do not.
const OTHERS: &[&str] = &[
    // The recipe for `t=…,v1=…`.
    r#"
request: { headers: { x-signature: "t={{ attempt.at | unix }},{{ signature.main }}" }, body: "{{ event.data }}" }
signatures: { main: { hmac: sha256, over: "{{ attempt.at | unix }}.{{ body }}", prefix: "v1=" } }
"#,
    // The version of the secret, which is signed as well.
    r#"
request: { headers: { x-signature: "v{{ key.version }}={{ signature.main }}" }, body: "{{ event.data }}" }
signatures: { main: { hmac: sha256, over: "{{ key.version }}.{{ body }}" } }
"#,
    // A prefix in the header, SHA-512, upper-case hex, a key with a suffix, milliseconds.
    r#"
request: { headers: { X-Sign: "sha512={{ signature.main }}", X-Sent: "{{ attempt.at | unix_ms }}" }, body: "{{ event.data }}" }
signatures: { main: { hmac: sha512, key: { suffix: "&" }, over: "v0:{{ header['x-sent'] }}:{{ body }}", encode: HEX } }
"#,
    // The method, parts of the URL and a digest of the body, one per line; a date of HTTP.
    r#"
request:
  headers: { date: "{{ attempt.at | http_date }}", authorization: "HMAC {{ signature.main }}" }
  body: "{{ event.data }}"
signatures:
  main:
    hmac: sha1
    over: "{{ request.method }}\n{{ request.path }}\n{{ request.query }}\n{{ request.url | url_target }}\n{{ request.host }}\n{{ request.url }}\n{{ header['date'] }}\n{{ body | sha256 | base64 }}\n{{ body | length }}"
    encode: base64url
"#,
    // A digest in one header, which another one signs together with the id; RFC 3339 with milliseconds.
    r#"
request:
  headers:
    digest: "SHA-256={{ body | sha256 | base64 }}"
    x-id: "{{ event.id }}"
    x-time: "{{ attempt.at | rfc3339(digits=3) }}"
    x-signature: "{{ signature.main }}"
  body: "{{ event.data }}"
signatures:
  main: { hmac: sha384, over: "{{ header['x-id'] }}\n{{ header['x-time'] }}\n{{ header['digest'] }}", encode: base64, join: ", " }
"#,
    // Basic, and a bearer token in another header.
    r#"
request:
  headers: { authorization: "Basic {{ ('user:' ~ secret) | base64 }}", x-key: "Bearer {{ secret }}" }
  body: "{{ event.data }}"
"#,
    // A plain hash of the secret and the body's base64.
    r#"
request: { headers: { x-hash: "{{ signature.main }}" }, body: "{{ event.data }}" }
signatures: { main: { hash: sha256, over: '{{ secret }}é"$x#{1}${2}`\{{ body | base64 }}' } }
"#,
    // A signature inside the body, over fields of it, with the time as a number.
    r#"
request:
  body: { id: "{{ event.id }}", sent: "{{ attempt.at | unix }}", data: "{{ event.data }}", sign: "{{ signature.main }}" }
signatures: { main: { hmac: sha256, over: "{{ event.id }}|{{ attempt.at | unix }}" } }
"#,
    // A token with a constant, after a word, signed with a key in hex.
    r#"
subscription: { secret: { from: generated, format: { encoding: hex, bytes_min: 32 } } }
request: { headers: { authorization: "Bearer {{ signature.main }}" }, body: "{{ event.data }}" }
signatures:
  main:
    key: hex
    jwt: { alg: HS512, claims: { iss: "https://acme.example/a?b=\u00e9&<c>", v: 2, live: true, sub: "{{ account.id }}", iat: "{{ attempt.at | unix }}", digest: "{{ body | sha512 | hex }}" } }
"#,
    // A header that is there only during a rotation.
    r#"
request: { headers: { x-signature: "{{ signature.main }}", "x-old-signature?": "{{ signature.old }}" }, body: "{{ event.data }}" }
signatures: { main: { hmac: sha256, over: "{{ body }}", secrets: newest }, old: { hmac: sha256, over: "{{ body }}", secrets: previous } }
"#,
    // Three proofs of which none must be there.
    r#"
subscription: { secret: { from: consumer, required: false } }
request:
  headers:
    x-s?: "{{ signature.s }}"
    x-old?: "{{ signature.old }}"
    authorization?: "Basic {{ ('user:' ~ secret) | base64 }}"
  body: "{{ event.data }}"
signatures:
  s: { hmac: sha512, over: "{{ body }}", encode: base64url, secrets: newest }
  old: { hmac: sha1, over: "{{ body }}", secrets: previous }
"#,
];
