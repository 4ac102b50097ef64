//! Compiles a contract: reads every part, then renders everything once as a trial.

mod secrets;

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::DeliveryPolicy;

use crate::access_token::AccessToken;
use crate::activation::{self, ACTIVATION, Activation, Confirmer};
use crate::answer_rules::AnswerRules;
use crate::catalogue::{self, Catalogue, EVENTS, TEST_EVENT, Undeclared};
use crate::client_tls::ClientTlsPlan;
use crate::console::{self, CONSOLE};
use crate::contract::Contract;
use crate::diagnostic::{At, ContractError, Report};
use crate::expression::Expression;
use crate::grammar::{KeySpec, Shape};
use crate::heartbeat::{self, HEARTBEAT, Heartbeat};
use crate::key_pair::{KeptKeys, SignatureAlgorithm};
use crate::policy::chosen::{ChosenDelivery, substituted};
use crate::policy::{self, DELIVERY};
use crate::published::{self, PUBLISHED};
use crate::reader::{Fields, text};
use crate::request::{self, REQUEST, RequestPlan};
use crate::resource::{self, RESOURCE, ResourceDefinition};
use crate::signature::{self, KeyPairs, Kinds, SIGNATURE, Signature, Signatures};
use crate::subscription::{self, Choices, IDS, SUBSCRIPTION, SecretRules, Subscription};
use crate::trial;
use crate::variables::{Builtin, Variable};
use crate::variants::Variant;
use crate::version::{self, VERSION};
use crate::yaml::{self, Node};

/// The keys of a contract.
pub(crate) const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "contract",
        Shape::Pattern("^[a-z0-9][a-z0-9._-]{0,63}$"),
        "Short name; only versions of a contract share one.",
        "write the contract's short name, such as `contract: noyo`",
    ),
    KeySpec::optional("version", VERSION, "Which version of the contract this is, where there are several."),
    KeySpec::required("title", Shape::TEXT, "Name for people.", "write the platform's name for people"),
    KeySpec::optional("description", Shape::TEXT, "What the platform is."),
    KeySpec::optional("ids", IDS, "How ids look."),
    KeySpec::optional("data", Shape::Words(Undeclared::WORDS), "Whether fields that a schema does not declare may pass."),
    KeySpec::required(
        "events",
        EVENTS,
        "The catalogue of what can happen.",
        "list what can happen: `- { type: order.created, title: Order created, example: { … } }`",
    ),
    KeySpec::optional("test_event", TEST_EVENT, "The event that is sent to try an endpoint."),
    KeySpec::optional("resources", Shape::MapOf(&RESOURCE), "Objects whose stored changes cause events, by kind."),
    KeySpec::optional("published", PUBLISHED, "The API that the platform has published."),
    KeySpec::optional("subscription", SUBSCRIPTION, "Who may register what."),
    KeySpec::optional("console", CONSOLE, "How the platform speaks of the pages that its customers see."),
    KeySpec::required("request", REQUEST, "The request.", "write at least `request: { body: \"{{ event.data }}\" }`"),
    KeySpec::optional("signatures", Shape::MapOf(&SIGNATURE), "Named values computed with secrets."),
    KeySpec::optional("delivery", DELIVERY, "Success, retries and health."),
    KeySpec::optional("activation", ACTIVATION, "The handshake before an endpoint gets events."),
    KeySpec::optional("heartbeat", HEARTBEAT, "What an endpoint is sent when it was sent nothing else for some time."),
    KeySpec::optional("verify", Shape::Keys(VERIFY_KEYS), "How a receiver judges what it gets."),
];
const VERIFY_KEYS: &[KeySpec] =
    &[KeySpec::optional("tolerance", Shape::DURATION, "How far a time may be from now; `5m` unless given.")];
const TOLERANCE_DEFAULT: Duration = Duration::from_secs(300);

impl Contract {
    /// Parses, checks and compiles a contract. `file` is its name in messages. Every event is rendered once with its example, so
    /// a contract that compiles also renders.
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
}

