//! The documentation as a running server shows it: every link of every page leads somewhere, and every page is in the book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::{Answer, Api, Home, Server, send};

/// A page as it was answered.
struct Page {
    text: String,
    names: BTreeSet<String>,
    /// What it leads to and loads.
    links: BTreeSet<String>,
}

impl Page {
    fn read(answer: &Answer) -> Self {
        let text = answer.text().to_owned();
        let names = attributes(&text, "id").into_iter().collect();
        let links = ["href", "src", "srcset"].iter().flat_map(|name| attributes(&text, name)).collect();
        Self { text, names, links }
    }
}

/// The values of an attribute, wherever it stands.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    html.split(&begin).skip(1).map(|rest| rest.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#38;", "&")).collect()
}

/// Every page that can be reached from `/docs`; whatever they lead to has been answered.
fn walk(api: &Api) -> BTreeMap<String, Page> {
    let mut pages = BTreeMap::new();
    let mut answered = BTreeSet::new();
    let mut ahead = vec![("/docs".to_owned(), "the beginning".to_owned())];
    while let Some((address, from)) = ahead.pop() {
        if !answered.insert(address.clone()) {
            continue;
        }
        let answer = api.get(&address);
        assert!(matches!(answer.status, 200 | 303), "{address}, from {from}: {}", answer.status);
        let is_page = address == "/docs" || address.starts_with("/docs/");
        if !is_page || !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            continue;
        }
        let page = Page::read(&answer);
        for link in page.links.iter().filter(|link| link.starts_with('/')) {
            ahead.push((link.split('#').next().unwrap().to_owned(), address.clone()));
        }
        pages.insert(address, page);
    }
    pages
}

#[test]
fn every_link_of_the_documentation_leads_to_something_that_is_there() {
    let home = Home::new();
    let server = home.start();
    let pages = walk(&server.api.without_key());
    assert!(pages.len() > 50, "{:?}", pages.keys());
    let mut anchors = 0;
    for (address, page) in &pages {
        for link in &page.links {
            assert!(link.starts_with(['/', '#']) || link.contains("://"), "{address} leads to {link}");
            let Some((to, anchor)) = link.split_once('#').filter(|(to, _)| !to.contains("://")) else { continue };
            let target = if to.is_empty() { page } else { &pages[to] };
            assert!(target.names.contains(anchor), "{address} leads to {link}, and there is no such place");
            anchors += 1;
        }
    }
    assert!(anchors > 200, "only {anchors} links to places were looked at");
}

#[test]
fn a_problem_names_the_place_that_explains_it() {
    let home = Home::new();
    let server = home.start();
    let errors = Page::read(&server.api.get("/docs/errors"));
    for (problem, code) in
        [(server.api.get("/v1/nowhere"), "route_not_found"), (server.api.get("/v1/accounts/nobody"), "not_found")]
    {
        let problem = problem.json();
        assert_eq!(problem["type"], format!("/docs/errors#{code}"), "{problem}");
        assert!(errors.names.contains(code), "{code}");
    }
}

#[test]
fn every_page_of_the_repository_that_is_for_readers_is_in_the_book() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let summary = std::fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap();
    let mut folders = vec![root.join("docs")];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root.join("docs")).unwrap().display().to_string();
                if name != "SUMMARY.md" && !summary.contains(&format!("]({name})")) {
                    missing.push(name);
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/SUMMARY.md does not name {missing:?}");
}

#[test]
fn a_page_is_what_its_markdown_says_and_nothing_else_runs_on_it() {
    let home = Home::new();
    let server = home.start();
    let api = server.api.without_key();
    let answer = api.get("/docs/errors");
    assert_eq!(answer.status, 200);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    let page = Page::read(&answer);
    assert!(page.text.contains("<h1 id=\"errors\">Errors</h1>") && !page.text.contains("<script"));
    // The same again is not sent again.
    let tag = answer.header("etag").unwrap().to_owned();
    let again = with_header(&server, "/docs/errors", "if-none-match", &tag);
    assert_eq!((again.status, again.text()), (304, ""));
    // As the repository names it, and as somebody may type it.
    for path in ["/docs/errors.md", "/docs/errors/"] {
        let moved = api.get(path);
        assert_eq!((moved.status, moved.header("location")), (308, Some("/docs/errors")), "{path}");
    }
    let nowhere = api.get("/docs/nowhere");
    assert!(nowhere.status == 404 && nowhere.text().contains("No such page"));
    assert_eq!(api.call("POST", "/docs/errors", "").status, 405);
}

#[test]
fn words_are_found_and_a_query_is_only_text() {
    let home = Home::new();
    let server = home.start();
    let api = server.api.without_key();
    let found = Page::read(&api.get("/docs/search?q=rotating+the+master+key"));
    assert!(found.links.contains("/docs/operations#rotating-the-master-key"), "{}", found.text);
    assert!(found.text.contains("<mark>"), "{}", found.text);
    let odd = api.get("/docs/search?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%20onfocus%3D%22x");
    assert!(odd.status == 200 && !odd.text().contains("<script") && !odd.text().contains("\" onfocus"), "{}", odd.text());
    let long = api.get(&format!("/docs/search?q={}", "replay%20".repeat(2_000)));
    assert!(long.status == 200 && Page::read(&long).links.len() < 200);
    let nothing = api.get("/docs/search?q=zzzyx");
    assert!(nothing.text().contains("Nothing here has these words"));
    assert_eq!(api.get("/docs/search").status, 200);
}

#[test]
fn the_api_reference_loads_from_this_server_alone() {
    let home = Home::new();
    let server = home.start();
    let answer = server.api.without_key().get("/docs/api");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("connect-src 'self'"), "{policy}");
    assert!(!policy.contains("script-src 'self' 'unsafe") && !policy.contains("unsafe-eval"), "{policy}");
    let page = Page::read(&answer);
    let scripts: Vec<_> = attributes(&page.text, "src");
    assert_eq!(scripts.len(), 2, "{scripts:?}");
    for script in &scripts {
        let packed = with_header(&server, script, "accept-encoding", "br, gzip;q=0.8");
        let plain = with_header(&server, script, "accept-encoding", "gzip;q=0");
        assert_eq!((packed.status, plain.status), (200, 200), "{script}");
        assert!(plain.header("content-encoding").is_none() && plain.header("cache-control").unwrap().contains("immutable"));
        assert!(plain.body.len() >= packed.body.len() && !plain.text().is_empty(), "{script}");
    }
}

fn with_header(server: &Server, path: &str, name: &str, value: &str) -> Answer {
    send(server.api.address, "GET", path, &[(name.to_owned(), value.to_owned())], b"").unwrap()
}
