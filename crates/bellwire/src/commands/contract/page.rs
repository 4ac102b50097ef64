//! A contract as a page for the consumers of its platform. The same contract always gives the same page.

mod delivery;

use std::fmt::Write as _;

use anyhow::Context;
use bellwire_contract::{Confirmer, Contract, EventChoice, OutboundRequest, PublishedApi, Registrar, RenderInput, SecretSource};
use bellwire_domain::{EventType, LeasePolicy, PayloadLevel, PayloadRules, Timestamp, UrlPolicy};

use self::delivery::{delivery, spelled};
use super::example::{Example, show};

/// 2026-01-15T09:00:00Z, when everything on a page happens.
const THEN: Timestamp = Timestamp::from_secs(1_768_467_600);
/// The type of the example if a contract lists none.
const ANY_TYPE: &str = "invoice.paid";

/// Writes the page.
pub(super) fn write(contract: &Contract) -> anyhow::Result<String> {
    let mut page = format!("# Webhooks of {}\n\n", contract.title());
    if let Some(description) = contract.description() {
        let _ = writeln!(page, "{}\n", description.trim());
    }
    page.push_str("## Registration\n\n");
    page.push_str(&registration(contract));
    page.push_str(&options(contract));
    page.push_str(&credentials(contract));
    page.push_str(&access_token(contract));
    page.push_str(&connections(contract));
    if let Some(published) = contract.published() {
        page.push_str(&api(published));
    }
    page.push_str(&handshake(contract)?);
    page.push_str(&heartbeat(contract)?);
    page.push_str("\n## Events\n\n");
    page.push_str(&events(contract)?);
    page.push_str("## Verification\n\n");
    page.push_str(&verification(contract));
    page.push_str("\n## Answers and retries\n\n");
    page.push_str(&delivery(contract));
    page.truncate(page.trim_end().len());
    Ok(page)
}

fn registration(contract: &Contract) -> String {
    let subscription = contract.subscription();
    let payload = payload(&subscription.payload);
    let lease = subscription.lease.map(|policy| lease(&policy));
    let chosen = format!("You choose its secret, of at least {} characters.", subscription.secret.length_min);
    let mut lines = vec![
        match subscription.register {
            Registrar::Consumer => "You register your endpoints yourself.",
            Registrar::Operator => "Your endpoints are registered for you, by the platform.",
        },
        match subscription.events {
            EventChoice::All => "Every endpoint gets every event.",
            EventChoice::Choose => "An endpoint gets the events that it names.",
        },
        match subscription.url {
            UrlPolicy::Https => "Its URL is an https URL.",
            UrlPolicy::Any => "Its URL is an http or https URL.",
        },
        match subscription.secret.from {
            SecretSource::Consumer => &chosen,
            SecretSource::Generated => "Its secret is drawn for you.",
            SecretSource::Account => "Your account has one secret, which its endpoints share.",
            SecretSource::Contract => "The platform signs with a key of its own, whose public half it tells you.",
        },
    ];
    if subscription.keys_beside.is_some() {
        lines.push("The platform signs with a key of its own as well, whose public half it tells you.");
    }
    if subscription.payload.is_declared {
        lines.push(&payload);
    }
    if let Some(lease) = &lease {
        lines.push(lease);
    }
    if !subscription.secret.readable && subscription.secret.from != SecretSource::Contract {
        lines.push("A secret cannot be read back later: keep it.");
    }
    if !subscription.enabled {
        lines.push("A new endpoint is off until it is enabled.");
    }
    if !subscription.sandbox {
        lines.push("Sandbox accounts have no webhooks.");
    }
    lines.iter().fold(String::new(), |list, line| list + "- " + line + "\n")
}

/// How much of an event's data an endpoint may choose to get.
/// How long an endpoint is sent to.
fn lease(policy: &LeasePolicy) -> String {
    let mut text = match policy.default {
        Some(span) => format!("Unless you ask for something else, it expires after {}.", spelled(span)),
        None if policy.required => "You say when it expires.".to_owned(),
        None => "You may say when it expires.".to_owned(),
    };
    if let Some(max) = policy.max {
        let _ = write!(text, " That is at most {} ahead.", spelled(max));
    }
    text.push_str(" From then on nothing is sent, and what waits is cancelled: renew it before.");
    text.push_str(if policy.renewable_after_end { " It may be renewed after that as well." } else { "" });
    text
}

fn payload(rules: &PayloadRules) -> String {
    let level = |level: PayloadLevel| match level {
        PayloadLevel::Full => "all of an event's data (`full`)".to_owned(),
        PayloadLevel::Ids => {
            let ids: Vec<_> = rules.ids.iter().map(|id| format!("`{id}`")).collect();
            format!("its ids only (`ids`: {})", ids.join(", "))
        }
        PayloadLevel::Fields => "the fields that it names, as JSON pointers".to_owned(),
    };
    let allowed: Vec<_> = rules.allow.iter().map(|one| level(*one)).collect();
    format!("An endpoint chooses with `payload` what it gets: {}; `{}` unless it says so.", allowed.join(", or "), rules.default)
}

