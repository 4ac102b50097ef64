//! A compiled contract.

use std::time::Duration;

use bellwire_domain::{DeliveryPolicy, EventType, Secret};

use crate::catalogue::{self, Catalogue, EventDefinition, TestEvent, Undeclared};
use crate::diagnostic::{At, ContractError, Report};
use crate::published::{self, PublishedApi};
use crate::reader::{Fields, text};
use crate::request::{self, RequestPlan};
use crate::resource::{self, ResourceDefinition};
use crate::schema::{self, DataError};
use crate::signature::{Scheme, Signature};
use crate::subscription::{self, IdFormats, Subscription};
use crate::variables::Variable;
use crate::yaml::{self, Kind, Node};
use crate::{policy, trial};

pub(crate) const KEYS: &[&str] = &[
    "contract",
    "title",
    "description",
    "ids",
    "data",
    "events",
    "test_event",
    "resources",
    "published",
    "subscription",
    "request",
    "signatures",
    "delivery",
    "verify",
];
const TOLERANCE_DEFAULT: Duration = Duration::from_secs(300);

/// A contract: everything in which one platform's webhooks differ from another's, checked and ready to render requests.
#[derive(Debug)]
pub struct Contract {
    name: String,
    title: String,
    description: Option<String>,
    source: String,
    ids: IdFormats,
    events: Vec<EventDefinition>,
    any: Option<EventDefinition>,
    test_event: Option<TestEvent>,
    resources: Vec<ResourceDefinition>,
    published: Option<PublishedApi>,
    subscription: Subscription,
    delivery: DeliveryPolicy,
    pub(crate) plan: RequestPlan,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) tolerance: Duration,
}

impl Contract {
    /// Parses, checks and compiles a contract. `file` is its name in messages. Every event is rendered once with its example, so
    /// that what compiles here also renders.
    pub fn compile(source: &str, file: &str) -> Result<Self, ContractError> {
        let mut report = Report::new(file);
        let compiled = yaml::parse(source, &mut report).and_then(|root| read(source, &root, &mut report));
        match compiled {
            Some((contract, places)) if report.is_clean() => {
                trial::run(&contract, &places, &mut report);
                if report.is_clean() { Ok(contract) } else { Err(report.into_error()) }
            }
            _ => {
                if report.is_clean() {
                    report.add(At { line: 1, column: 1 }, "", "the contract cannot be compiled", "");
                }
                Err(report.into_error())
            }
        }
    }

    /// The short name by which it is referred to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it is.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The file's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The events of its catalogue, in its order.
    pub fn events(&self) -> &[EventDefinition] {
        &self.events
    }

    /// The definition for types that the catalogue does not list; `None`: such types are refused.
    pub fn any_event(&self) -> Option<&EventDefinition> {
        self.any.as_ref()
    }

    /// The definition that applies to an event type: the listed one, or the one for any type.
    pub fn event(&self, event_type: &str) -> Option<&EventDefinition> {
        self.events.iter().find(|event| event.is_named(event_type)).or(self.any.as_ref())
    }