/// Reads a whole contract. The second value has the place of each event's example.
fn read(source: &str, root: &Node, report: &mut Report) -> Option<(Contract, Vec<At>)> {
    let fields = Fields::open(root, "", KEYS, report)?;
    let name = read_name(&fields, report);
    let version = version::read(&fields, report);
    let title = fields.label("title", report);
    let description = fields.text("description", report);
    let ids = subscription::read_ids(fields.get("ids"), report);
    let undeclared = fields.word("data", report).unwrap_or(Undeclared::Open);
    let catalogue = fields.get("events").map(|node| catalogue::read(node, undeclared, report));
    let test_event = fields.get("test_event").map(|node| catalogue::read_test_event(node, report));
    let choices = subscription::read_choices(fields.get("subscription"), report);
    let tried = choices.as_ref().map(|choices| choices.options.tried_in_full()).unwrap_or_default();
    let (delivery, chosen_delivery) = read_delivery(fields.get("delivery"), &tried, report);
    let order_key = policy::read_order_key(fields.get("delivery"), report);
    let request = fields.get("request");
    let signatures = Signatures::read(fields.get("signatures"), report);
    let plan = request.and_then(|node| RequestPlan::read(node, None, &signatures, report));
    let variants = request.map_or(Some(Vec::new()), |node| Variant::read_all(node, &signatures, report));
    let mut catalogue = catalogue.unwrap_or_default();
    if let Some(node) = request {
        read_changed_requests(&mut catalogue, node, &signatures, report);
    }
    let resources = resource::read(fields.get("resources"), &catalogue, report);
    let beside = |key: &str| fields.get(key).zip(request);
    let activation = beside("activation").map(|(node, base)| activation::read(node, base, &signatures, report));
    let heartbeat = beside("heartbeat").map(|(node, base)| heartbeat::read(node, base, &signatures, report));
    let signatures = signatures.read;
    let access_token = request.map_or(Some(None), |node| request::read_access_token(node, report));
    let client_tls = request.map_or_else(|| Some(ClientTlsPlan::default()), |node| request::read_client_tls(node, report));
    let token_algorithm = access_token.iter().flatten().find_map(AccessToken::algorithm);
    let uses_secret = token_algorithm.is_some() || plan.as_ref().is_some_and(|plan| secrets::uses_secret(plan, &signatures));
    let uses_text = plan.as_ref().is_some_and(|plan| secrets::uses_text(plan, &signatures));
    let custom_headers = request.is_some_and(|node| request::reads_custom_headers(node, report));
    let key_pairs = KeyPairs::of(&signatures).or(token_algorithm.map(KeyPairs::asserting));
    let needed = key_pairs.map(|pairs| pairs.algorithm.kind());
    let wanted = subscription::Wanted { secret: uses_secret, text: uses_text, private_key: needed };
    let subscription = subscription::read(fields.get("subscription"), custom_headers, &wanted, report);
    let kinds = subscription.as_ref().map(secrets::kinds).unwrap_or_default();
    signature::check_pairs(&signatures, kinds, report);
    let changed = catalogue.events.iter().chain(&catalogue.any).filter_map(|event| event.plan.as_ref());
    let steps = activation.iter().flatten().flat_map(Activation::plans);
    let varied = variants.iter().flatten().map(|variant| &variant.plan);
    let of_events = plan.iter().chain(changed.clone()).chain(varied.clone());
    check_batches(delivery.as_ref(), of_events, fields.at("delivery"), report);
    let beats = heartbeat.iter().flatten().map(|heartbeat| &heartbeat.request.plan);
    let plans = plan.iter().chain(changed).chain(steps).chain(varied).chain(beats);
    let uses = look_through(plans, &signatures, (kinds, choices.as_ref()), report);
    check_token(access_token.as_ref().and_then(Option::as_ref), uses.token_at, kinds, report);
    check_chosen(choices.as_ref(), access_token.iter().flatten(), client_tls.as_ref(), heartbeat.iter().flatten(), report);
    check_conditions(choices.as_ref(), variants.iter().flatten(), report);
    if let (Some(Some(activation)), Some(subscription)) = (&activation, &subscription) {
        activation::check(activation, &subscription.secret, report);
    }
    let offered = offered(&resources, subscription.as_ref(), activation.as_ref().and_then(Option::as_ref));
    let published = fields.get("published").map(|node| published::read(node, &offered, report));
    let console = console::read(fields.get("console"), report);
    let tolerance = read_tolerance(&fields, report);
    let (delivery, answer_rules) = delivery?;
    let heeded = answer_rules.heeded(delivery.relays_answers);
    let Choices { options, credentials, filter } = choices?;
    let subscription = subscription?;
    let example_secrets = secrets::examples(&subscription);
    let contract = Contract {
        name: name?,
        version,
        title: title?,
        description,
        file: report.file().to_owned(),
        source: source.to_owned(),
        ids: ids?,
        events: catalogue.events,
        any: catalogue.any,
        test_event: whole(test_event)?,
        resources,
        published: whole(published)?,
        subscription,
        console: console?,
        delivery: Arc::new(delivery),
        answer_rules,
        activation: whole(activation)?,
        heartbeat: whole(heartbeat)?,
        heeded,
        plan: plan?,
        variants: variants?,
        access_token: access_token?,
        client_tls: client_tls?,
        looks_back: uses.looks_back,
        options,
        example_credentials: credentials.tried_credentials().into_iter().next().flatten(),
        credentials,
        filter,
        order_key: order_key?,
        chosen_delivery,
        speaks_of: signature::speaks_of(&signatures, key_pairs),
        signatures,
        key_pairs: key_pairs.or(kinds.key.map(KeyPairs::unused)),
        kept_keys: KeptKeys::default(),
        example_secrets,
        tolerance: tolerance.unwrap_or(TOLERANCE_DEFAULT),
    };
    Some((contract, catalogue.places))
}

