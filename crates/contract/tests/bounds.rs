//! No data makes a rendering take more than its share of memory and work, whatever a template does with it.

use std::fmt::Write as _;

use crate::common::{compile, try_render};
use proptest::prelude::*;

/// What a rendering may hold at most, in bytes.
const HELD_MAX: usize = 64 << 20;
/// What the test itself holds: its code, its data and its contracts.
const BASE: usize = 32 << 20;

/// The most memory that this process has held so far, in bytes, as Linux counts it.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).map_or(0, |kib: usize| kib << 10)
}

/// Data with long texts and lists, within the 256 KiB that an event may have.
fn hostile() -> String {
    let list = vec!["1"; 10_000].join(",");
    let texts = vec!["\"\\u0000\\n \\\"\""; 1_000].join(",");
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let object: String = (0..2_000).fold(String::new(), |mut out, index| {
        let _ = write!(out, "{}\"k{index}\":{index}", if index > 0 { "," } else { "" });
        out
    });
    format!(
        r#"{{"s":"{}","q":"{}","u":"{}","list":[{list}],"texts":[{texts}],"nested":{nested},"object":{{{object}}},"n":99999999,"f":1.5,"id":"x"}}"#,
        "a".repeat(30_000),
        "\\\"".repeat(10_000),
        "ŉ".repeat(10_000),
    )
}

const SMALL: &str =
    r#"{"s":"a","q":"b","u":"c","list":[1],"texts":["x"],"nested":[],"object":{"k":1},"n":1,"f":1.5,"id":"x","r":"b"}"#;

fn source(request: &str) -> String {
    format!("contract: t\ntitle: T\nevents: [{{ type: \"*\", example: {SMALL} }}]\nrequest:\n{request}\n")
}

fn contract(request: &str) -> bellwire_contract::Contract {
    compile(&source(request))
}

