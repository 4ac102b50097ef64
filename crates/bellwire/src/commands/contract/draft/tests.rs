//! Documents of our own invention, and what is drafted from them.

use std::fmt::Write as _;

use super::*;

/// The contract and its text, and the notes.
#[track_caller]
fn drafted(source: &str) -> (Contract, String, Vec<String>) {
    let draft = draft(source, None).unwrap_or_else(|fault| panic!("{fault:?}"));
    let contract = Contract::compile(&draft.text, "draft").unwrap_or_else(|error| panic!("{error}\n{}", draft.text));
    assert_eq!(contract.warnings("draft"), [], "{}", draft.text);
    let notes = draft.notes.into_iter().map(|(line, note)| format!("{line}: {note}")).collect();
    (contract, draft.text, notes)
}

fn types(contract: &Contract) -> Vec<&str> {
    contract.events().iter().map(|event| event.event_type.as_str()).collect()
}

#[track_caller]
fn refused(source: &str, line: usize, words: &str) {
    let fault = draft(source, None).unwrap_err();
    assert!(fault.is_fatal && fault.line == line && fault.message.contains(words), "{fault:?}");
}

const KITCHEN: &str = r##"
openapi: 3.1.0
info: { title: "Kitchen & Sons", summary: Meals on wheels., version: "1" }
webhooks:
  mealCooked:
    parameters: [{ $ref: "#/components/parameters/Event" }]
    post:
      summary: A meal is ready
      description: |
        Somebody may
        fetch it.
      parameters:
        - { name: X-Kitchen-Signature, in: header, schema: { type: string } }
        - { name: X-Kitchen-Time, in: header, schema: { type: integer } }
        - { name: page, in: query, schema: { type: integer } }
      requestBody:
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Cooked" }
            examples: { one: { $ref: "#/components/examples/One" } }
  mealReturned:
    parameters: [{ $ref: "#/components/parameters/Event" }]
    put: { requestBody: { $ref: "#/components/requestBodies/Returned" } }
  meal washed up:
    delete: { description: Nothing is sent. }
components:
  parameters: { Event: { name: X-Kitchen-Event, in: header, schema: { type: string } } }
  examples: { One: { value: { type: meal.cooked, meal: { dish: soup, sides: [] } } } }
  requestBodies:
    Returned: { content: { application/vnd.kitchen+json: { schema: { $ref: "#/components/schemas/Returned" } } } }
  schemas:
    Cooked:
      type: object
      required: [type, meal]
      properties: { type: { const: meal.cooked }, meal: { $ref: "#/components/schemas/Meal" } }
    Returned:
      type: object
      required: [type, meal, code]
      properties:
        type: { type: string, enum: [meal.returned, meal.lost] }
        meal: { $ref: "#/components/schemas/Meal" }
        code: { type: string, pattern: "^K-[0-9]{4}$" }
    Meal:
      type: object
      required: [dish]
      properties:
        dish: { type: string, minLength: 3 }
        sides: { type: array, items: { $ref: "#/components/schemas/Meal" } }
"##;