/// What may be left out, and may not be wrong.
#[expect(clippy::option_option, reason = "left out, wrong, or read")]
fn whole<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |read| read.map(Some))
}

/// Reports an access token that no request shows, that nobody gets, or that another kind of key would have to prove.
fn check_token(access: Option<&AccessToken>, used_at: Option<At>, kinds: Kinds, report: &mut Report) {
    let path = "request.access_token";
    match (access, used_at) {
        (None, Some(at)) => {
            let help = "write `request: { access_token: { url: …, client_id: …, client_secret: … } }`";
            report.add(at, "request", "there is no `access_token` here: nothing says where it is got", help);
        }
        (Some(access), None) => {
            let help = "write `authorization: \"Bearer {{ access_token }}\"` into the headers";
            report.add(access.client_id.at, path, "nothing uses the token", help);
        }
        _ => {}
    }
    let needed = access.and_then(AccessToken::algorithm).map(SignatureAlgorithm::kind);
    if let (Some(access), Some(needed), Some(kind)) = (access, needed, kinds.key)
        && needed != kind
    {
        let message = format!("this needs a key of {}, and the contract's keys are of {}", needed.title(), kind.title());
        report.add(access.client_id.at, "request.access_token.algorithm", message, "a contract has keys of one kind");
    }
}

/// What requests use.
#[derive(Default)]
struct Uses {
    /// How the attempt before ended, or when the first was made.
    looks_back: bool,
    /// An access token, and where first.
    token_at: Option<At>,
}

/// Looks through every plan for names that mean nothing in this contract.
fn look_through<'p>(
    plans: impl Iterator<Item = &'p RequestPlan>,
    signatures: &[Signature],
    (kinds, choices): (Kinds, Option<&Choices>),
    report: &mut Report,
) -> Uses {
    let mut uses = Uses::default();
    for plan in plans {
        check_keys(plan, signatures, kinds, report);
        each_expression(plan, signatures, |expression, path| {
            uses.looks_back |= expression.uses(|variable| {
                matches!(variable, Variable::Builtin(Builtin::AttemptPrevious | Builtin::DeliveryFirstAttemptAt))
            });
            let shows_token = expression.uses(|variable| *variable == Variable::Builtin(Builtin::AccessToken));
            uses.token_at = uses.token_at.or(shows_token.then_some(expression.at));
            check_choices(choices, expression, path, report);
        });
    }
    uses
}

/// Reports options and credentials that there are not.
fn check_choices(choices: Option<&Choices>, expression: &Expression, path: &str, report: &mut Report) {
    if let Some(choices) = choices {
        choices.options.check_use(expression, path, report);
        choices.credentials.check_use(expression, path, report);
    }
}

/// Reports options and credentials that there are not in what is the same for all requests of an endpoint.
fn check_chosen<'c>(
    choices: Option<&Choices>,
    access: impl Iterator<Item = &'c AccessToken>,
    client_tls: Option<&ClientTlsPlan>,
    heartbeat: impl Iterator<Item = &'c Heartbeat>,
    report: &mut Report,
) {
    for expression in access.flat_map(AccessToken::expressions) {
        check_choices(choices, expression, "request.access_token", report);
    }
    for expression in client_tls.into_iter().flat_map(ClientTlsPlan::expressions) {
        check_choices(choices, expression, "request.client_certificate", report);
    }
    for expression in heartbeat.flat_map(|heartbeat| heartbeat.every().expressions()) {
        check_choices(choices, expression, "heartbeat.every", report);
    }
}

