//! `bellwire contract new` and `bellwire contract draft` write contracts that the other commands take.

use std::fs;
use std::path::Path;

use crate::harness::{Home, Run, bellwire, run, run_with};

fn new(flags: &[&str]) -> Run {
    run(bellwire().args(["contract", "new"]).args(flags))
}

/// The contract that was written; what was said about it is left.
#[track_caller]
fn written(run: &Run) -> &str {
    assert_eq!(run.code, Some(0), "{run:?}");
    &run.stdout
}

/// The file passes `check` without a warning, and each event is rendered.
#[track_caller]
fn usable(file: &Path, events: &[&str]) {
    let checked = run(bellwire().args(["contract", "check"]).arg(file));
    assert!(checked.success().contains("is fine"), "{checked:?}");
    for event in events {
        let rendered = run(bellwire().args(["contract", "render", "--event", event]).arg(file));
        assert!(rendered.success().contains("POST https://client.example/webhooks\n"), "{rendered:?}");
    }
}

#[test]
fn without_a_terminal_what_no_flag_answers_is_the_default() {
    let home = Home::new();
    let file = home.path("acme-care.yaml");
    let path = file.to_str().unwrap();
    let made = run_with(b"ignored\n", bellwire().args(["contract", "new", path]));
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
    for command in ["check", "render", "code"] {
        assert!(made.stderr.contains(&format!("bellwire contract {command} {path}")), "{made:?}");
    }
    usable(&file, &["order.created"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("contract: acme-care\ntitle: Acme Care\n"), "{text}");
    assert!(run(bellwire().args(["contract", "code", path, "--language", "python"])).success().contains("def verify"));
}

#[test]
fn every_answer_can_be_a_flag() {
    let home = Home::new();
    for (signature, header) in [
        ("hmac-sha256-hex", "x-a-signature: "),
        ("hmac-sha256-base64", "x-a-signature: "),
        ("stripe-like", "x-a-signature: t="),
        ("standard-webhooks", "webhook-signature: v1,"),
        ("token", "authorization: Bearer "),
        ("none", "x-a-id: "),
    ] {
        let flags = "--name mine --event a.b --event c.d --body data --time unix --header-prefix X-A --register operator --secret \
                     account --retry 1m,5m --success 200 --timeout 5s";
        let mut flags: Vec<_> = flags.split(' ').collect();
        flags.extend(["--title", "It is: \"mine\"", "--signature", signature]);
        let made = new(&flags);
        let file = home.path(signature);
        fs::write(&file, written(&made)).unwrap();
        usable(&file, &["a.b", "c.d"]);
        let rendered = run(bellwire().args(["contract", "render", "--event", "c.d"]).arg(&file));
        assert!(rendered.success().contains(header) && rendered.stdout.ends_with("\n\n{\"id\":\"1\"}"), "{rendered:?}");
        assert!(made.stderr.contains("bellwire contract check FILE"), "{made:?}");
    }
}

#[test]
fn a_wrong_answer_is_refused_with_its_flag() {
    for (flag, answer, reason) in [
        ("--name", "Not A Name", "cannot be the name of a contract"),
        ("--title", "", "write the platform's name"),
        ("--event", "a b", "is not an event type"),
        ("--body", "xml", "is not one of envelope, data, merged, list, form"),
        ("--time", "noon", "is not one of"),
        ("--header-prefix", "x acme", "cannot start the name of a header"),
        ("--signature", "md5", "is not one of"),
        ("--register", "nobody", "is not one of consumer, operator"),
        ("--secret", "hunter2", "is not one of"),
        ("--retry", "often", "often"),
        ("--success", "700", "not a status rule"),
        ("--timeout", "1d", "from 1ms to 5m"),
    ] {
        let refused = new(&[flag, answer]);
        let said = refused.refusal();
        assert!(said.starts_with(&format!("{flag}: ")) && said.contains(reason), "{said}");
    }
}

#[test]
fn no_file_is_overwritten_without_force() {
    let home = Home::new();
    let file = home.path("mine.yaml");
    fs::write(&file, "precious").unwrap();
    let path = file.to_str().unwrap();
    assert!(new(&[path]).refusal().contains("exists already; --force replaces it"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(new(&[path, "--force"]).code, Some(0));
    usable(&file, &["order.created"]);
    assert_eq!(written(&new(&["-", "--name", "mine"])), fs::read_to_string(&file).unwrap());
    assert!(new(&[home.path("no/such/folder.yaml").to_str().unwrap()]).refusal().contains("cannot write"));
}

const OPENAPI: &str = r##"{
	"openapi": "3.1.0",
	"info": { "title": "Corner Shop", "version": "1" },
	"webhooks": {
		"basketFilled": { "$ref": "#/components/pathItems/basketFilled" },
		"shop.closed": { "post": { "requestBody": { "content": { "application/json": { "schema": { "type": "strnig" } } } } } }
	},
	"components": {
		"pathItems": {
			"basketFilled": { "post": {
				"summary": "A basket is full \ud83e\uddfa",
				"parameters": [
					{ "name": "X-Shop-Event", "in": "header", "schema": { "type": "string" } },
					{ "name": "X-Shop-Signature", "in": "header", "schema": { "type": "string" } }
				],
				"requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Basket" } } } }
			} }
		},
		"schemas": {
			"Basket": {
				"type": "object",
				"required": ["type", "items"],
				"properties": { "type": { "const": "basket.filled" }, "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Item" } } }
			},
			"Item": { "type": "object", "required": ["sku"], "properties": { "sku": { "type": "string", "pattern": "^[A-Z]{3}$" }, "in": { "$ref": "#/components/schemas/Basket" } } }
		}
	}
}
"##;

