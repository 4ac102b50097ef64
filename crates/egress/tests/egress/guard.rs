//! What must not be reached is not reached: by no spelling, no name, no change of mind, no redirect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_domain::{AddressPolicy, AttemptOutcome, EndpointUrl, UrlPolicy};
use bellwire_egress::{Dial, NoRoom, Resolution, Resolve, Sender, SenderOptions};
use tokio::io::AsyncWriteExt;

use crate::support::{
    LONG, Notes, SHORT, Scripted, answered, failed, local_sender, loopback, post, read_request, receiver, send, send_by, send_for,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn well() -> String {
    receiver(|mut stream| async move { stream.write_all(OK).await.unwrap() })
}

fn guarded(addresses: AddressPolicy, resolver: &Arc<Scripted>, dialer: &Arc<Notes>) -> Sender {
    let (resolver, dialer) = (Arc::clone(resolver) as Arc<dyn Resolve>, Arc::clone(dialer) as Arc<dyn Dial>);
    Sender::new(SenderOptions { resolver, dialer, addresses, ..SenderOptions::default() })
}

fn allowing(network: &str) -> AddressPolicy {
    AddressPolicy::new(vec![network.parse().unwrap()])
}

/// Answers for one name, and never for another.
struct Only(&'static str);

impl Resolve for Only {
    fn resolve(&self, host: &str) -> Resolution {
        if host == self.0 { Box::pin(async { Ok(vec!["8.8.8.8".parse().unwrap()]) }) } else { Box::pin(std::future::pending()) }
    }
}

/// A URL that may be registered, as it reaches the sender.
fn registered(host: &str) -> String {
    EndpointUrl::try_new(&format!("http://{host}:8080/"), UrlPolicy::Any)
        .unwrap_or_else(|error| panic!("{host}: {error}"))
        .to_string()
}

#[tokio::test]
async fn an_address_in_disguise_is_refused_and_no_name_is_asked_for() {
    let (resolver, dialer) = (Scripted::new(&[&["8.8.8.8"]]), Notes::refusing());
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0X7F000001",
        "0x7f.1",
        "0177.0.0.1",
        "0177.0.0.0x1",
        "0000177.0.0.1",
        "%31%32%37.0.0.1",
        "127%2e0%2E0%2e1",
        "127。0。0。1",
        "127．0｡0。1",
        "１２７.０.０.１",
        "①②⑦.0.0.1",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::ffff:169.254.169.254]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let outcome = send_by(&sender, post(&registered(host)), LONG).await;
        assert!(failed(&outcome, "blocked").contains("--allow-network"), "{host}: {outcome:?}");
    }
    assert_eq!((resolver.asked.load(Ordering::SeqCst), dialer.dialled()), (0, Vec::new()), "none is taken for a name");
}

#[tokio::test]
async fn a_host_that_is_neither_name_nor_address_is_sent_nowhere() {
    let (resolver, dialer) = (Scripted::new(&[&["8.8.8.8"]]), Notes::refusing());
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    for host in [
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1%lo]",
        "256.0.0.1",
        "1.2.3.4.5",
        "0x7f.0.0.0.1",
        "127.0.0.1%00.a.example",
        "[::1",
        "",
    ] {
        let url = format!("http://{host}:8080/");
        assert!(EndpointUrl::try_new(&url, UrlPolicy::Any).is_err(), "{host} cannot be registered");
        failed(&send_by(&sender, post(&url), LONG).await, "unbuildable");
    }
    assert_eq!((resolver.asked.load(Ordering::SeqCst), dialer.dialled()), (0, Vec::new()));
}

