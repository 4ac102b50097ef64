//! Where the time of a request goes.

use std::sync::Arc;

use bellwire_domain::{Phase, Phases};
use bellwire_egress::{Sender, SenderOptions};
use bellwire_testkit::authority::Authority;
use tokio::io::AsyncWriteExt;

use crate::support::{LONG, Notes, SHORT, Scripted, Silent, answered, failed, local_sender, loopback, measured, post, receiver};
use crate::tls::{Seen, serve, trusting};

/// Those that took place.
fn told(phases: &Phases) -> Vec<Phase> {
    phases.after(None).map(|(phase, _)| phase).collect()
}

const NEW: [Phase; 4] = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::Answer];

#[tokio::test]
async fn a_new_connection_has_all_phases_and_a_kept_one_only_the_answer() {
    let authority = Authority::new("ours");
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let port = serve(authority.issue("client.example"), protocols, &Seen::default());
        let (sender, url) = (trusting(&authority), format!("https://client.example:{port}/in"));
        for expected in [&NEW[..], &[Phase::Answer], &[Phase::Answer]] {
            let sent = measured(&sender, post(&url), LONG).await;
            answered(&sent.outcome, 200);
            assert_eq!(told(&sent.phases), expected, "{protocols:?}");
        }
    }
}

#[tokio::test]
async fn an_address_over_plain_http_has_neither_look_up_nor_tls() {
    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    });
    let sent = measured(&local_sender(), post(&url), LONG).await;
    assert_eq!(told(&sent.phases), [Phase::Connect, Phase::Answer]);
}

#[tokio::test]
async fn addresses_that_are_still_known_are_not_looked_up_again() {
    let options = SenderOptions {
        resolver: Scripted::new(&[&["127.0.0.1"]]),
        dialer: Notes::refusing(),
        addresses: loopback(),
        ..SenderOptions::default()
    };
    let sender = Sender::new(options);
    for expected in [&[Phase::Dns, Phase::Connect][..], &[Phase::Connect]] {
        let sent = measured(&sender, post("http://client.example/"), LONG).await;
        failed(&sent.outcome, "connect");
        assert_eq!(told(&sent.phases), expected);
    }
}

#[tokio::test]
async fn what_fails_has_no_phase_after_the_one_in_which_it_failed() {
    let refusing = SenderOptions { dialer: Notes::refusing(), addresses: loopback(), ..SenderOptions::default() };
    let sent = measured(&Sender::new(refusing), post("http://127.0.0.1/"), LONG).await;
    failed(&sent.outcome, "connect");
    assert_eq!(told(&sent.phases), [Phase::Connect]);

    let unknown = SenderOptions { resolver: Scripted::new(&[]), addresses: loopback(), ..SenderOptions::default() };
    let sent = measured(&Sender::new(unknown), post("http://nobody.example/"), LONG).await;
    failed(&sent.outcome, "dns");
    assert_eq!(told(&sent.phases), [Phase::Dns]);

    let port = serve(Authority::new("theirs").issue("client.example"), &["http/1.1"], &Seen::default());
    let sent = measured(&trusting(&Authority::new("ours")), post(&format!("https://client.example:{port}/")), LONG).await;
    failed(&sent.outcome, "tls");
    assert_eq!(told(&sent.phases), [Phase::Dns, Phase::Connect, Phase::Tls]);

    let sent = measured(&local_sender(), post("http://169.254.169.254/"), LONG).await;
    failed(&sent.outcome, "blocked");
    assert_eq!(told(&sent.phases), [], "nothing went out");
}

#[tokio::test(start_paused = true)]
async fn what_takes_all_the_time_there_is_is_shown_by_how_long_it_took() {
    let silent = SenderOptions { dialer: Arc::new(Silent), addresses: loopback(), ..SenderOptions::default() };
    let sent = measured(&Sender::new(silent), post("http://127.0.0.1/"), SHORT).await;
    failed(&sent.outcome, "timeout_connect");
    assert_eq!(sent.phases, Phases { connect: Some(SHORT), ..Phases::default() });

    let silent = SenderOptions { resolver: Arc::new(Silent), addresses: loopback(), ..SenderOptions::default() };
    let sent = measured(&Sender::new(silent), post("http://slow.example/"), SHORT).await;
    failed(&sent.outcome, "timeout_dns");
    assert_eq!(sent.phases, Phases { dns: Some(SHORT), ..Phases::default() });
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_shown_as_their_answer() {
    let silent = receiver(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let sent = measured(&local_sender(), post(&silent), SHORT).await;
    failed(&sent.outcome, "timeout_headers");
    assert_eq!(told(&sent.phases), [Phase::Connect, Phase::Answer]);
    assert!(sent.phases.after(None).map(|(_, took)| took).sum::<std::time::Duration>() <= SHORT, "no more than there was");
}