/// What the contract offers to its published routes.
fn offered<'a>(
    resources: &'a [ResourceDefinition],
    subscription: Option<&Subscription>,
    activation: Option<&Activation>,
) -> published::Offered<'a> {
    let secret = subscription.map(|subscription| &subscription.secret);
    published::Offered {
        resources,
        endpoint_secrets: secret.is_some_and(SecretRules::is_read_with_endpoints),
        private_keys_from: subscription.and_then(Subscription::private_keys_from),
        secrets_are_keys: secret.is_some_and(|secret| secret.private_key.is_some()),
        has_activation: activation.is_some(),
        is_confirmed: activation.is_some_and(|activation| activation.confirmed_by == Confirmer::Receiver),
    }
}

/// Reports options in conditions that there are not.
fn check_conditions<'v>(choices: Option<&Choices>, variants: impl Iterator<Item = &'v Variant>, report: &mut Report) {
    let Some(choices) = choices else { return };
    for condition in variants.map(|variant| &variant.when) {
        choices.options.check_use(condition, "request.variants", report);
    }
    if let Some(filter) = &choices.filter {
        for expression in filter.expressions() {
            choices.options.check_use(expression, "subscription.filter", report);
        }
    }
}

fn read_tolerance(fields: &Fields<'_>, report: &mut Report) -> Option<Duration> {
    let verify = fields.get("verify").and_then(|node| Fields::open(node, "verify", VERIFY_KEYS, report));
    verify.and_then(|verify| verify.duration("tolerance", report))
}

fn read_name(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get("contract")?;
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
            format!("`{name}` cannot be the name of a contract"),
            "write letters in lower case, digits, `-`, `.` and `_`",
        );
        return None;
    }
    Some(name)
}

fn read_changed_requests(catalogue: &mut Catalogue<'_>, base: &Node, signatures: &Signatures, report: &mut Report) {
    for (index, node, path) in &catalogue.requests {
        if let Some(event) = catalogue.events.get_mut(*index) {
            event.plan = RequestPlan::read(base, Some((node, path)), signatures, report);
        }
    }
}

/// Reads `delivery`. Where it depends on what endpoints choose, with each of the choices that are tried; the first is kept.
fn read_delivery(
    node: Option<&Node>,
    tried: &[String],
    report: &mut Report,
) -> (Option<(DeliveryPolicy, AnswerRules)>, Option<ChosenDelivery>) {
    let Some((node, chosen)) = node.and_then(|node| Some((node, ChosenDelivery::of(node)?))) else {
        return (policy::read(node, report), None);
    };
    let mut first = None;
    for options in tried {
        let read = substituted(node, "delivery", options, report).and_then(|node| policy::read(Some(&node), report));
        if read.is_none() || !report.is_clean() {
            return (first.or(read), Some(chosen)); // the others would fail alike
        }
        first = first.or(read);
    }
    (first, Some(chosen))
}

/// Looks for a request with more than one event in it: there is no batch without.
fn check_batches<'p>(
    delivery: Option<&(DeliveryPolicy, AnswerRules)>,
    mut plans: impl Iterator<Item = &'p RequestPlan>,
    at: At,
    report: &mut Report,
) {
    if delivery.is_some_and(|(policy, _)| policy.batch.is_some()) && !plans.any(|plan| plan.carries_events) {
        let help = "write the events into the body: `body: { events: { $each: \"{{ events }}\", $then: \"{{ item.data }}\" } }`";
        report.add(at, "delivery.batch", "no request has more than one event in it", help);
    }
}

fn each_expression(plan: &RequestPlan, signatures: &[Signature], mut see: impl FnMut(&Expression, &str)) {
    for step in &plan.order {
        let path = plan.name(*step, signatures);
        plan.expressions(*step, signatures).into_iter().for_each(|expression| see(expression, &path));
    }
}

/// Looks for keys where there are none, and for private ones that would be sent.
fn check_keys(plan: &RequestPlan, signatures: &[Signature], kinds: Kinds, report: &mut Report) {
    each_expression(plan, signatures, |expression, path| signature::check_key_use(expression, path, kinds, report));
}
