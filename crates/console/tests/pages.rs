//! Who may see and do what on the pages: every route of the router, for each kind of visitor.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod site;
mod standing;

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_app::{KeyInput, Operation, PortalInput};
use bellwire_domain::{AttemptOutcome, Clock, Decision, HealthPolicy, Phases};
use bellwire_store::Outcome;
use url::form_urlencoded;

use crate::site::{ADMIN, Answer, NOWHERE, Site, cookie};

/// Method and route: admin, consumer on its own account, on another's, read-only portal, auditor, nobody.
/// `+` served, `>` sent on, after a change or to where it belongs, `-` 403, `0` 404, `?` allowed and the empty form is wrong,
/// `!` to sign in.
const MATRIX: &[(&str, &str)] = &[
    ("GET /console", "+>>>+!"),
    ("GET /console/find", ">>>>>!"),
    ("GET /console/accounts", "+---+!"),
    ("POST /console/accounts", "?----!"),
    ("GET /console/accounts/new", "+----!"),
    ("GET /console/accounts/{account}", "++0++!"),
    ("POST /console/accounts/{account}/webhooks", "??0--!"),
    ("GET /console/accounts/{account}/webhooks/new", "++0--!"),
    ("GET /console/accounts/{account}/webhooks/{endpoint}", "++0++!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}", "??0--!"),
    ("GET /console/accounts/{account}/webhooks/{endpoint}/edit", "++0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/active", ">>0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/test", ">>0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/rotate", "??0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/resume", ">>0--!"),
    ("GET /console/accounts/{account}/webhooks/{endpoint}/replay", "++0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/replay", ">>0--!"),
    ("POST /console/accounts/{account}/webhooks/{endpoint}/delete", ">>0--!"),
    ("GET /console/accounts/{account}/events", "++0++!"),
    ("GET /console/accounts/{account}/events/{event}", "++0++!"),
    ("POST /console/accounts/{account}/events/{event}", "++0+-!"),
    ("GET /console/deliveries", "+++++!"),
    ("GET /console/deliveries/{delivery}", "++0++!"),
    ("POST /console/deliveries/{delivery}/payload", "++0+-!"),
    ("POST /console/deliveries/{delivery}/retry", ">>0--!"),
    ("GET /console/incidents", "+++++!"),
    ("POST /console/incidents/{incident}/acknowledge", ">>0--!"),
    ("POST /console/incidents/{incident}/resolve", ">>0--!"),
    ("GET /console/replays", "+++++!"),
    ("POST /console/bulk-retries", "???--!"),
    ("GET /console/bulk-retries/new", "+++--!"),
    ("GET /console/bulk-retries/{bulk_retry}", "++0++!"),
    ("POST /console/bulk-retries/{bulk_retry}/cancel", ">>0--!"),
    ("GET /console/contracts", "+++++!"),
    ("GET /console/contracts/{contract}", "++0++!"),
    ("GET /console/keys", "+----!"),
    ("POST /console/keys", "?----!"),
    ("POST /console/keys/{key}/revoke", "0----!"),
    ("GET /console/audit", "+---+!"),
    ("GET /console/audit/checkpoint", "+---+!"),
    ("GET /console/disclosures", "+---+!"),
    ("POST /console/disclosures/hold", "?----!"),
    ("POST /console/disclosures/release", "?----!"),
    ("POST /console/disclosures/erase", "?----!"),
    ("GET /console/system", "+---+!"),
];

/// Routes that need nobody to be signed in, or are nothing.
const OPEN: &[&str] = &[
    "GET /console/sign-in",
    "GET /console/sign-in/sso",
    "GET /console/sign-in/callback",
    "POST /console/sign-in",
    "POST /console/sign-out",
    "GET /console/portal/{token}",
    "POST /console/portal/{token}",
    "GET /console/{*rest}",
];

/// Every route, as the router's source declares it.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../src/pages.rs");
    let mut routes = BTreeSet::new();
    for line in source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, handlers) = line.split_once("\", ").unwrap();
        for (word, method) in [("get(", "GET"), ("post(", "POST")] {
            if handlers.starts_with(word) || handlers.contains(&format!(".{word}")) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    routes
}

