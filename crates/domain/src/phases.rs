//! Where the time of an attempt goes.

use std::time::Duration;

crate::words! {
    /// A part of an attempt's time, in the order in which they come.
    pub enum Phase {
        /// It was due, and waited here: for room in its lane, for its endpoint to be enabled, or for a process.
        Wait = "wait",
        /// Looking the host's name up.
        Dns = "dns",
        /// Connecting by TCP.
        Connect = "connect",
        /// The TLS handshake.
        Tls = "tls",
        /// From the first byte of the request to the end of the answer.
        Answer = "answer",
    }
}

/// How long the phases of one attempt took, without the waiting before it. `None`: it did not take place. A connection that was
/// kept is neither looked up nor opened, plain HTTP has no TLS, and nothing comes after what failed.
///
/// Where a request went out again over another connection, each phase is the sum. All of them together may be less than the attempt
/// took: what waits in the attempt for room of ours is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Looking the host's name up. `None` as well where its addresses were still known, or the host is an address itself.
    pub dns: Option<Duration>,
    /// Connecting by TCP, to as many addresses as it took; or waiting for another request that opened the connection for both.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the first byte of the request to the end of the answer, or until it was given up. Over a new connection with HTTP/2,
    /// also the exchange of settings before.
    pub answer: Option<Duration>,
}

impl Phases {
    /// Adds to a phase. Waiting is not among them.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        let place = match phase {
            Phase::Wait => return,
            Phase::Dns => &mut self.dns,
            Phase::Connect => &mut self.connect,
            Phase::Tls => &mut self.tls,
            Phase::Answer => &mut self.answer,
        };
        *place = Some(place.unwrap_or_default().saturating_add(took));
    }

    /// Those that took place, in their order, after the time that the attempt waited.
    pub fn after(&self, waited: Option<Duration>) -> impl Iterator<Item = (Phase, Duration)> {
        let all = [
            (Phase::Wait, waited),
            (Phase::Dns, self.dns),
            (Phase::Connect, self.connect),
            (Phase::Tls, self.tls),
            (Phase::Answer, self.answer),
        ];
        all.into_iter().filter_map(|(phase, took)| took.map(|took| (phase, took)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_take_place_has_no_time_and_what_did_twice_has_the_sum() {
        let second = Duration::from_secs(1);
        let mut phases = Phases::default();
        for phase in [Phase::Connect, Phase::Answer, Phase::Answer, Phase::Wait] {
            phases.add(phase, second);
        }
        assert_eq!(phases, Phases { dns: None, connect: Some(second), tls: None, answer: Some(2 * second) });
        let told: Vec<_> = phases.after(Some(3 * second)).collect();
        assert_eq!(told, [(Phase::Wait, 3 * second), (Phase::Connect, second), (Phase::Answer, 2 * second)]);
    }
}
