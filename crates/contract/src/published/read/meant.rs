//! Verbs by other names: what documents call what routes do.

use crate::published::verb::Verb;

/// What is done, in the words of others, and in those of verbs.
const DONE: &[(&[&str], &str)] = &[
    (&["create", "add", "new", "make", "post", "subscribe"], "register"),
    (&["get", "show", "fetch", "find", "view"], "read"),
    (&["edit", "change", "modify", "patch", "set"], "update"),
    (&["remove", "destroy", "cancel", "unregister", "unsubscribe"], "delete"),
    (&["upsert", "replace"], "put"),
    (&["reset", "renew", "regenerate", "roll"], "rotate"),
    (&["resend", "redeliver", "repeat", "replay"], "retry"),
    (&["ping", "try", "send_test", "test_send"], "test"),
    (&["activate", "verify", "validate"], "confirm"),
];

/// To what, in the words of others, and in those of verbs.
const TO: &[(&[&str], &str)] = &[
    (&["webhook", "hook", "subscription", "callback", "url", "receiver"], "endpoint"),
    (&["webhooks", "hooks", "subscriptions", "callbacks", "urls", "receivers"], "endpoints"),
    (&["message", "attempt", "request"], "delivery"),
    (&["messages", "attempts", "requests"], "deliveries"),
    (&["object", "document"], "resource"),
    (&["objects", "documents"], "resources"),
];

/// The verb that is meant by another name. `None`: none is, or the name is not of this kind.
pub(crate) fn meant(name: &str) -> Option<Verb> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let (done, to) = DONE
        .iter()
        .flat_map(|(others, own)| others.iter().chain(std::iter::once(own)).map(move |word| (*word, *own)))
        .filter_map(|(word, own)| Some((own, name.strip_prefix(word)?)))
        .find(|(_, rest)| rest.is_empty() || rest.starts_with('_'))
        .or_else(|| Some(("list", name.strip_prefix("list")?)))?;
    let to = to.trim_start_matches('_');
    let to = TO.iter().find(|(others, _)| others.contains(&to)).map_or(to, |(_, own)| *own);
    match (done, to) {
        ("retry", "" | "event") => Some(Verb::RetryDelivery),
        ("test", "" | "event") => Some(Verb::TestEndpoint),
        ("register" | "update", "secret") => Some(Verb::RotateSecret),
        (done, "") => Verb::parse(&format!("{done}_endpoint")),
        // The verb of several is another one.
        ("read", several) => Verb::parse(&format!("read_{several}")).or_else(|| Verb::parse(&format!("list_{several}"))),
        (done, to) => Verb::parse(&format!("{done}_{to}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_by_other_names_are_known() {
        for (name, verb) in [
            ("create_endpoint", "register_endpoint"),
            ("add-webhook", "register_endpoint"),
            ("subscribe", "register_endpoint"),
            ("get_endpoint", "read_endpoint"),
            ("get_endpoints", "list_endpoints"),
            ("list_webhooks", "list_endpoints"),
            ("change_subscription", "update_endpoint"),
            ("unsubscribe", "delete_endpoint"),
            ("upsert_hook", "put_endpoint"),
            ("create_secret", "rotate_secret"),
            ("ping", "test_endpoint"),
            ("send_test_event", "test_endpoint"),
            ("test_webhook", "test_endpoint"),
            ("resend", "retry_delivery"),
            ("redeliver_event", "retry_delivery"),
            ("retry_message", "retry_delivery"),
            ("get_deliveries", "list_deliveries"),
        ] {
            assert_eq!(meant(name).map(Verb::as_str), Some(verb), "{name}");
        }
        for name in ["", "create_event", "creature", "list", "walk_endpoint", "rotate"] {
            assert_eq!(meant(name), None, "{name}");
        }
    }
}