#[test]
fn webhooks_become_events() {
    let (contract, text, notes) = drafted(KITCHEN);
    assert_eq!((contract.name(), contract.title()), ("kitchen-sons", "Kitchen & Sons"));
    assert_eq!(types(&contract), ["meal.cooked", "meal.returned", "meal.lost", "meal-washed-up"]);
    let event = |name: &str| contract.event(name).unwrap();
    assert_eq!(event("meal.cooked").title, "A meal is ready");
    assert_eq!(event("meal.cooked").description.as_deref(), Some("Somebody may fetch it."));
    assert_eq!(event("meal.cooked").example.get(), r#"{"type":"meal.cooked","meal":{"dish":"soup","sides":[]}}"#);
    assert_eq!(event("meal.lost").example.get(), r#"{"type":"meal.lost","meal":{"dish":"text"},"code":"K-0000"}"#);
    assert!(event("meal.lost").schema.is_some() && event("meal-washed-up").schema.is_none());
    assert!(contract.check_data(event("meal.cooked"), br#"{"type":"meal.cooked","meal":{"dish":"x"}}"#).is_err());
    assert!(
        text.contains("    # decide: X-Kitchen-Signature: \"{{ signature.main }}\"\n")
            || text.contains("  #   X-Kitchen-Signature")
    );
    assert!(text.contains("X-Kitchen-Event: \"{{ event.type }}\"\n"), "{text}");
    assert!(text.contains("method: PUT\n") && text.contains("method: DELETE\n"), "{text}");
    assert_eq!(
        notes,
        ["36: `meal washed up` cannot be an event's type; it is drafted as `meal-washed-up`"].map(|note| {
            let line = KITCHEN.lines().position(|line| line.contains("Nothing is sent")).unwrap() + 1;
            note.replacen("36", &line.to_string(), 1)
        })
    );
}

#[test]
fn json_gives_the_same_as_yaml() {
    let json = r#"{ "openapi": "3.1.0", "info": { "title": "A" }, "webhooks": { "a.b": { "post": { "requestBody": { "content": {
        "application/json": { "schema": { "type": "object", "properties": { "n": { "type": "number", "default": 1.50 } } } } } } } } } }"#;
    let yaml = "openapi: 3.1.0\ninfo: { title: A }\nwebhooks:\n  a.b:\n    post:\n      requestBody:\n        content:\n          \
                application/json:\n            schema:\n              type: object\n              properties:\n                n: { type: number, default: 1.50 }\n";
    assert_eq!(drafted(json).1, drafted(yaml).1);
}

