//! What a captured request reveals of the values that it was made from.
//!
//! The contract's templates are read backwards: if a header is `t={{ attempt.at | unix }}`, the captured header shows the text of
//! that expression. Such text is trusted only where nothing better is known. What can be computed from the captured body and
//! headers is computed, and the caller compares it.

mod data;
mod reading;

use std::sync::Arc;

use bellwire_domain::Timestamp;
use http::HeaderMap;

use crate::contract::Contract;
use crate::expression::Expression;
use crate::filters::{FilterName, UrlPart, url_part};
use crate::json;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::request::{Body, RequestPlan};
use crate::signature::Signer;
use crate::template::Template;
use crate::tree::{Member, Tree};
use crate::variables::{Builtin, Values, Variable};

pub(crate) use reading::{Reading, readings};

/// A request as a receiver saw it.
#[derive(Debug, Clone, Copy)]
pub struct CapturedRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The URL, or its path and query.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// An expression of the contract, and the text that the request has in its place.
pub(crate) struct Shown<'a> {
    pub(crate) expression: &'a Expression,
    pub(crate) text: String,
    /// The same as JSON, if it was in a JSON body.
    raw: Option<String>,
    /// Where it was, for messages.
    pub(crate) place: String,
}

impl Shown<'_> {
    fn value(&self) -> Piece<'_> {
        match &self.raw {
            Some(raw) => Piece::Json(raw.as_str().into()),
            None => Piece::text(&self.text),
        }
    }
}

/// The values of a captured request, as seen with one secret.
pub(crate) struct Captured<'a> {
    contract: &'a Contract,
    request: &'a CapturedRequest<'a>,
    url: String,
    pub(crate) shown: Vec<Shown<'a>>,
    /// Whether an optional field of the event's data is not there, which says that the data does not have it.
    lacks_data: bool,
    secret: &'a str,
    /// The version that the value which is looked at shows of its secret.
    version: Option<i64>,
    meter: Arc<Meter>,
}

/// Whether the expression's value proves knowledge of a secret.
pub(crate) fn proves(expression: &Expression) -> bool {
    expression.uses(|variable| matches!(variable, Variable::Builtin(Builtin::Secret) | Variable::Signature(_)))
}

/// Whether the expression's value follows from the captured body and headers alone.
pub(crate) fn follows(expression: &Expression) -> bool {
    !expression.paths.is_empty()
        && !expression.uses(|variable| !matches!(variable, Variable::Builtin(Builtin::Body) | Variable::Header(_)))
}

/// When the attempt was made, if the expression prints that.
pub(crate) fn attempt_time(expression: &Expression, text: &str) -> Option<Timestamp> {
    let (Variable::Builtin(Builtin::AttemptAt), [filter, ..]) = expression.direct()? else { return None };
    match filter.name {
        FilterName::Unix => text.parse().ok().map(Timestamp::from_secs),
        FilterName::UnixMs => text.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1_000)).map(Timestamp::from_micros),
        FilterName::Rfc3339 => Timestamp::parse_rfc3339(text).ok(),
        FilterName::HttpDate => Timestamp::parse_http_date(text),
        _ => None,
    }
}

impl<'a> Captured<'a> {
    /// Reads what the request shows, except for its headers, which the caller goes through one by one.
    pub(crate) fn new(contract: &'a Contract, plan: &'a RequestPlan, request: &'a CapturedRequest<'a>) -> Self {
        let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let url = if request.url.starts_with('/') { format!("https://{host}{}", request.url) } else { request.url.to_owned() };
        let mut captured = Self {
            contract,
            request,
            url,
            shown: Vec::new(),
            lacks_data: false,
            secret: "",
            version: None,
            meter: Arc::default(),
        };
        match (&plan.body, std::str::from_utf8(request.body)) {
            (Body::Json(tree), Ok(text)) if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => {
                captured.read_tree(tree, text, "the body");
            }
            (Body::Text(template), Ok(text)) => captured.read_template(template, text, "the body"),
            (Body::Form(pairs), Ok(text)) => captured.read_pairs(pairs, text),
            _ => {}
        }
        if let Some((_, query)) = request.url.split_once('?') {
            captured.read_pairs(&plan.query, query);
        }
        captured
    }

    /// The same with a secret to try.
    pub(crate) fn with_secret(mut self, secret: &'a str) -> Self {
        self.secret = secret;
        self
    }

    /// The same with the version that a value shows.
    pub(crate) fn with_version(mut self, version: Option<i64>) -> Self {
        self.version = version;
        self
    }

    /// Reads a template backwards and keeps what it shows.
    pub(crate) fn read_template(&mut self, template: &'a Template, text: &str, place: &str) {
        self.keep(&readings(template, text).into_iter().next().unwrap_or_default(), place);
    }

    /// Keeps what a template shows.
    pub(crate) fn keep(&mut self, reading: &Reading<'a, '_>, place: &str) {
        for (expression, text) in reading {
            self.shown.push(Shown { expression, text: (*text).to_owned(), raw: None, place: place.to_owned() });
        }
    }

    /// Reads a tree backwards and keeps what it shows.
    pub(crate) fn read_tree(&mut self, tree: &'a Tree, raw: &str, place: &str) {
        match tree {
            Tree::Constant(_) | Tree::When(_) | Tree::Each(_) | Tree::Let(_) => {}
            Tree::Value(expression) => {
                let text = json::unquote(raw).unwrap_or(raw.into()).into_owned();
                self.shown.push(Shown { expression, text, raw: Some(raw.to_owned()), place: place.to_owned() });
            }
            Tree::Text(template) => self.read_template(template, &json::unquote(raw).unwrap_or_default(), place),
            Tree::Object(members) => {
                for (name, optional, tree) in tree.fields() {
                    match json::member(raw, name) {
                        Some(raw) => self.read_tree(tree, raw, place),
                        None => self.lacks_data |= optional && tree.is_of_data(),
                    }
                }
                self.read_merged(members, raw, place);
            }
            Tree::List(items) => {
                let fixed = items.iter().take_while(|item| !matches!(item, Tree::When(_) | Tree::Each(_) | Tree::Let(_)));
                for (tree, raw) in fixed.zip(json::elements(raw)) {
                    self.read_tree(tree, raw, place);
                }
            }
        }
    }