/// What an endpoint may choose for itself.
fn options(contract: &Contract) -> String {
    if contract.options().is_empty() {
        return String::new();
    }
    let mut text = "\n## Options\n\nAn endpoint may choose:\n\n".to_owned();
    for option in contract.options() {
        let title = option.title.as_ref().map_or(String::new(), |title| format!(": {title}"));
        let default = match (&option.default, option.is_required) {
            (Some(default), _) => format!("; `{default}` unless it says so"),
            (None, true) => "; it has to".to_owned(),
            (None, false) => String::new(),
        };
        let _ = writeln!(text, "- `{}`{title}{default}. As JSON Schema: `{}`", option.name, option.schema);
        if let Some(description) = &option.description {
            let _ = writeln!(text, "  {}", description.trim());
        }
    }
    if contract.has_filter() {
        text.push_str("\nWhich events it gets depends on what it chooses and on what they say.\n");
    }
    text
}

/// The secret values that an endpoint gives.
fn credentials(contract: &Contract) -> String {
    if contract.credentials().is_empty() {
        return String::new();
    }
    let mut text = "\n## Credentials\n\nAn endpoint gives what requests to it need. It is shown to nobody again:\n\n".to_owned();
    for credential in contract.credentials() {
        let title = credential.title.as_ref().map_or(String::new(), |title| format!(": {title}"));
        let has_to = if credential.is_required { "; it has to" } else { "" };
        let _ = writeln!(text, "- `{}`{title}{has_to}. As JSON Schema: `{}`", credential.name, credential.schema);
        if let Some(description) = &credential.description {
            let _ = writeln!(text, "  {}", description.trim());
        }
    }
    text
}

/// Where requests get their access token.
fn access_token(contract: &Contract) -> String {
    let Some(access) = contract.access_token() else { return String::new() };
    format!(
        "\n## Access token\n\nRequests show an access token. It is asked for at `{}`, by the grant `client_credentials`, {}. A request that is \
         answered 401 is sent once more, with a new one.\n",
        access.url_text(),
        access.proof_text()
    )
}

/// What connections show, and whom they trust.
fn connections(contract: &Contract) -> String {
    let (shows, trusts) = (contract.shows_certificate(), contract.trusts_own_authority());
    if !shows && !trusts {
        return String::new();
    }
    let mut text = "\n## Connections\n\n".to_owned();
    if shows {
        text.push_str("Your server is shown the client certificate that the endpoint has given, with TLS.\n");
    }
    if trusts {
        text.push_str("Where the endpoint has given a certificate authority, your server is known by that one alone.\n");
    }
    text
}

/// What is asked of an endpoint before it gets events.
fn handshake(contract: &Contract) -> anyhow::Result<String> {
    let Some(activation) = contract.activation() else { return Ok(String::new()) };
    let mut text =
        "\n## Before the first event\n\nA new endpoint, and one whose URL has changed, is asked this first:\n\n".to_owned();
    let (example, token) = (Example::new(contract, THEN), "0".repeat(64));
    let event_type = EventType::try_new("activation")?;
    for step in 0..activation.steps() {
        let secrets = contract.example_secrets();
        let input = example.input(&event_type, "{}", "https://client.example/webhooks", secrets);
        let request = contract.render_activation(step, &RenderInput { activation: Some(&token), ..input })?;
        text.push_str(&fenced(&request));
        let accepted = match activation.accepts(step) {
            Some(condition) => format!("if `{condition}` holds, where `activation.token` is the token above"),
            None => format!("with status {}", contract.delivery().success),
        };
        let _ = writeln!(text, "It is right {accepted}.\n");
    }
    if activation.confirmed_by == Confirmer::Receiver {
        text.push_str("Then call back with the token: only that ends it.\n");
    }
    if let Some(every) = activation.every {
        let _ = writeln!(text, "It is asked again every {}.", spelled(every));
    }
    Ok(text)
}

/// What an endpoint is sent when nothing happens.
fn heartbeat(contract: &Contract) -> anyhow::Result<String> {
    let Some(every) = contract.heartbeat_text() else { return Ok(String::new()) };
    let (example, event_type) = (Example::new(contract, THEN), EventType::try_new("heartbeat")?);
    let secrets = contract.example_secrets();
    let request = contract.render_heartbeat(&example.input(&event_type, "{}", "https://client.example/webhooks", secrets))?;
    Ok(format!(
        "\n## When nothing happens\n\nAn endpoint that was sent nothing for `{every}` is sent this. Nothing is made of the answer.\n\n{}",
        fenced(&request)
    ))
}