fn sign(answer: &Answer) -> char {
    let place = answer.headers.get("location").map(|place| place.to_str().unwrap()).unwrap_or_default();
    match answer.status {
        200 => '+',
        303 if place.starts_with("/console/sign-in") => '!',
        303 => '>',
        403 => '-',
        404 => '0',
        409 | 422 => '?',
        other => panic!("{other}: {}", answer.text),
    }
}

/// The cookie of the visitor in this column.
async fn visit(site: &Site, column: usize) -> Option<String> {
    let admin = site.app.authenticate(Some(ADMIN), NOWHERE).await.unwrap();
    let scope = site.app.permit(&admin, Operation::KeyManage).unwrap();
    let key = async |role: &str, account| {
        let input = KeyInput { role, account, ..KeyInput::default() };
        site.app.create_key(&scope, input).await.unwrap().text.expose().clone()
    };
    match column {
        0 => Some(site.sign_in(ADMIN).await),
        1 | 2 => Some(site.sign_in(&key("consumer", Some("own")).await).await),
        3 => {
            let access = site.app.open_account(&admin, Operation::AccountManage, "own").await.unwrap();
            let input = PortalInput { read_only: true, ..PortalInput::default() };
            let (token, _) = site.app.create_portal_link(&access, input).await.unwrap();
            Some(cookie(&site.send("POST", &format!("/console/portal/{}", token.expose()), &[], "").await))
        }
        4 => Some(site.sign_in(&key("auditor", None).await).await),
        _ => None,
    }
}