#[test]
fn callbacks_and_nullable_values_of_openapi_3_0() {
    let (contract, _, notes) = drafted(
        "openapi: 3.0.3\ninfo: { title: '123' }\npaths:\n  /subscriptions:\n    post:\n      callbacks:\n        paid:\n          \
         '{$request.body#/url}':\n            post:\n              requestBody:\n                content:\n                  \
         application/json:\n                    schema:\n                      type: object\n                      required: [note, amount]\n                      \
         properties:\n                        note: { type: string, nullable: true }\n                        \
         amount: { type: integer, minimum: 0, exclusiveMinimum: true }\n",
    );
    assert_eq!((contract.name(), types(&contract)), ("123", vec!["paid"]));
    let event = contract.event("paid").unwrap();
    assert_eq!((event.example.get(), notes.len()), (r#"{"note":"text","amount":1}"#, 0));
    assert!(contract.check_data(event, br#"{"note":null,"amount":1}"#).is_ok());
    assert!(contract.check_data(event, br#"{"note":null,"amount":0}"#).is_err());
}

#[test]
fn messages_of_asyncapi_2_become_events() {
    let (contract, text, notes) = drafted(
        r##"
asyncapi: 2.6.0
info: { title: Harbour, description: Ships come and go. }
channels:
  ships/arrived:
    subscribe:
      message:
        oneOf: [{ $ref: "#/components/messages/Arrived" }, { $ref: "#/components/messages/Left" }]
  ships/orders:
    publish: { message: { name: not.ours } }
components:
  messages:
    Arrived:
      name: ship.arrived
      title: A ship has arrived
      headers: { type: object, properties: { x-harbour-signature: { type: string }, x-harbour-version: { const: "2" } } }
      payload: { $ref: "#/components/schemas/Ship" }
      examples: [{ payload: { ship: Nina, berth: 7 } }]
    Left:
      headers: { type: object, properties: { x-harbour-version: { const: "2" } } }
      payload: { $ref: "#/components/schemas/Ship" }
      examples: [{ payload: { ship: 1 } }]
  schemas:
    Ship: { type: object, required: [ship], properties: { ship: { type: string }, berth: { type: integer }, path: { type: array, items: [{ type: number }], additionalItems: false } } }
"##,
    );
    assert_eq!(types(&contract), ["ship.arrived", "Left"]);
    assert_eq!(contract.event("ship.arrived").unwrap().example.get(), r#"{"ship":"Nina","berth":7}"#);
    assert_eq!(contract.event("Left").unwrap().example.get(), r#"{"ship":"text"}"#, "the document's own does not fit");
    assert!(text.contains("    x-harbour-version: \"2\"\n    # decide: x-harbour-signature: "), "{text}");
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn messages_of_asyncapi_3_become_events() {
    let (contract, _, notes) = drafted(
        r##"
asyncapi: 3.0.0
info: { title: Harbour }
channels:
  ships:
    messages:
      moored: { payload: { oneOf: [{ $ref: "#/components/schemas/In" }, { $ref: "#/components/schemas/Out" }] } }
      counted: { payload: { schemaFormat: application/vnd.apache.avro;version=1.9.0, schema: { type: record } } }
  orders: { messages: { ordered: { payload: {} } } }
operations:
  tell: { action: send, channel: { $ref: "#/channels/ships" } }
  again: { action: send, channel: { $ref: "#/channels/ships" }, messages: [{ $ref: "#/channels/ships/messages/moored" }] }
  hear: { action: receive, channel: { $ref: "#/channels/orders" } }
components:
  schemas:
    In: { title: Came in, type: object, required: [event], properties: { event: { const: ship.in } } }
    Out: { type: object, required: [event, to], properties: { event: { const: ship.out }, to: { $ref: "#/components/schemas/Place" } } }
    Place: { type: string, format: date-time }
"##,
    );
    assert_eq!(types(&contract), ["ship.in", "ship.out", "counted"]);
    assert_eq!(contract.event("ship.in").unwrap().title, "Came in");
    assert_eq!(contract.event("ship.out").unwrap().example.get(), r#"{"event":"ship.out","to":"2025-01-15T09:00:00Z"}"#);
    assert!(
        notes.len() == 1 && notes[0].contains("the schema of `counted` is left out: its schema is application/vnd.apache.avro"),
        "{notes:?}"
    );
}

/// A document whose webhook `a` has this schema.
fn with_schema(schema: &str) -> String {
    format!(
        "openapi: 3.1.0\nwebhooks: {{ a: {{ post: {{ requestBody: {{ content: {{ application/json: {{\n  schema: {schema} }} }} }} }} }} }}\n"
    )
}

#[test]
fn what_cannot_be_taken_over_is_left_out_with_its_reason() {
    for (schema, words) in [
        ("{ type: strnig }", "not a valid JSON Schema"),
        ("{ required: [a], properties: { a: { $ref: '#/nowhere' } } }", "line 3: `$ref: #/nowhere` leads nowhere"),
        ("{ $ref: '#/nowhere' }", "leads nowhere"),
        ("{ allOf: [{ $ref: '#/webhooks/a/post/requestBody/content/application~1json/schema' }] }", "is defined by itself"),
        ("{ type: string, pattern: '^(?!a)b$' }", "no example that fits it can be made"),
        ("{ type: string, minLength: 5, maxLength: 4 }", "the example does not match the schema"),
        ("{ not: {} }", "does not match"),
        ("{ $dynamicRef: '#x' }", "`$dynamicRef` cannot be taken over"),
    ] {
        let (contract, text, notes) = drafted(&with_schema(schema));
        assert_eq!(types(&contract), ["a"], "{schema}");
        assert!(contract.event("a").unwrap().schema.is_none(), "{schema}");
        assert!(
            notes.len() == 1 && notes[0].contains("the schema of `a` is left out: ") && notes[0].contains(words),
            "{schema}: {notes:?}"
        );
        assert!(text.contains("    # decide: the document's schema is left out: "), "{text}");
    }
}

#[test]
fn a_contract_stays_within_its_bounds() {
    let wide = format!(
        "{{ type: object, properties: {{ {} }} }}",
        (0..400).map(|n| format!("p{n}: {{ type: string }}")).collect::<Vec<_>>().join(", ")
    );
    let mut source = format!("openapi: 3.1.0\ncomponents: {{ schemas: {{ W: {wide} }} }}\nwebhooks:\n");
    for number in 0..80 {
        let schema = "{ $ref: '#/components/schemas/W' }";
        let _ = writeln!(
            source,
            "  e{number}: {{ post: {{ requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }} }} }}"
        );
    }
    let (contract, _, notes) = drafted(&source);
    assert_eq!(contract.events().len(), 80);
    assert!(!notes.is_empty() && notes.iter().all(|note| note.contains("would be too large")), "{notes:?}");
}

#[test]
fn odd_texts_do_no_harm() {
    let (contract, text, _) = drafted(
        "openapi: 3.1.0\ninfo: { title: \"\\u202e{{ x }}\\n# y: \\u00e9\", description: \"a\\nb: c\" }\nwebhooks:\n  \"a\\nb: {{c}}\":\n    post:\n      \
         summary: \"# {{ d }}\\n  e: f\"\n      parameters: [{ name: \"X-Fixed\", in: header, schema: { const: \"{{ g }}\" } }, { name: \"X-H\\n\", in: header }, \
         { name: X-I, in: header, schema: { const: \"j\\r\\nk: l\" } }]\n",
    );
    assert_eq!(contract.title(), "{{ x }} # y: é");
    assert_eq!(types(&contract), ["a-b:-{{c}}"]);
    assert_eq!(contract.events()[0].title, "# {{ d }} e: f");
    assert!(text.contains("    # decide: X-I: \"…\"\n") && !text.contains("X-H"), "{text}");
}

#[test]
fn what_is_no_such_document_is_refused() {
    for (source, line, words) in [
        ("a: 1\n", 1, "neither OpenAPI nor AsyncAPI"),
        ("just text", 1, "neither OpenAPI nor AsyncAPI"),
        ("[1, 2]", 1, "neither OpenAPI nor AsyncAPI"),
        ("swagger: '2.0'\n", 1, "convert the document to 3.1"),
        ("openapi: 4.0.0\n", 1, "OpenAPI 4.0.0 is not read"),
        ("asyncapi: 1.2.0\n", 1, "AsyncAPI 1.2.0 is not read"),
        ("openapi: 3.1.0\npaths: {}\n", 1, "describes no webhooks"),
        ("asyncapi: 3.0.0\n", 1, "describes no messages"),
        (
            "openapi: 3.1.0\nwebhooks:\n  a: { options: {} }\n",
            3,
            "no event is left: the webhook `a` is left out: it has no operation",
        ),
        ("openapi: 3.1.0\nwebhooks:\n  a: { $ref: 'other.yaml#/a' }\n", 3, "`$ref: other.yaml#/a` leads to another document"),
        (
            "openapi: 3.1.0\nwebhooks: { a: { post: {\n  requestBody: { $ref: 'https://x.example/b.json' } } } }\n",
            3,
            "bundle the documents",
        ),
        ("openapi: 3.1.0\nwebhooks: [\n", 3, "neither JSON nor YAML"),
    ] {
        refused(source, line, words);
    }
    refused(&with_schema("{ items: { $ref: './b.yaml' } }"), 3, "`$ref: ./b.yaml` leads to another document");
}

#[test]
fn nothing_in_a_document_makes_it_panic() {
    // Each value of a whole document is replaced in turn by each of these.
    let values = ["null", "1", "[]", "{}", "[[1]]", "{ $ref: '#/webhooks' }", "'x'"];
    let lines: Vec<&str> = KITCHEN.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        for (place, _) in line.match_indices(": ") {
            for value in values {
                let changed = format!("{}: {value}", &line[..place]);
                let mut all = lines.clone();
                all[index] = &changed;
                if let Ok(draft) = draft(&all.join("\n"), None) {
                    Contract::compile(&draft.text, "draft").unwrap_or_else(|error| panic!("{error}\n{changed}\n{}", draft.text));
                }
            }
        }
    }
}
