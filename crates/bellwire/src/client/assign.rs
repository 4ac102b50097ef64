//! Fields of a request: those that have a flag, and `path=value` for all others.

use serde_json::{Map, Value};

use super::failure::Failure;

/// The longest list that a path may make: an index beyond it is a slip.
const ITEMS_MAX: usize = 1_000;

/// Sets a field of a request, if it is given.
pub(crate) fn set<T: Into<Value>>(body: &mut Value, field: &str, value: Option<T>) {
    if let (Some(fields), Some(value)) = (body.as_object_mut(), value) {
        fields.insert(field.to_owned(), value.into());
    }
}

/// Sets what each `--set` says.
pub(crate) fn assign_all(body: &mut Value, assignments: &[String]) -> Result<(), Failure> {
    for assignment in assignments {
        assign(body, assignment).map_err(|reason| Failure::Usage(format!("--set {reason}")))?;
    }
    Ok(())
}

/// Sets what stands at a path of names and indices with dots between them. What is missing on the way is made. The value is JSON where
/// it reads as such, and text otherwise.
fn assign(document: &mut Value, assignment: &str) -> Result<(), String> {
    let (path, value) =
        assignment.split_once('=').ok_or_else(|| format!("`{assignment}`: write path=value, as in status=done"))?;
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(format!("`{path}`: write a path of names with dots between them, as in patient.id"));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let mut place = document;
    for step in path.split('.') {
        place = descend(place, step).map_err(|reason| format!("`{path}`: {reason}"))?;
    }
    *place = value;
    Ok(())
}

fn descend<'a>(place: &'a mut Value, step: &str) -> Result<&'a mut Value, String> {
    match place {
        Value::Array(items) => {
            let index = step.parse::<usize>().ok().filter(|index| *index < ITEMS_MAX && *index <= items.len());
            let index =
                index.ok_or_else(|| format!("`{step}` is none of the {} items of that list, or the next one", items.len()))?;
            if index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(index).ok_or_else(|| "it is not there".to_owned())
        }
        Value::Object(fields) => Ok(fields.entry(step).or_insert(Value::Null)),
        Value::Null => {
            *place = Value::Object(Map::new());
            descend(place, step)
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(format!("`{step}` would be within a value that has no parts"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let mut document = json!({ "id": "a", "list": [1] });
        for assignment in ["n=1", "text=one two", "quoted=\"1\"", "a.b.c=true", "list.0=2", "list.1=x=y", "id=null"] {
            assign(&mut document, assignment).unwrap();
        }
        let expected = json!({
            "id": null, "list": [2, "x=y"], "n": 1, "text": "one two", "quoted": "1", "a": { "b": { "c": true } }
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let mut document = json!({ "id": "a", "list": [1] });
        for (assignment, word) in [
            ("id", "path=value"),
            ("=1", "names"),
            ("a..b=1", "names"),
            ("id.x=1", "no parts"),
            ("list.7=1", "items"),
            ("list.x=1", "items"),
        ] {
            assert!(assign(&mut document, assignment).unwrap_err().contains(word), "{assignment}");
        }
    }
}
