//! Reduces JSON to some of its fields, without parsing what is kept: it keeps the bytes it was posted with.

use std::borrow::Cow;

use bellwire_domain::{PayloadChoice, Pointer};

use crate::contract::Contract;
use crate::json;

impl Contract {
    /// What is left of an event's data for an endpoint that chose this; all of it as it is, where nothing is left out.
    pub fn minimise<'d>(&self, data: &'d str, chosen: Option<&PayloadChoice>) -> Cow<'d, str> {
        let fields = self.subscription().payload.fields(chosen);
        fields.map_or(Cow::Borrowed(data), |fields| Cow::Owned(reduce(data, fields)))
    }
}

/// What is kept of a value.
enum Kept<'p> {
    /// All of it.
    Whole,
    /// What these steps lead to.
    Inside(Vec<(Cow<'p, str>, Kept<'p>)>),
}

/// `data` with nothing in it but what `fields` point to. Members and items keep their order; of a list, only the items that are
/// pointed to are left. A pointer that leads nowhere adds nothing.
pub(crate) fn reduce(data: &str, fields: &[Pointer]) -> String {
    let mut kept = Kept::Inside(Vec::new());
    for field in fields {
        kept.add(field.steps());
    }
    let mut out = String::new();
    if !kept.write(data, &mut out) {
        // Nothing is left: as empty as this kind of value can be.
        out.push_str(match data.trim_start().as_bytes().first() {
            Some(b'{') => "{}",
            Some(b'[') => "[]",
            _ => "null",
        });
    }
    out
}

impl<'p> Kept<'p> {
    fn add(&mut self, mut steps: impl Iterator<Item = Cow<'p, str>>) {
        let Self::Inside(inside) = self else { return }; // all of it is kept already
        let Some(step) = steps.next() else {
            *self = Self::Whole;
            return;
        };
        if let Some((_, kept)) = inside.iter_mut().find(|(name, _)| *name == step) {
            return kept.add(steps);
        }
        let mut kept = Self::Inside(Vec::new());
        kept.add(steps);
        inside.push((step, kept));
    }

    fn of(&self, step: &str) -> Option<&Self> {
        let Self::Inside(inside) = self else { return None };
        inside.iter().find(|(name, _)| name == step).map(|(_, kept)| kept)
    }

    /// Appends what is kept of `raw`. `false`: that is nothing, and nothing was appended.
    fn write(&self, raw: &str, out: &mut String) -> bool {
        if matches!(self, Self::Whole) {
            out.push_str(raw);
            return true;
        }
        let start = out.len();
        let (any, close) = match raw.trim_start().as_bytes().first() {
            Some(b'{') => {
                out.push('{');
                (self.write_members(raw, out), '}')
            }
            Some(b'[') => {
                out.push('[');
                (self.write_elements(raw, out), ']')
            }
            _ => return false,
        };
        if any {
            out.push(close);
        } else {
            out.truncate(start);
        }
        any
    }

