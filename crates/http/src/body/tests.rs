use std::borrow::Cow;

use bellwire_domain::Timestamp;
use serde_json::value::RawValue;
use utoipa::PartialSchema as _;

use super::{Change, Fields, InFlightMax, read, read_fields};
use crate::body;

body! {
    /// A body
    /// of every kind.
    struct Everything<'a> {
        /// A text.
        r#type: Cow<'a, str>,
        /// Another.
        name: String,
        /// Anything.
        data: &'a RawValue,
        on: Option<bool>,
        list: Option<Vec<String>>,
        headers: Option<Vec<(String, String)>>,
        at: Option<Timestamp>,
        max: Change<InFlightMax>,
        note: Change<String>,
    }
}

fn faults(body: &str) -> Vec<String> {
    faults_of(Fields::read(body.as_bytes()).unwrap())
}

fn faults_of(fields: Fields<'_>) -> Vec<String> {
    let (body, faults) = read_fields::<Everything<'_>>(fields);
    assert_eq!(body.is_none(), faults.iter().any(|fault| !fault.detail.starts_with("unknown")));
    let mut said: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
    said.sort();
    said
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let body = r#"{"type": 1, "on": "yes", "list": ["a", 2], "at": "soon", "x/y~": 1, "note": "a", "note": "b", "max": 1.5,
        "headers": {"a/b": 1}, "naem": "x"}"#;
    assert_eq!(
        faults(body),
        [
            "/at `soon` is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z",
            "/data missing",
            "/headers/a~1b must be a string",
            "/list/1 must be a string",
            "/max must be a whole number",
            "/naem unknown field `naem`; did you mean `name`?",
            "/name missing",
            "/note the name occurs twice",
            "/on must be true or false",
            "/type must be a string",
            "/x~1y~0 unknown field `x/y~`",
        ]
    );
}

#[test]
fn a_list_of_objects_is_read_with_the_object_around_it() {
    let body = r#"{"a":1,"list":[{"x":"1"},7,[{}],null,"s",{"y":{"z":[2]}}, 1.5, true, -1, {"past":"the end"}],"b":2}"#;
    let (mut outer, list) = Fields::read_with_list(body.as_bytes(), "list", 8).unwrap();
    let mut list = list.unwrap();
    assert_eq!((list.len(), outer.take("a").unwrap().get(), outer.take("b").unwrap().get()), (9, "1", "2"));
    assert!(outer.end(&[]).is_empty());
    assert_eq!(list.remove(0).take("x").unwrap().get(), "\"1\"");
    assert_eq!(list.remove(4).take("y").unwrap().get(), r#"{"z":[2]}"#);
    let wrong: Vec<String> = list.into_iter().flat_map(faults_of).collect();
    assert_eq!(wrong, [1, 2, 3, 4, 6, 7, 8].map(|index| format!("/list/{index} must be an object")));
    for (body, expected) in
        [(r#"{"list":{"x":1}}"#, "/list must be a list of objects"), (r#"{"list":[],"list":[]}"#, "/list the name occurs twice")]
    {
        let (outer, list) = Fields::read_with_list(body.as_bytes(), "list", 8).unwrap();
        let said: Vec<String> = outer.end(&[]).iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
        assert_eq!((said, list.unwrap().len()), (vec![expected.to_owned()], 0));
    }
    assert!(Fields::read_with_list(br#"{"":[1]}"#, "list", 8).unwrap().1.is_none());
    for malformed in [r#"{"list":[{"a":]}"#, r#"{"list":[[[}"#, r#"{"list":[] "a":1}"#, r#"{"list":[]}}"#] {
        assert!(Fields::read_with_list(malformed.as_bytes(), "list", 0).is_err(), "{malformed}");
    }
}

#[test]
fn raw_values_stay_as_posted() {
    let body = r#" { "data" : {"b":1.10, "a" : "\u00e9" ,"n":12345678901234567890} , "t\u0079pe": "esc\"aped", "name": "n" } "#;
    let read: Everything<'_> = read(body.as_bytes()).ok().unwrap();
    assert_eq!(read.data.get(), r#"{"b":1.10, "a" : "\u00e9" ,"n":12345678901234567890}"#);
    assert_eq!((&*read.r#type, &*read.name), ("esc\"aped", "n"));
}

#[test]
fn null_is_nothing_except_where_it_removes() {
    let body = r#"{"type":"t","name":"n","data":null,"on":null,"list":null,"headers":null,"at":null,"max":null}"#;
    let read: Everything<'_> = read(body.as_bytes()).ok().unwrap();
    assert_eq!(read.data.get(), "null");
    assert_eq!((read.on, read.list, read.headers, read.at), (None, None, None, None));
    assert!(matches!((read.max, read.note), (Change::Remove, Change::Keep)));
    assert_eq!(faults(r#"{"type":null,"name":"n","data":1}"#), ["/type missing"]);
}

#[test]
fn values_are_read() {
    let body = r#"{"type":"t","name":"n","data":1,"on":true,"list":["a"],"headers":{"b":"c"},"max":7,"note":"x"}"#;
    let read: Everything<'_> = read(body.as_bytes()).ok().unwrap();
    assert_eq!((read.on, read.list), (Some(true), Some(vec!["a".to_owned()])));
    assert_eq!(read.headers, Some(vec![("b".to_owned(), "c".to_owned())]));
    assert!(matches!(read.max, Change::To(InFlightMax(7))));
    assert_eq!(read.note.into_option(), Some(Some("x".to_owned())));
}

#[test]
fn what_is_no_json_object_is_refused() {
    for (body, status) in
        [("", 400), ("{", 400), ("{\"a\":1,}", 400), ("{\"a\":\u{1}}", 400), ("[]", 422), ("3", 422), ("{} x", 400)]
    {
        let response = axum::response::IntoResponse::into_response(Fields::read(body.as_bytes()).err().unwrap());
        assert_eq!(response.status().as_u16(), status, "{body:?}");
    }
    assert!(Fields::read(b"{\"a\":\"\xff\"}").is_err());
}

#[test]
fn the_schema_says_what_the_reader_takes() {
    insta::assert_json_snapshot!(Everything::schema());
}