#[tokio::test]
async fn who_may_see_and_do_what() {
    let listed: BTreeSet<String> = MATRIX.iter().map(|(route, _)| (*route).to_owned()).collect();
    let open: BTreeSet<String> = OPEN.iter().map(|route| (*route).to_owned()).collect();
    assert_eq!(&listed | &open, routes(), "every route has its row");
    let mut found = vec![String::new(); MATRIX.len()];
    for column in 0..6 {
        let site = Site::start().await;
        site.account("own", "develop-health").await;
        site.account("other", "noyo").await;
        let cookie = visit(&site, column).await;
        let headers: Vec<(&str, &str)> = cookie.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
        for ((route, _), signs) in MATRIX.iter().zip(&mut found) {
            let (method, path) = route.split_once(' ').unwrap();
            // What one row changes or deletes, the next does not miss.
            let things = site.refused_things(if column == 2 { "other" } else { "own" }).await;
            let path = things.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
            signs.push(sign(&site.send(method, &path, &headers, "").await));
        }
    }
    let rows = MATRIX.iter().zip(found).filter(|((_, expected), found)| expected != found);
    let wrong: Vec<String> = rows.map(|((route, expected), found)| format!("{route}: {found}, not {expected}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_post_from_another_site_is_taken_and_every_answer_has_its_policy() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    let things = site.refused_things("own").await;
    let cookie = site.sign_in(ADMIN).await;
    for route in routes() {
        let (method, path) = route.split_once(' ').unwrap();
        let path = things.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let path = path.replace("{token}", "bwp_1").replace("{*rest}", "nothing");
        let answer = site.send(method, &path, &[("cookie", &cookie), ("sec-fetch-site", "cross-site")], "").await;
        assert!(method == "GET" || answer.status == 403, "{route}: {}", answer.status);
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{route}: {policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!((header("cache-control"), header("x-content-type-options")), ("no-store", "nosniff"), "{route}");
        let inline = [" style=", "<style", " onclick=", " onload=", "javascript:"];
        assert!(!inline.iter().any(|text| answer.text.contains(text)), "{route}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_token_in_a_url_is_shown_to_who_may_change_the_endpoint() {
    for (column, is_shown) in [(0, true), (1, true), (3, false), (4, false)] {
        let site = Site::start().await;
        site.account("own", "develop-health").await;
        let cookie = visit(&site, column).await.unwrap();
        let things = site.refused_things("own").await;
        for path in ["accounts/{account}", "accounts/{account}/webhooks/{endpoint}", "deliveries/{delivery}"] {
            let path = things.iter().fold(format!("/console/{path}"), |path, (name, value)| path.replace(name, value));
            let page = site.send("GET", &path, &[("cookie", &cookie)], "").await.text;
            assert_eq!(page.contains("token=planted"), is_shown, "{column} {path}: {page}");
            assert_eq!(page.contains("token=…"), !is_shown, "{column} {path}: {page}");
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_when_it_is_signed_out() {
    let site = Site::start().await;
    let admin = site.app.authenticate(Some(ADMIN), NOWHERE).await.unwrap();
    let scope = site.app.permit(&admin, Operation::KeyManage).unwrap();
    let made = site.app.create_key(&scope, KeyInput { role: "admin", ..KeyInput::default() }).await.unwrap();
    let cookie = site.sign_in(made.text.expose()).await;
    let look = async |cookie: &str| site.send("GET", "/console/accounts", &[("cookie", cookie)], "").await.status;
    assert_eq!(look(&cookie).await, 200);
    site.app.delete_key(&scope, made.key.id.as_str()).await.unwrap();
    assert_eq!(look(&cookie).await, 303);

    let cookie = site.sign_in(ADMIN).await;
    assert_eq!(look(&cookie).await, 200);
    site.send("POST", "/console/sign-out", &[("cookie", &cookie)], "").await;
    assert_eq!(look(&cookie).await, 303);
}

#[tokio::test]
async fn a_contract_shows_its_verification_code_in_the_language_that_the_address_names() {
    let site = Site::start().await;
    let cookie = site.sign_in(ADMIN).await;
    let headers = [("cookie", cookie.as_str())];
    for (query, title, line) in [
        ("", "Python", "def verify(secret, headers, body, now=None):"),
        ("?language=go", "Go", "func Verify(secret string, headers http.Header, body []byte, now time.Time) error {"),
        ("?language=cobol", "Python", "def verify(secret, headers, body, now=None):"),
    ] {
        let text = site.send("GET", &format!("/console/contracts/noyo{query}"), &headers, "").await.text;
        assert!(text.contains(line), "{query}: {text}");
        assert_eq!(text.matches(&format!("aria-current=\"true\">{title}</a>")).count(), 1, "{query}");
        let href = "/console/contracts/noyo?language=php#verification";
        assert!(text.contains(href), "{query}: every language is a link");
    }
}
/// Fails the only delivery there is, after an attempt whose time went so.
async fn fail(site: &Site, phases: Phases) {
    let delivery = site.queue.next_claimed().await.unwrap().remove(0);
    site.clock.advance(Duration::from_millis(640));
    let outcome = Outcome {
        delivery,
        started_at: site.clock.now(),
        duration: Duration::from_millis(2_230),
        phases,
        outcome: AttemptOutcome::Response { status: 503, retry_after: None, headers: Vec::new(), body: b"later".to_vec() },
        decision: Decision::Failed { endpoint_gone: false },
        health: HealthPolicy::default(),
        told: None,
        relays_answer: false,
        order: bellwire_domain::OrderStep::default(),
    };
    site.queue.record_outcomes([outcome].into()).await.unwrap();
}

#[tokio::test]
async fn a_delivery_s_page_draws_where_the_time_went_and_says_it_in_words() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    let things = site.things("own").await;
    let took = |millis| Some(Duration::from_millis(millis));
    fail(&site, Phases { dns: took(4), connect: took(9), tls: took(87), answer: took(2_130) }).await;
    let cookie = site.sign_in(ADMIN).await;
    let id = &things.iter().find(|(name, _)| *name == "{delivery}").unwrap().1;
    let page = site.send("GET", &format!("/console/deliveries/{id}"), &[("cookie", &cookie)], "").await;
    for words in
        ["waiting here 640 ms", "name look-up 4 ms", "connecting 9 ms", "TLS 87 ms", "<strong>their answer 2.1 s</strong>"]
    {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(page.text.contains("their answer took 2.1 s"), "the longest is named");
    for phase in ["wait", "dns", "connect", "tls", "answer"] {
        assert!(page.text.contains(&format!("<rect class=\"phase-{phase}\"")), "{phase} is drawn");
    }
}

#[tokio::test]
async fn deliveries_are_filtered_by_every_field_of_the_form_and_a_filter_can_be_taken_away() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    let things = site.things("own").await;
    let of = |name: &str| things.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    let (id, endpoint, event) = (of("{delivery}"), of("{endpoint}"), of("{event}"));
    fail(&site, Phases::default()).await;
    let cookie = site.sign_in(ADMIN).await;
    let get = async |query: &str| site.send("GET", &format!("/console/deliveries?{query}"), &[("cookie", &cookie)], "").await;
    let all = get("").await;
    for label in ["Account", "Endpoint", "Type", "State", "Outcome", "Status", "Attempts", "Since", "Until", "Event", "Subject"] {
        assert!(all.text.contains(&format!(">{label}</label>")), "{label}");
    }
    let good = format!(
        "account=own&endpoint={endpoint}&event={event}&state=failed&outcome=response&status=503&attempts_min=1&since=1h&subject="
    );
    for (query, is_found) in
        [(good.as_str(), true), ("state=delivered", false), ("status=500", false), ("attempts_min=2", false), ("until=1h", false)]
    {
        assert_eq!(get(query).await.text.contains(&id), is_found, "{query}");
    }
    let page = get("state=failed&since=1h").await;
    assert!(
        page.text.contains(r#"href="/console/deliveries?since=1h"><span class="hidden">Remove filter State<"#),
        "{}",
        page.text
    );
    assert!(page.text.contains("/v1/deliveries?state=failed&#38;since=2025-01-15T09%3A30%3A00.640000Z"), "{}", page.text);
    let wrong = get("outcome=lost&state=failed").await;
    assert!(wrong.status == 422 && wrong.text.contains("This is not one of response, timeout_dns"), "{}", wrong.text);
    assert!(get(&format!("event={event}")).await.text.contains("This goes with `account`"));
    assert!(get("since=yesterday").await.text.contains("This is neither a span such as"));
}

#[tokio::test]
async fn an_id_or_a_url_leads_to_its_page_and_to_nobody_elses() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    site.account("other", "develop-health").await;
    let things = site.refused_things("own").await;
    let of = |name: &str| things.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    let (delivery, event, endpoint, retry) = (of("{delivery}"), of("{event}"), of("{endpoint}"), of("{bulk_retry}"));
    let expected = [
        (delivery.clone(), format!("/console/deliveries/{delivery}")),
        (event.clone(), format!("/console/accounts/own/events/{event}")),
        (endpoint.clone(), format!("/console/accounts/own/webhooks/{endpoint}")),
        ("https://clinic.example/hook?token=another".to_owned(), format!("/console/accounts/own/webhooks/{endpoint}")),
        (retry.clone(), format!("/console/bulk-retries/{retry}")),
        ("own".to_owned(), "/console/accounts/own".to_owned()),
    ];
    let (admin, other) = (site.sign_in(ADMIN).await, visit_as(&site, "other").await);
    for (wanted, place) in expected {
        let path =
            format!("/console/find?{}", form_urlencoded::Serializer::new(String::new()).append_pair("q", &wanted).finish());
        let found = site.send("GET", &path, &[("cookie", &admin)], "").await;
        assert_eq!(found.headers.get("location").map(|place| place.to_str().unwrap()), Some(place.as_str()), "{wanted}");
        assert_eq!(site.send("GET", &path, &[("cookie", &other)], "").await.status, 404, "{wanted}");
    }
    assert_eq!(site.send("GET", "/console/find?q=nothing", &[("cookie", &admin)], "").await.status, 404);
}

/// The cookie of a consumer of this account.
async fn visit_as(site: &Site, account: &str) -> String {
    let admin = site.app.authenticate(Some(ADMIN), NOWHERE).await.unwrap();
    let scope = site.app.permit(&admin, Operation::KeyManage).unwrap();
    let input = KeyInput { role: "consumer", account: Some(account), ..KeyInput::default() };
    let key = site.app.create_key(&scope, input).await.unwrap().text.expose().clone();
    site.sign_in(&key).await
}

#[tokio::test]
async fn the_log_is_shown_from_its_end_and_older_pages_lead_to_its_beginning() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    for _ in 0..60 {
        site.things("own").await;
    }
    let cookie = site.sign_in(ADMIN).await;
    let first = site.send("GET", "/console/accounts/own/events", &[("cookie", &cookie)], "").await.text;
    let number = |page: &str, seq: u32| page.contains(&format!("<tr><td class=\"number\">{seq}</td>"));
    assert!(number(&first, 60) && number(&first, 11) && !number(&first, 10), "{first}");
    let older = "/console/accounts/own/events?before=11";
    assert!(first.contains(&format!("href=\"{older}\"")), "{first}");
    let second = site.send("GET", older, &[("cookie", &cookie)], "").await.text;
    assert!(number(&second, 10) && number(&second, 1) && !number(&second, 11), "{second}");
    assert!(!second.contains("before="), "there are none before them");
}