fn yaml(expression: &str) -> String {
    format!("\"{{{{ {} }}}}\"", expression.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Renders an expression with hostile data. Whether it succeeds does not matter here; what it makes does.
fn try_expression(expression: &str, data: &str) {
    let source = source(&format!("  body: {{ a: {} }}", yaml(expression)));
    let Ok(contract) = bellwire_contract::Contract::compile(&source, "t.yaml") else { return };
    if let Ok(request) = try_render(&contract, "a.b", data, &[]) {
        assert!(request.body.len() <= 17 << 20, "{expression} makes {}", request.body.len());
    }
}

#[test]
fn a_replacement_by_a_long_text_ends_as_an_error_that_says_the_bound() {
    let data = format!(r#"{{"s":"{}","r":"{}"}}"#, "a".repeat(120_000), "b".repeat(100_000));
    let contract = contract("  body: { n: \"{{ event.data.s | replace('a', event.data.r) | length }}\" }");
    let error = try_render(&contract, "a.b", &data, &[]).unwrap_err().to_string();
    assert!(error.ends_with("makes more than one rendering may: 16 MiB"), "{error}");
    assert!(peak() < HELD_MAX + BASE, "{}", peak());
}

#[test]
fn characters_joined_by_a_long_text_end_as_an_error_that_says_the_bound() {
    let data = format!(r#"{{"id":"{}"}}"#, "a".repeat(200_000));
    let contract =
        contract("  headers: { x-a: \"{{ event.data.id | list | join(event.data.id) }}\" }\n  body: \"{{ event.data }}\"");
    let error = try_render(&contract, "a.b", &data, &[]).unwrap_err().to_string();
    assert!(error.ends_with("makes more than one rendering may: 16 MiB"), "{error}");
    assert!(peak() < HELD_MAX + BASE, "{}", peak());
}

/// Every filter with arguments that make the most of it, and every operator and function.
const STEPS: &[&str] = &[
    "abs",
    "attr('s')",
    "batch(99999999, event.data.s)",
    "batch(2, event.data.s)",
    "bool",
    "capitalize",
    "count",
    "default(event.data.s)",
    "dictsort",
    "first",
    "float",
    "groupby('s')",
    "indent(99999999)",
    "indent(99999999, true, true)",
    "int",
    "items",
    "join(event.data.s)",
    "join(d=event.data.s)",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "max",
    "min",
    "replace('', event.data.s)",
    "replace('a', event.data.s)",
    "reverse",
    "round",
    "round(300)",
    "slice(99999999)",
    "slice(100000, event.data.s)",
    "sort",
    "split('')",
    "split('a')",
    "split",
    "sum",
    "sum(start=[])",
    "title",
    "trim",
    "unique",
    "map('replace', 'a', event.data.s)",
    "map('default', event.data.s)",
    "map('string')",
    "map('list')",
    "map('batch', 9999999, event.data.s)",
    "select('in', event.data.list)",
    "reject('in', event.data.list)",
    "selectattr('s')",
    "rejectattr('s', 'in', event.data.list)",
    "json",
    "hex",
    "base64",
    "base64url",
    "urlencode",
    "xml",
    "upper",
    "lower",
    "string",
    "sha256",
    "url_query",
];
const SOURCES: &[&str] = &[
    "event.data.s",
    "event.data.q",
    "event.data.list",
    "event.data.texts",
    "event.data.object",
    "event.data",
    "range(99999)",
    "[event.data, event.data]",
    "{'a': event.data.s}",
    "('ab' ~ event.data.s)",
    "(event.data.list + event.data.list)",
    "(event.data.n * 3)",
    "body",
];

#[test]
fn each_filter_and_operator_stays_under_the_bound_with_hostile_inputs() {
    let data = hostile();
    for (index, step) in STEPS.iter().enumerate() {
        // Each step meets a third of the sources; the property below mixes the rest.
        for source in SOURCES.iter().skip(index % 3).step_by(3) {
            try_expression(&format!("{source} | {step}"), &data);
        }
    }
    let again = |expression: &str, times: usize| vec![expression; times].join(" ~ ");
    for expression in [
        "event.data.s * 99999999".to_owned(),
        "'ab' * event.data.n".to_owned(),
        "event.data.list * event.data.n".to_owned(),
        "([event.data.s] | batch(1000, event.data.s)) ~ ''".to_owned(),
        "(event.data.texts | batch(2000, event.data.s)) ~ ''".to_owned(),
        again("event.data", 60),
        again("[event.data.texts | list, event.data.s]", 30),
        format!("[{}]", vec!["event.data.s"; 250].join(",")),
        format!("event.data.q{}", " | json".repeat(60)),
        format!("event.data.s{}", " | hex".repeat(60)),
        format!("event.data.s{}", " | xml | urlencode".repeat(30)),
        format!("event.data.list{}", " | reverse".repeat(60)),
        format!("event.data.list{}", " | map('list')".repeat(20)),
        format!("(event.data.s | trim){}", "[::1]".repeat(700)),
    ] {
        try_expression(&expression, &data);
    }
    assert!(peak() < HELD_MAX + BASE, "{}", peak());
}

#[test]
fn loops_within_loops_are_bounded_in_what_they_make_and_in_their_steps() {
    let data = hostile();
    let each = |then: &str| format!("{{ $each: \"{{{{ event.data.list }}}}\", $then: {then} }}");
    for body in [
        format!("  body: {}", each("\"{{ event.data }}\"")),
        format!("  body: {}", each(&each(&each("\"{{ event.data.nope | default('') }}\"")))),
        format!("  body: {}", each("{ $merge: \"{{ event.data.object }}\" }")),
    ] {
        let error = try_render(&contract(&body), "a.b", &data, &[]).unwrap_err().to_string();
        assert!(error.contains("one rendering may"), "{error}");
    }
    assert!(peak() < HELD_MAX + BASE, "{}", peak());
}

#[test]
fn headers_that_repeat_each_other_are_bounded() {
    let mut headers = String::from("  headers:\n    x-0: \"{{ event.data.s }}\"\n");
    for index in 1..40 {
        let before = index - 1;
        let _ = writeln!(headers, "    x-{index}: \"{{{{ header['x-{before}'] }}}}{{{{ header['x-{before}'] }}}}\"");
    }
    let data = format!(r#"{{"s":"{}"}}"#, "a".repeat(1_000));
    let example = SMALL.replace("\"s\":\"a\"", "\"s\":\"\"");
    let source = source(&format!("{headers}  body: \"{{{{ event.data }}}}\"")).replace(SMALL, &example);
    let error = try_render(&compile(&source), "a.b", &data, &[]).unwrap_err().to_string();
    assert!(error.contains("one rendering may"), "{error}");
}

#[test]
fn names_that_repeat_each_other_are_bounded() {
    let mut body = String::from("{ x: \"{{ n15 | length }}\" }");
    for _ in 0..3 {
        let doubled = (1..16).fold(String::new(), |names, index| {
            let before = index - 1;
            format!("{names}, n{index}: \"{{{{ n{before} ~ n{before} }}}}\"")
        });
        body = format!("{{ $let: {{ n0: \"{{{{ n15 | default(event.data.s) }}}}\"{doubled} }}, a: {body} }}");
    }
    body = format!("{{ $let: {{ n15: \"{{{{ event.data.s }}}}\" }}, $then: {body} }}");
    let example = SMALL.replace("\"s\":\"a\"", "\"s\":\"\"");
    let source = source(&format!("  body: {body}")).replace(SMALL, &example);
    let error = try_render(&compile(&source), "a.b", r#"{"s":"aaaa"}"#, &[]).unwrap_err().to_string();
    assert!(error.contains("one rendering may"), "{error}");
    assert!(peak() < HELD_MAX + BASE, "{}", peak());
}

#[test]
fn what_is_large_but_honest_still_renders() {
    let data = hostile();
    for body in [
        "\"{{ event.data }}\"",
        "{ a: \"{{ event.data | json }}\" }",
        "{ a: { $each: \"{{ event.data.texts }}\", $then: { v: \"{{ item ~ event.data.id }}\", n: \"{{ index + 1 }}\" } } }",
        "{ a: \"{{ event.data.list | sum }}\", b: \"{{ event.data.list | join(',') }}\", c: \"{{ event.data.object | items | length }}\" }",
        "{ a: \"{{ event.data.n * 2 + event.data.f }}\" }",
    ] {
        try_render(&contract(&format!("  body: {body}")), "a.b", &data, &[]).unwrap();
    }
}

#[test]
fn a_text_or_a_list_is_not_multiplied() {
    for expression in ["event.data.s * 3", "3 * event.data.s", "[1] * 3", "2 * ('a' ~ 'b')"] {
        let source = source(&format!("  body: {{ a: {} }}", yaml(expression)));
        let error = bellwire_contract::Contract::compile(&source, "t.yaml").unwrap_err().to_string();
        assert!(error.contains("only numbers can be multiplied"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_chain_of_filters_passes_the_bound(
        source in prop::sample::select(SOURCES),
        steps in prop::collection::vec(prop::sample::select(STEPS), 1..6),
    ) {
        let mut expression = source.to_owned();
        for step in steps {
            let _ = write!(expression, " | {step}");
        }
        try_expression(&expression, &hostile());
        prop_assert!(peak() < HELD_MAX + BASE, "{}: {}", expression, peak());
    }
}
