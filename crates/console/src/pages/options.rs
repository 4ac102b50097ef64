//! What an endpoint may choose of its contract's options, as fields of a form.

use bellwire_app::{AccountAccess, App, Fault};
use bellwire_contract::{Contract, EndpointOption};
use bellwire_store::Endpoint;
use serde_json::{Map, Value};

use crate::form::Form;

/// One option in a form.
pub(super) struct OptionField {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) about: String,
    pub(super) control: Control,
    pub(super) is_required: bool,
    pub(super) wrong: Option<String>,
}

/// How it is asked for.
pub(super) enum Control {
    /// One of a few.
    Select(Vec<Choice>),
    /// A number, with its bounds.
    Number { value: String, min: String, max: String },
    /// A line.
    Text(String),
    /// JSON.
    Json(String),
}

/// A line of a list.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: String,
    pub(super) is_selected: bool,
}

/// The fields of a contract's options, filled with what was chosen.
pub(super) fn fields(contract: &Contract, chosen: &Map<String, Value>) -> Vec<OptionField> {
    contract.options().iter().map(|option| field(option, chosen.get(&option.name))).collect()
}

fn field(option: &EndpointOption, chosen: Option<&Value>) -> OptionField {
    let default = option.default.as_ref().map(plain);
    let hint = default.as_ref().map(|default| format!("{default} unless you choose something else."));
    let about = option.description.iter().cloned().chain(hint).collect::<Vec<_>>().join(" ");
    OptionField {
        name: option.name.clone(),
        title: option.title.clone().unwrap_or_else(|| option.name.clone()),
        about,
        control: control(option, chosen),
        is_required: option.is_required && option.default.is_none(),
        wrong: None,
    }
}

fn control(option: &EndpointOption, chosen: Option<&Value>) -> Control {
    let flags = [Value::Bool(true), Value::Bool(false)];
    let choices = if option.kind() == Some("boolean") { Some(&flags[..]) } else { option.choices() };
    if let Some(choices) = choices {
        let nothing = Choice { value: String::new(), title: "Default".to_owned(), is_selected: chosen.is_none() };
        let each = choices.iter().map(|value| Choice {
            value: value.to_string(),
            title: plain(value),
            is_selected: chosen == Some(value),
        });
        return Control::Select(std::iter::once(nothing).chain(each).collect());
    }
    let text = |value: Option<&Value>| value.map(plain).unwrap_or_default();
    match option.kind() {
        Some("integer" | "number") => Control::Number {
            value: text(chosen),
            min: text(option.schema.get("minimum")),
            max: text(option.schema.get("maximum")),
        },
        Some("string") => Control::Text(text(chosen)),
        _ => Control::Json(chosen.map(ToString::to_string).unwrap_or_default()),
    }
}

/// A value for people: text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an endpoint has chosen, and defaults, by title.
pub(super) fn chosen(app: &App, access: &AccountAccess, endpoint: &Endpoint) -> Vec<(String, String)> {
    let Ok(contract) = access.contract() else { return Vec::new() };
    let all = app.endpoint_options(access, endpoint.options.as_deref());
    let all: Map<String, Value> = all.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let line = |option: &EndpointOption| {
        let title = option.title.clone().unwrap_or_else(|| option.name.clone());
        Some((title, plain(all.get(&option.name)?)))
    };
    contract.options().iter().filter_map(line).collect()
}

/// What a form chooses: null takes a choice back. What is no JSON where JSON is asked for is text, which the contract then refuses.
pub(super) fn typed(contract: &Contract, form: &Form) -> Option<Map<String, Value>> {
    if contract.options().is_empty() {
        return None;
    }
    let read = |option: &EndpointOption| {
        let text = form.text(&format!("option-{}", option.name)).unwrap_or_default();
        let is_line = option.kind() == Some("string") && option.choices().is_none();
        match text {
            "" => Value::Null,
            text if is_line => text.into(),
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    };
    Some(contract.options().iter().map(|option| (option.name.clone(), read(option))).collect())
}

/// Puts what is wrong with an option beside its field.
pub(super) fn place(faults: &[Fault], fields: &mut [OptionField]) {
    for fault in faults {
        let name = fault.pointer.strip_prefix("/options/").map(|inside| inside.split('/').next().unwrap_or_default());
        if let Some(field) = fields.iter_mut().find(|field| name == Some(field.name.as_str())) {
            field.wrong = Some(fault.detail.clone());
        }
    }
}
