//! Reads `published`.

mod errors;
mod known;
mod meant;
mod refuse;
mod route;
mod status;
mod tokens;

use std::str::FromStr;

use http::HeaderName;

use crate::diagnostic::{At, Report};
use crate::grammar::{Definition, KeySpec, Shape};
use crate::published::api::{Authentication, PublishedApi, PublishedRoute};
use crate::published::inputs::Input;
use crate::published::tokens::TokenRules;
use crate::reader::{Fields, items, join, text};
use crate::yaml::Node;

use errors::{ERRORS, ERRORS_HELP, read_errors};
pub(crate) use route::Offered;
use route::{ROUTE, read_route};
use tokens::{TOKENS, read_tokens};

/// The most routes in a contract.
const ROUTES_MAX: usize = 100;
const ROUTES_HELP: &str = "list its routes: `- { method: GET, path: /orders/{id}, does: read_resource, … }`";

/// The value of `published`.
pub(crate) const PUBLISHED: Shape = Shape::Named(&Definition {
    name: "published",
    about: "The API that the platform has published.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::optional("title", Shape::TEXT, "A name for people."),
    KeySpec::optional("url", Shape::Url, "Where consumers reach it."),
    KeySpec::optional("authentication", AUTHENTICATION, "Where a request has the caller's API key."),
    KeySpec::required("routes", Shape::List { of: &ROUTE, min: Some(1), max: Some(ROUTES_MAX) }, "The routes.", ROUTES_HELP),
    KeySpec::required("errors", ERRORS, "How refusals look.", ERRORS_HELP),
];
const AUTHENTICATION: Shape = Shape::Named(&Definition {
    name: "published_authentication",
    about: "Where a request has the caller's API key.",
    shape: Shape::Keys(AUTHENTICATION_KEYS),
    examples: &[],
});
const AUTHENTICATION_KEYS: &[KeySpec] = &[
    KeySpec::required(
        "header",
        Shape::TEXT,
        "The header that has the API key.",
        "name the header that has the API key: `header: x-api-key`",
    ),
    KeySpec::optional("scheme", Shape::TEXT, "A word before the key."),
    KeySpec::optional("tokens", TOKENS, "Access tokens, which are taken in place of keys."),
];

/// Reads `published`.
pub(crate) fn read(node: &Node, offered: &Offered<'_>, report: &mut Report) -> Option<PublishedApi> {
    let fields = Fields::open(node, "published", KEYS, report)?;
    let mut paths = matchit::Router::new();
    let mut routes: Vec<PublishedRoute> = Vec::new();
    let node = fields.get("routes")?;
    let items = items(node, "published.routes", ROUTES_HELP, report)?;
    if items.is_empty() || items.len() > ROUTES_MAX {
        report.add(node.at, "published.routes", format!("there are {} routes", items.len()), format!("list 1 to {ROUTES_MAX}"));
    }
    for (index, item) in items.iter().enumerate().take(ROUTES_MAX) {
        let Some(route) = read_route(item, &format!("published.routes[{index}]"), offered, report) else { continue };
        add_path(&mut paths, &routes, &route, item, report);
        routes.push(route);
    }
    check_choosing_nothing(&routes, node.at, report);
    let url = read_url(&fields, report);
    let (authentication, tokens) = read_authentication(&fields, url.as_deref(), report)?;
    for (key, path) in tokens.iter().flat_map(own_paths) {
        if paths.at(path).is_ok() {
            let place = format!("published.authentication.tokens.{key}");
            report.add(
                fields.at("authentication"),
                &place,
                format!("a route takes requests to {path}"),
                "change one of the paths",
            );
        }
    }
    Some(PublishedApi {
        title: fields.text("title", report),
        url,
        authentication,
        tokens,
        errors: read_errors(fields.get("errors")?, report)?,
        routes,
        paths,
    })
}

/// Reports endpoints that are registered without an event, where nothing gives them any.
fn check_choosing_nothing(routes: &[PublishedRoute], at: At, report: &mut Report) {
    if routes.iter().any(PublishedRoute::adds_events) {
        return;
    }
    for route in routes.iter().filter(|route| route.inputs.iter().any(Input::is_no_event)) {
        let help = "leave `events` out for all of them, or add a route: `does: update_endpoint`, `endpoint: { id: …, add_events: [ … ] }`";
        report.add(at, &join(&route.place, "endpoint.events"), "no route gives the endpoint an event", help);
    }
}

/// Adds the path of a route, or reports the route that it collides with.
fn add_path(
    paths: &mut matchit::Router<Vec<usize>>,
    routes: &[PublishedRoute],
    route: &PublishedRoute,
    node: &Node,
    report: &mut Report,
) {
    let twin = routes.iter().find(|known| known.path == route.path);
    let same: Vec<&PublishedRoute> =
        routes.iter().filter(|known| known.path == route.path && known.method == route.method).collect();
    if same.iter().any(|known| known.when.is_none()) {
        let message = format!("there is another route for {} {}", route.method, route.path);
        let help = "keep one, or say with `when` which requests the first one takes";
        report.add(node.at, &join(&route.place, "path"), message, help);
    } else if same.iter().any(|known| known.is_public != route.is_public) {
        let message = format!("another route for {} {} says otherwise", route.method, route.path);
        report.add(
            node.at,
            &join(&route.place, "public"),
            message,
            "whether a key is needed is decided before a request is read",
        );
    } else if let Some(twin) = twin {
        // The same path was accepted before, so it is found under its own text.
        if let Ok(found) = paths.at_mut(&twin.path) {
            found.value.push(routes.len());
        }
    } else if let Err(error) = paths.insert(route.path.clone(), vec![routes.len()]) {
        let message = match error {
            matchit::InsertError::Conflict { with } => format!("it matches the same requests as {with}"),
            other => other.to_string(),
        };
        report.add(node.at, &join(&route.place, "path"), message, "use the same names in both, or change one of the paths");
    }
}

fn read_url(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get("url")?;
    let place = fields.path_of("url");
    let text = text(node, &place, report)?;
    let is_base = url::Url::parse(&text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none());
    if !is_base || text.ends_with('/') {
        let help = "write where consumers reach it, without a `/` at the end: `https://api.example.com`";
        report.add(node.at, &place, format!("`{text}` is not a base URL"), help);
    }
    Some(text)
}

/// The paths that are served beside the routes, by their keys.
fn own_paths(tokens: &TokenRules) -> impl Iterator<Item = (&'static str, &str)> {
    [("path", tokens.path())].into_iter().chain(tokens.configuration_path().map(|path| ("configuration", path)))
}

fn read_authentication(
    fields: &Fields<'_>,
    url: Option<&str>,
    report: &mut Report,
) -> Option<(Authentication, Option<TokenRules>)> {
    let Some(node) = fields.get("authentication") else {
        return Some((Authentication { header: http::header::AUTHORIZATION, scheme: Some("Bearer".to_owned()) }, None));
    };
    let fields = Fields::open(node, "published.authentication", AUTHENTICATION_KEYS, report)?;
    let Ok(name) = HeaderName::from_str(&fields.text("header", report)?) else {
        let place = fields.path_of("header");
        report.add(fields.at("header"), &place, "this is not a header name", "write letters, digits and `-`");
        return None;
    };
    let authentication = Authentication { header: name, scheme: fields.text("scheme", report) };
    let Some(node) = fields.get("tokens") else { return Some((authentication, None)) };
    let is_bearer = authentication.scheme.as_ref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
    if authentication.header != http::header::AUTHORIZATION || !is_bearer {
        let help = "write `authentication: { header: authorization, scheme: Bearer, tokens: { … } }`";
        report.add(node.at, &fields.path_of("tokens"), "clients send tokens as `Authorization: Bearer <token>`", help);
    }
    let tokens = read_tokens(node, &fields.path_of("tokens"), url, report)?;
    Some((authentication, Some(tokens)))
}