    /// Whether any member was appended.
    fn write_members(&self, raw: &str, out: &mut String) -> bool {
        let members: Vec<(Cow<'_, str>, &str)> = json::members(raw).collect();
        let mut any = false;
        for (index, (name, value)) in members.iter().enumerate() {
            let Some(kept) = self.of(name) else { continue };
            // Of members with one name, readers take the last.
            if members.iter().skip(index + 1).any(|(later, _)| later == name) {
                continue;
            }
            let before = out.len();
            if any {
                out.push(',');
            }
            json::write_string(out, name);
            out.push(':');
            if kept.write(value, out) {
                any = true;
            } else {
                out.truncate(before);
            }
        }
        any
    }

    /// Whether any item was appended.
    fn write_elements(&self, raw: &str, out: &mut String) -> bool {
        let mut any = false;
        for (index, value) in json::elements(raw).enumerate() {
            let Some(kept) = self.of(&index.to_string()) else { continue };
            let before = out.len();
            if any {
                out.push(',');
            }
            if kept.write(value, out) {
                any = true;
            } else {
                out.truncate(before);
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn reduced(data: &str, fields: &[&str]) -> String {
        let fields: Vec<Pointer> = fields.iter().map(|field| Pointer::try_new(field).unwrap()).collect();
        reduce(data, &fields)
    }

    #[test]
    fn only_what_is_pointed_to_is_left() {
        let data = r#" {"z":1.10, "patient": {"id":"p","name":"Ann", "a/b":0}, "id" : 7,"lines":[{"sku":1,"n":2},{"sku":3},4]} "#;
        for (fields, expected) in [
            (&["/id", "/z"][..], r#"{"z":1.10,"id":7}"#),
            (&["/patient/id"], r#"{"patient":{"id":"p"}}"#),
            (&["/patient"], r#"{"patient":{"id":"p","name":"Ann", "a/b":0}}"#),
            (&["/patient/id", "/patient"], r#"{"patient":{"id":"p","name":"Ann", "a/b":0}}"#),
            (&["/patient", "/patient/id"], r#"{"patient":{"id":"p","name":"Ann", "a/b":0}}"#),
            (&["/patient/a~1b"], r#"{"patient":{"a/b":0}}"#),
            (&["/lines/1"], r#"{"lines":[{"sku":3}]}"#),
            (&["/lines/2", "/lines/0/sku"], r#"{"lines":[{"sku":1},4]}"#),
            (&["/lines/01", "/lines/-", "/lines/9", "/lines/sku"], "{}"),
            (&["/id/inside", "/nope", "/patient/nope"], "{}"),
            (&[], "{}"),
        ] {
            assert_eq!(reduced(data, fields), expected, "{fields:?}");
        }
        assert_eq!(reduced("[1,[2]]", &["/1/0"]), "[[2]]");
        assert_eq!(
            (reduced("[1]", &["/x"]), reduced("3", &["/x"]), reduced("\"s\"", &[])),
            ("[]".into(), "null".into(), "null".into())
        );
        assert_eq!(reduced(r#"{"a":{"b":1},"\u0061":2,"c":3}"#, &["/a/b", "/c"]), r#"{"c":3}"#, "the last of one name counts");
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\é]{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c/~]{0,2}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The steps to every value without an inside.
    fn leaves(value: &Value, way: &mut Vec<String>, out: &mut BTreeSet<(Vec<String>, String)>) {
        let mut step = |name: String, inner: &Value| {
            way.push(name);
            leaves(inner, way, out);
            way.pop();
        };
        match value {
            Value::Object(members) if !members.is_empty() => members.iter().for_each(|(name, inner)| step(name.clone(), inner)),
            // An item's index changes with those before it, so a list stands for one step.
            Value::Array(items) if !items.is_empty() => items.iter().for_each(|inner| step("[]".to_owned(), inner)),
            end => {
                out.insert((way.clone(), end.to_string()));
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_outside_the_pointers_survives_and_nothing_inside_is_lost(
            data in document(),
            wanted in prop::collection::vec("(/([a-c]|~0|~1|[0-3]){0,2}){1,4}", 0..4),
        ) {
            let fields: Vec<Pointer> = wanted.iter().map(|field| Pointer::try_new(field).unwrap()).collect();
            let left: Value = serde_json::from_str(&reduce(&data.to_string(), &fields)).unwrap();
            // What may be there: the leaves of every value that is pointed to, with their way from the top.
            let mut allowed = BTreeSet::new();
            for (field, text) in fields.iter().zip(&wanted) {
                let Some(target) = data.pointer(text) else { continue };
                let mut way = Vec::new();
                let mut at = &data;
                for step in field.steps() {
                    way.push(if at.is_array() { "[]".to_owned() } else { step.to_string() });
                    at = at.get(&*step).or_else(|| at.get(step.parse::<usize>().ok()?)).unwrap();
                }
                leaves(target, &mut way, &mut allowed);
            }
            let mut found = BTreeSet::new();
            leaves(&left, &mut Vec::new(), &mut found);
            if allowed.is_empty() {
                let is_empty = ["{}", "[]", "null"].contains(&left.to_string().as_str());
                prop_assert!(is_empty);
            } else {
                prop_assert_eq!(found, allowed);
            }
        }

        #[test]
        fn reducing_again_changes_nothing(data in document(), wanted in prop::collection::vec("(/[a-c]{1,2}){1,3}", 0..4)) {
            let fields: Vec<Pointer> = wanted.iter().map(|field| Pointer::try_new(field).unwrap()).collect();
            let once = reduce(&data.to_string(), &fields);
            prop_assert_eq!(reduce(&once, &fields), once);
        }

        #[test]
        fn what_is_no_json_does_not_panic(text in "[\\[\\]{}\",:\\\\a1 ]{0,40}") {
            let _ = reduced(&text, &["/a", "/1/a"]);
        }
    }
}
