//! `spacing: spaced`, beside the Python that it speaks of.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of tests may fail them")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::common::{body, compile, render, try_render};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// Prints each line of JSON as `json.dumps` does.
const PROGRAM: &str = "import json, sys\nfor line in sys.stdin: print(json.dumps(json.loads(line)))";

fn python(lines: &[String]) -> Vec<String> {
    let mut child = Command::new("python3")
        .args(["-X", "utf8", "-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn spaced(body: &str) -> bellwire_contract::Contract {
    compile(&format!("contract: t\ntitle: T\nevents: any\nrequest:\n  spacing: spaced\n  body: {body}\n"))
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})",
        "-?(0|[1-9][0-9]{0,18})\\.[0-9]{1,18}([eE][+-]?[0-9]{1,2})?",
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        "\"([ -!#-\\[\\]-~\u{7f}é€𝄞\u{2028}]|\\\\u[0-9a-f]{4}|\\\\u00[0-9A-F]{2}|\\\\[nrtbf\"/\\\\]){0,8}\"",
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..5), " {0,2}")
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},")))),
            (proptest::collection::vec(("([a-c]|é|\\\\u00e9|\\\\u0061){0,2}", inner), 0..5), " {0,2}").prop_map(
                |(members, space)| {
                    let members: Vec<String> =
                        members.into_iter().map(|(key, value)| format!("\"{key}\"{space}:{value}")).collect();
                    format!("{{{space}{}}}", members.join(&format!(",{space}")))
                }
            ),
        ]
    })
}

#[test]
fn a_spaced_body_is_what_json_dumps_prints_byte_for_byte() {
    let fixed = [
        r#"{"a":1,"b":[1,2,{}],"c":{},"d":[]}"#,
        r#"{"n":[1.10,1e2,100.0,0.1,1e-5,0.0001,0.00012,123456789012345680.0,1e15,1e16,12345678901234567.0,5e-324,1.7976931348623157e308,-0,-0.0,0e5]}"#,
        r#"{"big":123456789012345678901234567890,"neg":-9223372036854775809}"#,
        r#"{"s":"é€𝄞\u00e9\ud834\udd1e\ud800\/\u002f\u0022\u005c\u007f\u0000\b\f\n\r\t\u000b "}"#,
        r#"{"a":1,"b":2,"a":3,"\u0061":4,"é":5,"\u00e9":6,"\ud800":7}"#,
        r#" [ 1 , "x" , null , true , false ] "#,
        r#""é""#,
        "1.50",
    ];
    let mut runner = TestRunner::deterministic();
    let drawn = (0..500).map(|_| json().new_tree(&mut runner).unwrap().current());
    let posted: Vec<String> = fixed.iter().map(ToString::to_string).chain(drawn).collect();
    let contract = spaced("\"{{ event.data }}\"");
    for (posted, expected) in posted.iter().zip(python(&posted)) {
        assert_eq!(body(&render(&contract, "a.b", posted, &[])), expected, "{posted}");
    }
}

#[test]
fn what_the_contract_writes_itself_is_spaced_too() {
    let contract =
        spaced(r#"{ type: "{{ event.type }}", "é": [1.10, 2], "none?": "{{ event.data.none }}", data: "{{ event.data }}" }"#);
    let request = render(&contract, "a.b", r#"{"x":"ü","y":1.0e1}"#, &[]);
    assert_eq!(body(&request), r#"{"type": "a.b", "\u00e9": [1.1, 2], "data": {"x": "\u00fc", "y": 10.0}}"#);
}

#[test]
fn what_python_cannot_hold_is_refused_with_the_reason() {
    let contract = spaced("\"{{ event.data }}\"");
    let message = |data: &str| try_render(&contract, "a.b", data, &[]).unwrap_err().to_string();
    assert!(message("1e999").contains("request.body: it has a number that is too large for Python's `float`"));
    assert!(message(&format!("{}{}", "[".repeat(2_000), "]".repeat(2_000))).contains("nested deeper than 500"));
    assert!(message(&format!("\"{}\"", "é".repeat(6 << 20))).contains("16 MiB"));
}
