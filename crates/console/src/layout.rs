//! What surrounds every page: the heading, the ways to other pages, and who is signed in.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use bellwire_app::{AccountAccess, Identity, Operation};
use bellwire_contract::ConsoleWords;
use bellwire_domain::Role;

use crate::query::Query;
use crate::texts::said;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// A way to another page.
pub(crate) struct Way {
    pub(crate) label: String,
    pub(crate) href: String,
    /// The key after `g` that goes there.
    pub(crate) key: &'static str,
    pub(crate) is_current: bool,
}

/// What surrounds a page.
pub(crate) struct Layout {
    pub(crate) title: String,
    /// The name at the top: Bellwire's, or the platform's for its pages.
    pub(crate) brand: String,
    pub(crate) home: String,
    pub(crate) ways: Vec<Way>,
    /// Who is signed in, in a word or two.
    pub(crate) who: String,
    pub(crate) read_only: bool,
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) icon: String,
    pub(crate) accent: Option<String>,
    /// What has just been done.
    pub(crate) said: Option<&'static str>,
    /// The call of the API that answers the same.
    pub(crate) call: Option<String>,
}

/// Where in the pages something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Overview,
    Accounts,
    Webhooks,
    Events,
    Deliveries,
    Incidents,
    Replays,
    Contracts,
    Keys,
    Audit,
    Disclosures,
    System,
}

impl Layout {
    /// What surrounds one of the operator's pages.
    pub(crate) fn of_operator(console: &Console, visitor: &Visitor, area: Area, title: &str, query: &Query) -> Self {
        let way = |label: &str, href: &str, key, own| Way {
            label: label.to_owned(),
            href: href.to_owned(),
            key,
            is_current: own == area,
        };
        let mut ways = vec![
            way("Overview", "/console", "o", Area::Overview),
            way("Accounts", "/console/accounts", "a", Area::Accounts),
            way("Deliveries", "/console/deliveries", "d", Area::Deliveries),
            way("Incidents", "/console/incidents", "i", Area::Incidents),
            way("Replays", "/console/replays", "r", Area::Replays),
            way("Contracts", "/console/contracts", "c", Area::Contracts),
            way("Audit", "/console/audit", "u", Area::Audit),
            way("Disclosures", "/console/disclosures", "l", Area::Disclosures),
            way("System", "/console/system", "s", Area::System),
        ];
        if visitor.actor.role == Role::Admin {
            let keys = way("Keys", "/console/keys", "k", Area::Keys);
            ways.insert(ways.len() - 3, keys);
        }
        Self::new(console, visitor, title, query, ("Bellwire".to_owned(), "/console".to_owned(), ways))
    }

    /// What surrounds a page of one account: for its own people the portal, for the operator the console.
    pub(crate) fn of_account(
        console: &Console,
        visitor: &Visitor,
        access: &AccountAccess,
        area: Area,
        title: &str,
        query: &Query,
    ) -> Self {
        let words = words(access);
        if visitor.sees_all() {
            let area = if matches!(area, Area::Deliveries | Area::Incidents | Area::Replays) { area } else { Area::Accounts };
            return Self { accent: accent(&words), ..Self::of_operator(console, visitor, area, title, query) };
        }
        let home = format!("/console/accounts/{}", access.account().id);
        let way = |label: &str, rest: &str, key, own| Way {
            label: label.to_owned(),
            href: format!("{home}{rest}"),
            key,
            is_current: own == area,
        };
        let mut ways = vec![way(&words.section, "", "o", Area::Webhooks), way("Events", "/events", "e", Area::Events)];
        let whole = |label: &str, href: &str, key, own| Way { href: href.to_owned(), ..way(label, "", key, own) };
        ways.push(whole("Deliveries", "/console/deliveries", "d", Area::Deliveries));
        ways.push(whole("Incidents", "/console/incidents", "i", Area::Incidents));
        ways.push(whole("Replays", "/console/replays", "r", Area::Replays));
        ways.push(Way {
            label: "Reference".to_owned(),
            href: format!("/console/contracts/{}", access.account().contract),
            key: "c",
            is_current: area == Area::Contracts,
        });
        let brand = words.title.clone().or_else(|| access.contract().ok().map(|contract| contract.title().to_owned()));
        let brand = brand.unwrap_or_else(|| "Webhooks".to_owned());
        Self { accent: accent(&words), ..Self::new(console, visitor, title, query, (brand, home, ways)) }
    }

    /// What surrounds a page that is of no account in particular: its own people see it as one of their account's.
    pub(crate) async fn of_visitor(
        console: &Console,
        visitor: &Visitor,
        area: Area,
        title: &str,
        query: &Query,
    ) -> Result<Self, Refusal> {
        let Some(account) = &visitor.actor.account else {
            return Ok(Self::of_operator(console, visitor, area, title, query));
        };
        let access = console.app().open_account(&visitor.actor, Operation::AccountRead, account.as_str()).await?;
        Ok(Self::of_account(console, visitor, &access, area, title, query))
    }

    fn new(
        console: &Console,
        visitor: &Visitor,
        title: &str,
        query: &Query,
        (brand, home, ways): (String, String, Vec<Way>),
    ) -> Self {
        let who = match &visitor.actor.identity {
            Identity::Key(id) => format!("{} {id}", visitor.actor.role),
            Identity::Client(id) => id.to_string(),
            Identity::Portal(account) => account.to_string(),
            Identity::Person(name) => name.to_string(),
        };
        Self {
            title: title.to_owned(),
            brand,
            home,
            ways,
            who,
            read_only: visitor.actor.read_only,
            style: console.assets.style.path.clone(),
            script: console.assets.script.path.clone(),
            icon: console.assets.icon.path.clone(),
            accent: None,
            said: query.get("said").and_then(said),
            call: None,
        }
    }

    /// The same, offering the call of the API that answers what the page shows.
    pub(crate) fn with_call(self, path: &str) -> Self {
        Self { call: Some(path.to_owned()), ..self }
    }
}

/// How the platform of an account speaks of these pages.
pub(crate) fn words(access: &AccountAccess) -> ConsoleWords {
    access.contract().map(|contract| contract.console().clone()).unwrap_or_default()
}

fn accent(words: &ConsoleWords) -> Option<String> {
    let digits = words.accent.as_deref()?.strip_prefix('#')?;
    Some(format!("/console/accent/{digits}.css"))
}

/// A rendered page.
pub(crate) fn html(page: &impl Template) -> Result<Response, Refusal> {
    Ok(Html(page.render()?).into_response())
}
