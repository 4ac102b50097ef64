//! When the certificates end that receivers have shown: so many of them, those that end first.
//!
//! A receiver whose certificate has ended shows it in vain, as the handshake fails. So the one that it showed before counts until it
//! shows another, or has shown none for a week.

use std::time::Duration;

use bellwire_domain::Timestamp;
use foldhash::HashMap;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;
use x509_cert::der::Decode as _;

/// Receivers whose certificates are known.
const KNOWN_MAX: usize = 4_096;
/// How long one is known that is not shown again.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// By the host and the port that showed it.
#[derive(Default)]
pub(crate) struct Certificates(Mutex<HashMap<(String, u16), Shown>>);

struct Shown {
    ends_at: Timestamp,
    at: Instant,
}

impl Certificates {
    /// Notes what a receiver has shown.
    pub(crate) fn note(&self, host: &str, port: u16, certificate: &CertificateDer<'_>) {
        if let Some(ends_at) = ends_at(certificate) {
            self.note_end(host, port, ends_at);
        }
    }

    fn note_end(&self, host: &str, port: u16, ends_at: Timestamp) {
        let shown = Shown { ends_at, at: Instant::now() };
        let key = (host.to_owned(), port);
        let mut known = self.0.lock();
        if known.len() >= KNOWN_MAX && !known.contains_key(&key) {
            known.retain(|_, shown| shown.at.elapsed() < KNOWN_FOR);
        }
        if known.len() >= KNOWN_MAX && !known.contains_key(&key) {
            let last = known.iter().max_by_key(|(_, shown)| shown.ends_at);
            let Some(last) = last.filter(|(_, shown)| shown.ends_at > ends_at).map(|(key, _)| key.clone()) else { return };
            known.remove(&last);
        }
        known.insert(key, shown);
    }

    /// When each ends.
    pub(crate) fn ends(&self) -> Vec<Timestamp> {
        let mut known = self.0.lock();
        known.retain(|_, shown| shown.at.elapsed() < KNOWN_FOR);
        known.values().map(|shown| shown.ends_at).collect()
    }
}

fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let since_epoch = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(since_epoch.as_secs()).ok().map(Timestamp::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_secs(number * 86_400)
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_counts_once_until_it_has_shown_none_for_a_week() {
        let certificates = Certificates::default();
        certificates.note_end("a.example", 443, day(3));
        certificates.note_end("a.example", 8443, day(5));
        certificates.note_end("a.example", 443, day(90));
        let mut ends = certificates.ends();
        ends.sort();
        assert_eq!(ends, [day(5), day(90)]);
        tokio::time::advance(KNOWN_FOR / 2).await;
        certificates.note_end("a.example", 443, day(91));
        tokio::time::advance(KNOWN_FOR / 2).await;
        assert_eq!(certificates.ends(), [day(91)]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_very_many_those_are_known_that_end_first() {
        let certificates = Certificates::default();
        let most = i64::try_from(KNOWN_MAX).unwrap();
        for number in 0..2 * most {
            certificates.note_end(&format!("h{number}"), 443, day(2 * most - number));
        }
        let mut ends = certificates.ends();
        ends.sort();
        assert_eq!((ends.len(), ends[0]), (KNOWN_MAX, day(1)));
        assert_eq!(ends[KNOWN_MAX - 1], day(most));
    }

    #[test]
    fn what_is_no_certificate_is_passed_over() {
        let certificates = Certificates::default();
        certificates.note("a.example", 443, &CertificateDer::from(vec![1, 2, 3]));
        assert!(certificates.ends().is_empty());
    }
}