/// The routes that the platform has published.
fn api(published: &PublishedApi) -> String {
    let authentication = published.authentication();
    let word = authentication.scheme.as_ref().map_or(String::new(), |scheme| format!("{scheme} "));
    let mut text = format!("\n## {}\n\n", published.title().unwrap_or("API"));
    if let Some(url) = published.url() {
        let _ = writeln!(text, "At `{url}`.\n");
    }
    if published.routes().iter().any(|route| !route.is_public()) {
        let _ = writeln!(text, "Send your API key as `{}: {word}<key>`.\n", authentication.header);
    }
    if let Some(tokens) = published.tokens() {
        let scopes: Vec<String> = tokens.scopes().map(|(name, right)| format!("`{name}` ({right})")).collect();
        let algorithms: Vec<&str> = tokens.algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
        let _ = writeln!(
            text,
            "Or send an access token in its place. A registered client gets one at `{}` for an assertion that it has signed with {} \
             (RFC 7523), with one or more of these scopes: {}. It is good for {} seconds.\n",
            tokens.url(),
            algorithms.join(" or "),
            scopes.join(", "),
            tokens.lifetime().as_secs()
        );
    }
    for route in published.routes() {
        let title = route.title().map_or(String::new(), |title| format!(": {title}"));
        let open = if route.is_public() { ", without a key" } else { "" };
        let _ = writeln!(text, "- `{} {}`{title} ({}{open})", route.method(), route.path(), route.status().as_u16());
        if let Some(description) = route.description() {
            let _ = writeln!(text, "  {}", description.trim());
        }
    }
    text
}

fn events(contract: &Contract) -> anyhow::Result<String> {
    let mut text = String::new();
    for event in contract.events() {
        let _ = writeln!(text, "### `{}`: {}\n", event.event_type, event.title);
        if let Some(description) = &event.description {
            let _ = writeln!(text, "{}\n", description.trim());
        }
        if !event.groups.is_empty() {
            let groups: Vec<String> = event.groups.iter().map(|group| format!("`{group}`")).collect();
            let _ = writeln!(text, "Endpoints can also choose it with all of {}.\n", groups.join(" or "));
        }
        if event.entitlement.is_some() {
            text.push_str("Sent only to accounts for which the platform has switched it on.\n\n");
        } else if !event.enabled_by_default {
            text.push_str("Sent only to endpoints that name it.\n\n");
        }
        text.push_str(&request(contract, &event.event_type, event.example.get(), false)?);
    }
    if contract.any_event().is_some() {
        text.push_str("Events may be of any type. One of them, for example:\n\n");
        text.push_str(&request(contract, &EventType::try_new(ANY_TYPE)?, r#"{"id":"in_1","amount":1.10}"#, false)?);
    }
    if let Some(test) = contract.test_event() {
        let _ = writeln!(text, "### `{}`: {}, the test event\n", test.event_type, test.title);
        text.push_str(&request(contract, &test.event_type, test.data.get(), true)?);
    }
    Ok(text)
}

/// The complete request, as it would be sent.
fn request(contract: &Contract, event_type: &EventType, data: &str, is_test: bool) -> anyhow::Result<String> {
    let example = Example::new(contract, THEN);
    let data = &*contract.minimise(data, None);
    let mut input: RenderInput<'_> =
        example.input(event_type, data, "https://client.example/webhooks", contract.example_secrets());
    input.event.is_test = is_test;
    let request = contract.render(&input).with_context(|| format!("event {event_type}"))?;
    Ok(fenced(&request))
}

fn fenced(request: &OutboundRequest) -> String {
    let shown = show(request);
    let shown = String::from_utf8_lossy(&shown);
    // Longer than any run of backticks inside.
    let fence = "`".repeat(shown.split(|character| character != '`').map(str::len).max().unwrap_or(0).max(2) + 1);
    format!("{fence}http\n{}\n{fence}\n\n", shown.trim_end())
}

fn verification(contract: &Contract) -> String {
    let proofs = contract.proofs();
    if proofs.is_empty() {
        return "Requests are unsigned: nothing in one proves where it comes from.\n".to_owned();
    }
    let secret = contract.example_secret();
    let has_both = contract.subscription().keys_beside.is_some();
    let mut text = match contract.example_key() {
        Some(key) if has_both => format!(
            "The requests above are made with the secret `{}`, and signed by the private key of this public one as well:\n\n```\n{}```\n\n\
             Check the one whose secret or key you have.\n\n",
            secret.expose(),
            key.pem
        ),
        Some(key) => format!("The requests above are signed by the private key of this public one:\n\n```\n{}```\n\n", key.pem),
        None => format!("The requests above are made with the secret `{}`. ", secret.expose()),
    };
    text.push_str("Where the body goes into what is computed, take its bytes as they came.\n\n");
    for proof in proofs {
        let _ = writeln!(text, "- {}: {}.", proof.place, proof.how);
    }
    if contract.shows_key_version() {
        text.push_str(
            "\nWhere a request shows a version, it is that of the secret or key which signed: 1 is the first one, and each new one has \
             one more.\n",
        );
    }
    text.push('\n');
    if let Some(tolerance) = contract.tolerance() {
        let _ = writeln!(text, "Refuse a request whose time is further than {} from yours.", spelled(tolerance));
    }
    let _ = writeln!(text, "`bellwire verify --contract {}` judges a request that you have captured.", contract.name());
    text
}
