//! The credentials that an endpoint gives, as fields of a form. Nothing that was given is ever filled in again.

use bellwire_app::Fault;
use bellwire_contract::{Contract, EndpointOption};
use bellwire_store::Endpoint;
use serde_json::{Map, Value};

use crate::form::Form;

/// One credential in a form.
pub(super) struct CredentialField {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) about: String,
    /// A file, such as a certificate, has several lines.
    pub(super) has_lines: bool,
    pub(super) is_required: bool,
    pub(super) wrong: Option<String>,
}

/// The fields of a contract's credentials. What an endpoint has need not be typed again.
pub(super) fn fields(contract: &Contract, endpoint: Option<&Endpoint>) -> Vec<CredentialField> {
    let had = endpoint.map(Endpoint::credential_names).unwrap_or_default();
    contract.credentials().iter().map(|credential| field(credential, had.contains(&credential.name))).collect()
}

fn field(credential: &EndpointOption, is_set: bool) -> CredentialField {
    let hint = if is_set { "It is set. Leave this empty to keep it." } else { "It is not shown again." };
    let about = credential.description.as_deref().into_iter().chain([hint]).collect::<Vec<_>>().join(" ");
    CredentialField {
        name: credential.name.clone(),
        title: credential.title.clone().unwrap_or_else(|| credential.name.clone()),
        about,
        has_lines: credential.schema.get("contentMediaType").is_some(),
        is_required: credential.is_required && !is_set,
        wrong: None,
    }
}

/// What a form gives; `None`: nothing.
pub(super) fn typed(contract: &Contract, form: &Form) -> Option<Map<String, Value>> {
    let read = |credential: &EndpointOption| {
        let text = form.raw(&format!("credential-{}", credential.name))?;
        // A field of several lines is sent with the line ends of forms.
        let text = text.replace("\r\n", "\n");
        (!text.trim().is_empty()).then(|| (credential.name.clone(), Value::from(text)))
    };
    let given: Map<String, Value> = contract.credentials().iter().filter_map(read).collect();
    (!given.is_empty()).then_some(given)
}

/// Puts what is wrong with a credential beside its field.
pub(super) fn place(faults: &[Fault], fields: &mut [CredentialField]) {
    for fault in faults {
        let name = fault.pointer.strip_prefix("/credentials/");
        if let Some(field) = fields.iter_mut().find(|field| name == Some(field.name.as_str())) {
            field.wrong = Some(fault.detail.clone());
        }
    }
}