    /// What the contract does not write itself came from the object that it merges in.
    fn read_merged(&mut self, members: &'a [Member], raw: &str, place: &str) {
        let mut merged = members.iter().filter_map(|member| match member {
            Member::Merge(expression) => Some(expression),
            Member::Field { .. } => None,
        });
        let (Some(expression), None) = (merged.next(), merged.next()) else { return };
        let own = |name: &str| members.iter().any(|member| matches!(member, Member::Field { name: known, .. } if known == name));
        let rest = json::members(raw).filter(|(name, _)| !own(name));
        let raw = data::object(rest.map(|(name, value)| (name.into_owned(), value.to_owned())));
        self.shown.push(Shown { expression, text: raw.clone(), raw: Some(raw), place: place.to_owned() });
    }

    fn read_pairs(&mut self, pairs: &'a [(String, bool, Template)], text: &str) {
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if let Some((name, _, template)) = pairs.iter().find(|(known, _, _)| *known == name) {
                self.read_template(template, &value, name);
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// When the attempt was made, wherever the request shows it.
    fn attempt_at(&self) -> Option<Timestamp> {
        self.shown.iter().find_map(|shown| attempt_time(shown.expression, &shown.text))
    }

    /// What the request shows for a plain variable.
    fn plain(&self, variable: &Variable) -> Piece<'_> {
        let found = self.shown.iter().find(|shown| matches!(shown.expression.direct(), Some((shown, [])) if shown == variable));
        found.map_or(Piece::Absent, Shown::value)
    }

    /// The event's data, as far as the request shows fields of it in places of their own.
    fn event_data(&self) -> Piece<'_> {
        let fields = self.shown.iter().filter_map(|shown| {
            let path = shown.expression.path().filter(|path| path.variable == Variable::Builtin(Builtin::EventData))?;
            Some((path.inside.as_slice(), shown.raw.clone().unwrap_or_else(|| data::quoted(&shown.text))))
        });
        let nothing = || if self.lacks_data { Piece::Json("{}".into()) } else { Piece::Absent };
        data::assembled(&fields.collect::<Vec<_>>()).map_or_else(nothing, |raw| Piece::Json(raw.into()))
    }
}

impl Values for Captured<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Builtin(builtin) => self.builtin(*builtin, variable),
            Variable::Header(name) => self.header(name).map_or(Piece::Absent, Piece::text),
            Variable::Signature(name) => {
                let signature = self.contract.signatures.iter().find(|signature| signature.name == *name);
                let value =
                    signature.and_then(|signature| signature.one(self, Signer { secret: self.secret, version: None }).ok());
                value.map_or(Piece::Absent, |value| Piece::Text(value.into()))
            }
            Variable::Local(_) => self.plain(variable),
        }
    }

    fn shown(&self, expression: &str) -> Option<Piece<'_>> {
        let found = self.shown.iter().find(|shown| shown.expression.text == expression)?;
        (!proves(found.expression) && !follows(found.expression)).then(|| found.value())
    }

    fn key(&self, builtin: Builtin, key: &str) -> Piece<'_> {
        self.contract.key_value(builtin, key)
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

impl Captured<'_> {
    fn builtin(&self, builtin: Builtin, variable: &Variable) -> Piece<'_> {
        let part = |part: UrlPart| url_part(&self.url, part).map_or(Piece::Absent, |text| Piece::Text(text.into()));
        match builtin {
            Builtin::Body => Piece::Bytes(self.request.body.into()),
            Builtin::Secret => Piece::text(self.secret),
            Builtin::RequestMethod => Piece::text(self.request.method),
            Builtin::RequestUrl | Builtin::EndpointUrl => Piece::text(&self.url),
            Builtin::RequestHost => part(UrlPart::Host),
            Builtin::RequestPath => part(UrlPart::Path),
            Builtin::RequestQuery => part(UrlPart::Query),
            Builtin::PublishedUrl => {
                self.contract.published().and_then(|published| published.url()).map_or(Piece::Absent, Piece::text)
            }
            Builtin::EventData => self.event_data(),
            Builtin::AttemptAt => self.attempt_at().map_or(Piece::Absent, Piece::Time),
            Builtin::EventOccurredAt => match self.plain(variable) {
                Piece::Absent => self.occurred_at().map_or(Piece::Absent, Piece::Time),
                other => other,
            },
            Builtin::KeyVersion => self.version.map_or_else(|| self.plain(variable), |version| Piece::number(&version)),
            _ if variable.is_of_key() => match self.plain(variable) {
                Piece::Absent => self.key(builtin, self.secret),
                shown => shown,
            },
            _ => self.plain(variable),
        }
    }

    /// When the event happened, if some expression prints that in a form that can be read back.
    fn occurred_at(&self) -> Option<Timestamp> {
        self.shown.iter().find_map(|shown| {
            let (Variable::Builtin(Builtin::EventOccurredAt), [filter]) = shown.expression.direct()? else { return None };
            match filter.name {
                FilterName::Rfc3339 => Timestamp::parse_rfc3339(&shown.text).ok(),
                FilterName::Unix => shown.text.parse().ok().map(Timestamp::from_secs),
                _ => None,
            }
        })
    }
}