const ASYNCAPI_2: &str = r##"
asyncapi: 2.6.0
info: { title: Lighthouse, version: "1" }
channels:
  lamp:
    subscribe: { message: { $ref: "#/components/messages/lit" } }
components:
  messages:
    lit: { name: lamp.lit, payload: { type: object, required: [at], properties: { at: { type: string, format: date-time } } } }
"##;

const ASYNCAPI_3: &str = r##"
asyncapi: 3.0.0
info: { title: Lighthouse, version: "1" }
channels:
  lamp: { messages: { lit: { payload: { $ref: "#/components/schemas/Lit" } } } }
operations:
  tell: { action: send, channel: { $ref: "#/channels/lamp" } }
components:
  schemas: { Lit: { type: object, required: [lumen], properties: { lumen: { type: integer, minimum: 5 } } } }
"##;

#[test]
fn documents_become_contracts() {
    let home = Home::new();
    for (name, document, short_name, events) in [
        ("shop.json", OPENAPI, "corner-shop", &["basket.filled", "shop.closed"][..]),
        ("light2.yaml", ASYNCAPI_2, "lighthouse", &["lamp.lit"][..]),
        ("light3.yaml", ASYNCAPI_3, "lighthouse", &["lit"][..]),
    ] {
        let (source, file) = (home.path(name), home.path(&format!("{name}.contract.yaml")));
        fs::write(&source, document).unwrap();
        let made = run(bellwire().args(["contract", "draft", "--openapi"]).arg(&source).arg("-o").arg(&file));
        assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
        assert!(made.stderr.contains(&format!("bellwire contract check {}", file.display())), "{made:?}");
        usable(&file, events);
        assert!(fs::read_to_string(&file).unwrap().contains(&format!("\ncontract: {short_name}\n")));
        let again = run(bellwire().args(["contract", "draft", "--openapi"]).arg(&source).arg("-o").arg(&file));
        assert!(again.refusal().contains("exists already"), "{again:?}");
        let named = run(bellwire().args(["contract", "draft", "--name", "mine", "--openapi"]).arg(&source));
        assert!(written(&named).contains("\ncontract: mine\n"), "{named:?}");
    }
    let text = fs::read_to_string(home.path("shop.json.contract.yaml")).unwrap();
    for part in [
        "title: \"A basket is full \u{1f9fa}\"",
        "# decide: ",
        "{ sku: AAA }",
        "X-Shop-Signature: \"{{ signature.main }}\"",
        "$defs",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let said = run(bellwire().args(["contract", "draft", "--openapi"]).arg(home.path("shop.json"))).stderr;
    assert!(said.contains("shop.json:6: the schema of `shop.closed` is left out: not a valid JSON Schema"), "{said}");
}

#[test]
fn a_document_that_cannot_be_read_is_refused_with_its_place() {
    let home = Home::new();
    let file = home.path("document.yaml");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let refused = run(bellwire().args(["contract", "draft", "--openapi"]).arg(&file));
        refused.refusal().replace(file.to_str().unwrap(), "FILE")
    };
    let remote = "openapi: 3.1.0\nwebhooks:\n  a:\n    post: { requestBody: { $ref: 'bodies.yaml#/a' } }\n";
    let said = refused(remote.as_bytes());
    assert_eq!(
        said,
        "FILE:4: `$ref: bodies.yaml#/a` leads to another document, which is not read; bundle the documents into one file first"
    );
    assert!(refused(b"openapi: 3.1.0\nwebhooks: [\n").starts_with("FILE:3: neither JSON nor YAML"));
    assert!(refused(b"openapi: 3.1.0\n").contains("describes no webhooks"));
    assert!(refused(b"\xff").contains("is not UTF-8"));
    assert!(refused(b"").contains("is empty"));
    assert!(refused(&vec![b' '; (16 << 20) + 1]).contains("larger than 16 MiB"));
    assert!(refused("[".repeat(1 << 20).as_bytes()).starts_with("FILE:1: "));
    fs::write(&file, ASYNCAPI_3).unwrap();
    let named = run(bellwire().args(["contract", "draft", "--name", "Not A Name", "--openapi"]).arg(&file));
    assert!(named.refusal().starts_with("--name: `Not A Name` cannot be the name"), "{named:?}");
    let missing = run(bellwire().args(["contract", "draft", "--openapi"]).arg(home.path("nothing")));
    assert!(missing.refusal().contains("cannot read"), "{missing:?}");
}
