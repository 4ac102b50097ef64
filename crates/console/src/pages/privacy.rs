//! What an endpoint is sent and what is kept of its answers, in an endpoint's form and on its page.

use bellwire_app::PayloadInput;
use bellwire_contract::Contract;
use bellwire_domain::{PayloadChoice, PayloadLevel, Pointer};
use bellwire_store::Endpoint;

use crate::form::Form;

/// What a form says of it, or what is stored.
#[derive(Default)]
pub(super) struct Privacy {
    level: Option<PayloadLevel>,
    fields: Vec<String>,
    drops_answers: bool,
}

impl Privacy {
    pub(super) fn typed(form: &Form) -> Self {
        let level = form.text("payload").and_then(PayloadLevel::parse);
        Self { level, fields: lines(form), drops_answers: form.text("answers") == Some("drop") }
    }

    pub(super) fn stored(endpoint: &Endpoint) -> Self {
        let fields = match &endpoint.payload {
            Some(PayloadChoice::Fields(fields)) => fields.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let level = endpoint.payload.as_ref().map(PayloadChoice::level);
        Self { level, fields, drops_answers: !endpoint.keep_answers }
    }

    /// What the use-case is asked for; `None` where there is nothing to choose.
    pub(super) fn payload(contract: &Contract, form: &Form) -> Option<PayloadInput> {
        let word = form.text("payload").filter(|_| contract.subscription().payload.is_declared)?;
        let names_fields = PayloadLevel::parse(word) == Some(PayloadLevel::Fields);
        Some(if names_fields { PayloadInput::Fields(lines(form)) } else { PayloadInput::Word(word.to_owned()) })
    }

    /// Whether answers are to be kept; `None` where the contract keeps none.
    pub(super) fn keep_answers(contract: &Contract, form: &Form) -> Option<bool> {
        contract.delivery().keeps_answers.then(|| form.text("answers") != Some("drop"))
    }
}

fn lines(form: &Form) -> Vec<String> {
    let lines = form.raw("payload_fields").unwrap_or_default().lines();
    lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// How much of an event's data is sent, to choose from.
pub(super) struct PayloadField {
    pub(super) choices: Vec<PayloadBox>,
    /// The fields named, one a line; `None`: none may be named.
    pub(super) fields: Option<String>,
}

pub(super) struct PayloadBox {
    pub(super) word: &'static str,
    pub(super) title: &'static str,
    pub(super) about: String,
    pub(super) is_checked: bool,
}

impl PayloadField {
    /// `None`: there is nothing to choose.
    pub(super) fn new(contract: &Contract, privacy: &Privacy) -> Option<Self> {
        let rules = &contract.subscription().payload;
        if !rules.is_declared {
            return None;
        }
        let chosen = privacy.level.filter(|level| rules.allow.contains(level)).unwrap_or(rules.default);
        let choice = |level: &PayloadLevel| PayloadBox {
            word: level.as_str(),
            title: title(*level),
            about: match level {
                PayloadLevel::Full => "All that is known of an event.".to_owned(),
                PayloadLevel::Ids => {
                    let ids: Vec<&str> = rules.ids.iter().map(Pointer::as_str).collect();
                    format!("{}. Your receiver asks for the rest when it needs it.", ids.join(", "))
                }
                PayloadLevel::Fields => "Only what you list, and nothing else.".to_owned(),
            },
            is_checked: *level == chosen,
        };
        let fields = rules.allow.contains(&PayloadLevel::Fields).then(|| privacy.fields.join("\n"));
        Some(Self { choices: rules.allow.iter().map(choice).collect(), fields })
    }
}

/// Whether answers are kept.
pub(super) struct AnswersField {
    pub(super) is_dropped: bool,
}

impl AnswersField {
    /// `None`: the contract keeps none.
    pub(super) fn new(contract: &Contract, privacy: &Privacy) -> Option<Self> {
        contract.delivery().keeps_answers.then_some(Self { is_dropped: privacy.drops_answers })
    }
}

const fn title(level: PayloadLevel) -> &'static str {
    match level {
        PayloadLevel::Full => "Everything",
        PayloadLevel::Ids => "Ids only",
        PayloadLevel::Fields => "These fields",
    }
}

/// What an endpoint is sent, for its page; `None`: its contract leaves no choice, and it is sent everything.
pub(super) fn sent(contract: &Contract, endpoint: &Endpoint) -> Option<String> {
    let rules = &contract.subscription().payload;
    let fields = rules.fields(endpoint.payload.as_ref());
    if !rules.is_declared && fields.is_none() {
        return None;
    }
    let Some(fields) = fields else { return Some(title(PayloadLevel::Full).to_owned()) };
    let level = if fields == rules.ids { PayloadLevel::Ids } else { PayloadLevel::Fields };
    let listed: Vec<&str> = fields.iter().map(Pointer::as_str).collect();
    Some(format!("{}: {}", title(level), listed.join(", ")))
}