/// What stands before the `@` is a user name, however much it looks like a host.
#[tokio::test]
async fn a_user_name_is_no_host() {
    let (resolver, dialer) = (Scripted::new(&[&["8.8.8.8"]]), Notes::refusing());
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    for authority in ["client.example@127.0.0.1", "client.example:80@127.0.0.1", "client.example%40x@127.0.0.1", "a:b@[::1]"] {
        let url = format!("http://{authority}/");
        assert!(EndpointUrl::try_new(&url, UrlPolicy::Any).is_err(), "{authority} cannot be registered");
        failed(&send_by(&sender, post(&url), LONG).await, "blocked");
    }
    // A backslash is a slash to a browser and to us: the host ends before it.
    failed(&send_by(&sender, post("http://127.0.0.1\\@client.example/"), LONG).await, "blocked");
    assert_eq!(dialer.dialled(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    for address in [
        "169.254.169.254",
        "10.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "fd00:ec2::254",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "::ffff:10.0.0.1",
    ] {
        for host in ["innocent.example", "localhost", "localhost.", "LOCALHOST", "metadata.google.internal"] {
            let (resolver, dialer) = (Scripted::new(&[&[address]]), Notes::refusing());
            let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
            failed(&send_by(&sender, post(&registered(host)), LONG).await, "blocked");
            assert_eq!((resolver.asked.load(Ordering::SeqCst), dialer.dialled()), (1, Vec::new()), "{host} at {address}");
        }
    }
}

#[tokio::test]
async fn the_system_s_own_name_for_this_machine_is_refused() {
    let sender = Sender::new(SenderOptions::default());
    for host in ["localhost", "LocalHost"] {
        failed(&send_by(&sender, post(&registered(host)), LONG).await, "blocked");
    }
}

/// The first answer is public, the second would be loopback: it is not asked for between check and connection.
#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    let url = well();
    let (resolver, dialer) = (Scripted::new(&[&["93.184.215.14"], &["127.0.0.1"]]), Notes::connecting_to(&url));
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    answered(&send_by(&sender, post("http://rebind.example/"), LONG).await, 200);
    assert_eq!((resolver.asked.load(Ordering::SeqCst), dialer.dialled()), (1, vec!["93.184.215.14:80".to_owned()]));
}

/// And once the answer is not kept any more, the next attempt is judged by what the name says then.
#[tokio::test]
async fn a_name_that_turns_inside_between_two_attempts_is_refused_at_the_second() {
    let url = well();
    let (resolver, dialer) = (Scripted::new(&[&["93.184.215.14"], &["127.0.0.1"]]), Notes::connecting_to(&url));
    let sender = Sender::new(SenderOptions {
        resolver: Arc::clone(&resolver) as Arc<dyn Resolve>,
        dialer: Arc::clone(&dialer) as Arc<dyn Dial>,
        names_kept_for: Duration::ZERO,
        ..SenderOptions::default()
    });
    answered(&send_by(&sender, post("http://rebind.example/"), LONG).await, 200);
    failed(&send_by(&sender, post("http://rebind.example/"), LONG).await, "blocked");
    assert_eq!(dialer.dialled(), ["93.184.215.14:80"]);
}

#[tokio::test]
async fn an_answer_that_is_kept_is_checked_at_each_use() {
    let (resolver, dialer) = (Scripted::new(&[&["8.8.8.8", "10.0.0.1"], &["127.0.0.1"]]), Notes::refusing());
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    for _ in 0..3 {
        failed(&send_by(&sender, post("http://kept.example/"), LONG).await, "connect");
    }
    assert_eq!((resolver.asked.load(Ordering::SeqCst), dialer.dialled()), (1, vec!["8.8.8.8:80".to_owned(); 3]));
}

#[tokio::test]
async fn a_name_that_finds_no_room_to_be_looked_up_is_no_attempt() {
    let url = well();
    let dialer = Notes::connecting_to(&url);
    let sender = Sender::new(SenderOptions {
        resolver: Arc::new(Only("well.example")),
        dialer: Arc::clone(&dialer) as Arc<dyn Dial>,
        name_wait_max: SHORT,
        ..SenderOptions::default()
    });
    let mut silent = tokio::task::JoinSet::new();
    for number in 0..300 {
        let sender = sender.clone();
        silent.spawn(async move { send_for("one", &sender, post(&format!("http://{number}.example/")), LONG).await });
    }
    for _ in 0..204 {
        let ended = tokio::time::timeout(LONG, silent.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(ended, Err(NoRoom), "96 wait for their answers, and the rest give up");
    }
    answered(&send_for("other", &sender, post("http://well.example/"), LONG).await.unwrap(), 200);
    assert_eq!(dialer.dialled().len(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_allowed_ones_are_tried_in_their_order() {
    let answer: &[&str] = &["10.0.0.1", "8.8.4.4", "127.0.0.1", "::1", "2606:4700::1111", "::ffff:1.1.1.1", "fd00::1"];
    let (resolver, dialer) = (Scripted::new(&[answer]), Notes::refusing());
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    failed(&send_by(&sender, post("https://mixed.example/"), LONG).await, "connect");
    assert_eq!(dialer.dialled(), ["8.8.4.4:443", "[2606:4700::1111]:443", "1.1.1.1:443"], "v4-mapped is connected to as v4");
}

#[tokio::test]
async fn a_name_with_very_many_addresses_costs_a_few_tries() {
    let addresses: Vec<String> = (1..=200).map(|last| format!("8.8.8.{last}")).collect();
    let answer: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let (resolver, dialer) = (Scripted::new(&[&answer]), Notes::refusing());
    failed(&send_by(&guarded(AddressPolicy::default(), &resolver, &dialer), post("http://many.example/"), LONG).await, "connect");
    assert_eq!(dialer.dialled().len(), 8);
}

#[tokio::test]
async fn an_exception_opens_its_network_and_no_other() {
    let url = well();
    for (network, address, is_open) in [
        ("10.1.0.0/16", "10.1.2.3", true),
        ("10.1.0.0/16", "::ffff:10.1.2.3", true),
        ("10.1.0.0/16", "10.2.0.1", false),
        ("10.1.0.0/16", "64:ff9b::10.1.2.3", false),
        ("10.1.0.0/16", "2002:a01:203::", false),
        ("10.1.0.0/16", "169.254.169.254", false),
        ("fd12:3456::/32", "fd12:3456::7", true),
        ("fd12:3456::/32", "fd12:3457::7", false),
        ("127.0.0.1/32", "127.0.0.2", false),
        ("127.0.0.0/8", "::1", false),
    ] {
        let (resolver, dialer) = (Scripted::new(&[&[address]]), Notes::connecting_to(&url));
        let outcome = send_by(&guarded(allowing(network), &resolver, &dialer), post("http://inside.example/"), LONG).await;
        if is_open {
            answered(&outcome, 200);
            assert_eq!(dialer.dialled().len(), 1);
        } else {
            failed(&outcome, "blocked");
            assert_eq!(dialer.dialled(), Vec::<String>::new(), "{address} with {network}");
        }
    }
}

#[tokio::test]
async fn a_name_without_addresses_and_one_that_does_not_resolve_are_dns_failures() {
    for resolver in [Scripted::new(&[&[]]), Scripted::new(&[])] {
        let sender = guarded(AddressPolicy::default(), &resolver, &Notes::refusing());
        assert!(!failed(&send_by(&sender, post("http://nowhere.example/"), LONG).await, "dns").is_empty());
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let target = receiver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    for status in [301, 302, 303, 307, 308] {
        for location in [target.as_str(), "http://169.254.169.254/latest/meta-data/", "//127.0.0.1/"] {
            let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let url = receiver(move |mut stream| {
                let answer = answer.clone();
                async move { stream.write_all(answer.as_bytes()).await.unwrap() }
            });
            let dialer = Notes::connecting_to(&url);
            let sender = guarded(loopback(), &Scripted::new(&[]), &dialer);
            let outcome = send_by(&sender, post(&url), LONG).await;
            assert_eq!(outcome, AttemptOutcome::answered(status));
            assert_eq!(dialer.dialled().len(), 1, "{location}");
        }
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

/// A pooled connection is to an address that was checked, and stays with the name it was checked for.
#[tokio::test]
async fn a_kept_connection_serves_the_name_it_was_opened_for_only() {
    let url = receiver(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let (resolver, dialer) = (Scripted::new(&[&["8.8.8.8"], &["10.0.0.1"]]), Notes::connecting_to(&url));
    let sender = guarded(AddressPolicy::default(), &resolver, &dialer);
    answered(&send_by(&sender, post("http://one.example/"), LONG).await, 200);
    failed(&send_by(&sender, post("http://other.example/"), LONG).await, "blocked");
}

#[tokio::test]
async fn a_connection_opened_under_an_exception_is_handed_to_nobody_whom_it_does_not_name() {
    let url = receiver(|mut stream| async move {
        loop {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            if !read_request(&mut stream).await {
                break;
            }
        }
    });
    for (networks, accounts) in [
        (&["10.1.0.0/16@account:one"][..], &[("one", Some(1)), ("one", Some(1)), ("two", None), ("one", Some(1))][..]),
        (&["10.1.0.0/16@account:one", "10.1.0.0/16@account:two"], &[("one", Some(1)), ("two", Some(2)), ("one", Some(2))]),
        (&["10.1.0.0/16:80@plain"], &[("one", Some(1)), ("two", Some(1))]),
        (&["10.1.0.0/16:443", "10.1.0.0/16@account:one"], &[("one", Some(1)), ("two", None)]),
        (&["10.1.0.0/16@other"], &[("one", None)]),
        (&["10.1.0.0/16:80", "10.1.0.0/16@account:one"], &[("one", Some(1)), ("two", Some(1))]),
    ] {
        let (resolver, dialer) = (Scripted::new(&[&["10.1.2.3"]]), Notes::connecting_to(&url));
        let policy = AddressPolicy::new(networks.iter().map(|network| network.parse().unwrap()).collect());
        let sender = guarded(policy, &resolver, &dialer);
        for (account, dialled) in accounts {
            let outcome = send_for(account, &sender, post("http://inside.example/"), LONG).await.unwrap();
            match dialled {
                Some(dialled) => {
                    answered(&outcome, 200);
                    assert_eq!(dialer.dialled().len(), *dialled, "{account} with {networks:?}");
                }
                None => drop(failed(&outcome, "blocked")),
            }
        }
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 1, "one answer, judged for each account");
    }
}

#[tokio::test]
async fn where_the_operator_allows_it_this_machine_is_reached() {
    answered(&send(&well(), LONG).await, 200);
    let url = well().replace("127.0.0.1", "localhost");
    answered(&send_by(&local_sender(), post(&url), LONG).await, 200);
}
