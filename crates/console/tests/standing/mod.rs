//! What the pages say of how accounts, endpoints and the system stand.

use std::time::Duration;

use crate::site::{ADMIN, Site};

/// The page at this address, as the operator sees it.
async fn page(site: &Site, path: &str) -> String {
    let cookie = site.sign_in(ADMIN).await;
    let answer = site.send("GET", path, &[("cookie", &cookie)], "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

fn of(things: &[(&str, String)], name: &str) -> String {
    things.iter().find(|(known, _)| *known == name).unwrap().1.clone()
}

#[tokio::test]
async fn the_list_of_accounts_says_which_of_them_fail() {
    let site = Site::start().await;
    for account in ["calm", "empty", "failing"] {
        site.account(account, "develop-health").await;
    }
    site.things("calm").await;
    site.refused_things("failing").await;
    let text = page(&site, "/console/accounts").await;
    let badge = |account: &str| {
        let row = text.split("<tr>").find(|row| row.contains(&format!("/console/accounts/{account}\""))).unwrap();
        let badge = row.split("class=\"badge ").nth(1).unwrap();
        badge.split_once('>').unwrap().1.split_once('<').unwrap().0.to_owned()
    };
    assert_eq!(["calm", "empty", "failing"].map(badge), ["active", "no endpoint", "failing"]);
}

#[tokio::test]
async fn an_endpoint_s_page_says_why_it_fails_and_its_account_s_how_much_waits() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    let things = site.refused_things("own").await;
    let text = page(&site, &format!("/console/accounts/own/webhooks/{}", of(&things, "{endpoint}"))).await;
    assert!(text.contains("Failing for") && text.contains("on the receiver&#39;s side"), "{text}");
    assert!(
        text.contains(&format!("<a href=\"/console/deliveries/{}\">Latest delivery</a>", of(&things, "{delivery}"))),
        "{text}"
    );
    let account = page(&site, "/console/accounts/own").await;
    assert!(account.contains("<th scope=\"col\" class=\"number\">Waiting</th>"), "{account}");
    assert!(account.contains("<td class=\"number\">1</td>"), "{account}");
}

#[tokio::test]
async fn the_log_is_shown_of_a_time() {
    let site = Site::start().await;
    site.account("own", "develop-health").await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(of(&site.things("own").await, "{event}"));
        site.clock.advance(Duration::from_secs(60 * 60));
    }
    for (query, expected) in [
        ("", vec![2, 1, 0]),
        ("since=150m", vec![2, 1]),
        ("until=150m", vec![0]),
        ("since=150m&until=90m", vec![1]),
        ("since=150m&type=benefit_verification.status_change", vec![2, 1]),
        ("until=90m&type=benefit_verification.status_change", vec![1, 0]),
        ("since=10m", vec![]),
        ("until=10h", vec![]),
    ] {
        let text = page(&site, &format!("/console/accounts/own/events?{query}")).await;
        let mut found: Vec<(usize, usize)> =
            events.iter().enumerate().filter_map(|(index, id)| Some((text.find(&format!("/events/{id}"))?, index))).collect();
        found.sort_unstable();
        assert_eq!(found.into_iter().map(|(_, index)| index).collect::<Vec<_>>(), expected, "{query}");
    }
    assert!(page(&site, "/console/accounts/own/events?since=soon").await.contains("Write a time such as"));
}

#[tokio::test]
async fn the_system_s_page_names_the_store_what_is_kept_and_the_limits() {
    let site = Site::start().await;
    let text = page(&site, "/console/system").await;
    for words in ["SQLite, schema ", " KiB", "This process alone", "Not looked at yet", "for ever", "Endpoints of an account"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