    /// Checks an event's data against its definition. Costs nothing where the contract declares no schema.
    pub fn check_data(&self, event: &EventDefinition, data: &[u8]) -> Result<(), Vec<DataError>> {
        let Some(validator) = &event.validator else { return Ok(()) };
        let errors = match schema::read(data) {
            Ok(value) => schema::check(validator, &value),
            Err(error) => vec![DataError {
                pointer: String::new(),
                message: format!("not valid JSON, line {}, column {}", error.line(), error.column()),
            }],
        };
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// How ids look.
    pub fn ids(&self) -> &IdFormats {
        &self.ids
    }

    /// Who may register what.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Whether a text can be a secret of this contract; the error says what it must look like.
    pub fn check_secret(&self, secret: &str) -> Result<(), String> {
        let in_header = self
            .plan
            .headers
            .iter()
            .any(|header| header.values.iter().any(|value| value.variables().any(|used| *used == Variable::Secret)))
            || self.signatures.iter().any(|signature| matches!(signature.scheme, Scheme::Plain(_)));
        self.subscription.secret.check(secret, in_header)?;
        self.signatures.iter().try_for_each(|signature| signature.key_of(secret).map(drop))
    }

    /// A new secret in the contract's format. `entropy` must be fresh random bytes.
    pub fn draw_secret(&self, entropy: [u8; 32]) -> Secret<String> {
        self.subscription.secret.draw(&entropy)
    }

    /// Whether an endpoint may have a header of this name and value; the error says why not.
    pub fn check_custom_header(&self, name: &str, value: &str) -> Result<(), String> {
        if !self.subscription.custom_headers {
            return Err("this contract allows no headers of an endpoint's own".to_owned());
        }
        let Ok(name) = http::HeaderName::from_bytes(name.as_bytes()) else { return Err(format!("`{name}` is no header name")) };
        if request::is_connection_header(name.as_str()) || self.plan.headers.iter().any(|header| header.name == name) {
            return Err(format!("`{name}` is set by Bellwire"));
        }
        http::HeaderValue::from_str(value)
            .map(drop)
            .map_err(|_| format!("the value of `{name}` has characters that no header can carry"))
    }

    /// How deliveries are judged and retried.
    pub fn delivery(&self) -> &DeliveryPolicy {
        &self.delivery
    }

    /// The event that is sent to try an endpoint.
    pub fn test_event(&self) -> Option<&TestEvent> {
        self.test_event.as_ref()
    }

    /// The kinds of resources, in its order.
    pub fn resources(&self) -> &[ResourceDefinition] {
        &self.resources
    }

    /// The kind of resource of this name.
    pub fn resource(&self, kind: &str) -> Option<&ResourceDefinition> {
        self.resources.iter().find(|resource| resource.kind() == kind)
    }

    /// The API that its platform has published.
    pub fn published(&self) -> Option<&PublishedApi> {
        self.published.as_ref()
    }

    /// The request plan of an event type.
    pub(crate) fn plan_of(&self, event_type: &EventType) -> &RequestPlan {
        self.event(event_type.as_str()).and_then(|event| event.plan.as_ref()).unwrap_or(&self.plan)
    }
}

/// Reads a whole contract; answers it and where each event's example stands.
fn read(source: &str, root: &Node, report: &mut Report) -> Option<(Contract, Vec<At>)> {
    let fields = Fields::open(root, "", KEYS, report)?;
    let name = read_name(&fields, report);
    let title =
        fields.require("title", "write the platform's name for people", report).and_then(|node| text(node, "title", report));
    let description = fields.text("description", report);
    let ids = subscription::read_ids(fields.get("ids"), report);
    let undeclared_words = [("declared_only", Undeclared::DeclaredOnly), ("open", Undeclared::Open)];
    let undeclared = fields.choice("data", Undeclared::Open, &undeclared_words, report);
    let catalogue = fields
        .require("events", "list what can happen: `- { type: order.created, title: Order created, example: { … } }`", report)
        .map(|node| catalogue::read(node, undeclared, report));
    let test_event = fields.get("test_event").map(|node| catalogue::read_test_event(node, report));
    let delivery = policy::read(fields.get("delivery"), report);
    let (signatures, signatures_clean) = read_signatures(fields.get("signatures"), report);
    let request_node = fields.require("request", "write at least `request: { body: \"{{ event.data }}\" }`", report);
    let plan = match request_node {
        Some(node) if signatures_clean => RequestPlan::read(node, None, &signatures, report),
        Some(node) => {
            // References to signatures cannot be judged while these are wrong, so only the keys are looked at.
            Fields::open(node, "request", &["method", "url", "query", "headers", "body", "spacing", "custom_headers"], report)?;
            None
        }
        None => None,
    };
    let mut catalogue = catalogue?;
    if let (Some(node), true) = (request_node, signatures_clean) {
        read_changed_requests(&mut catalogue, node, &signatures, report);
    }
    let resources = resource::read(fields.get("resources"), &catalogue, report);
    let uses_secret = plan.as_ref().is_some_and(|plan| uses_secret(plan, &signatures));
    let custom_headers = request_node.is_some_and(|node| request::reads_custom_headers(node, report));
    let subscription = subscription::read(fields.get("subscription"), custom_headers, uses_secret, report);
    let offered = published::Offered {
        resources: &resources,
        endpoint_secrets: subscription.as_ref().is_some_and(|subscription| subscription.secret.is_read_with_endpoints()),
    };
    let published = fields.get("published").map(|node| published::read(node, &offered, report));
    let tolerance = match fields.get("verify") {
        Some(node) => Fields::open(node, "verify", &["tolerance"], report)?.duration("tolerance", report),
        None => None,
    };
    let contract = Contract {
        name: name?,
        title: title?,
        description,
        source: source.to_owned(),
        ids: ids?,
        events: catalogue.events,
        any: catalogue.any,
        test_event: match test_event {
            Some(read) => Some(read?),
            None => None,
        },
        resources,
        published: match published {
            Some(read) => Some(read?),
            None => None,
        },
        subscription: subscription?,
        delivery: delivery?,
        plan: plan?,
        signatures,
        tolerance: tolerance.unwrap_or(TOLERANCE_DEFAULT),
    };
    Some((contract, catalogue.places))
}

fn read_name(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.require("contract", "write the contract's short name, such as `contract: noyo`", report)?;
    let name = text(node, "contract", report)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if name.is_empty()
        || name.len() > 64
        || !name.bytes().all(plain)
        || !name.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        report.add(
            node.at,
            "contract",
            format!("`{name}` is no contract name"),
            "write letters in lower case, digits, `-`, `.` and `_`",
        );
        return None;
    }
    Some(name)
}

/// Reads `signatures`; the flag says whether all of them could be read.
fn read_signatures(node: Option<&Node>, report: &mut Report) -> (Vec<Signature>, bool) {
    let Some(node) = node else { return (Vec::new(), true) };
    let Kind::Map(entries) = &node.kind else {
        let help = "write a mapping from names to signatures: `main: { hmac: sha256, over: \"{{ body }}\" }`";
        report.add(node.at, "signatures", format!("this is {}", node.describe()), help);
        return (Vec::new(), false);
    };
    let read: Vec<Option<Signature>> =
        entries.iter().map(|(key, node)| Signature::read(&key.text, node, &format!("signatures.{}", key.text), report)).collect();
    let clean = read.iter().all(Option::is_some);
    (read.into_iter().flatten().collect(), clean)
}

fn read_changed_requests(catalogue: &mut Catalogue<'_>, base: &Node, signatures: &[Signature], report: &mut Report) {
    for (index, node, path) in &catalogue.requests {
        if let Some(event) = catalogue.events.get_mut(*index) {
            event.plan = RequestPlan::read(base, Some((node, path)), signatures, report);
        }
    }
}

fn uses_secret(plan: &RequestPlan, signatures: &[Signature]) -> bool {
    let steps = plan.order.iter().filter(|step| !matches!(step, request::Step::Signature(_)));
    let wanted = |variable: &Variable| matches!(variable, Variable::Secret | Variable::Signature(_));
    steps.into_iter().any(|step| plan.expressions(*step, signatures).iter().any(|expression| expression.uses(wanted)))
}
