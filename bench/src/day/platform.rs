//! A platform's day, decided by a seed: who its tenants are, and what happens to them. A few of them and a few types have most of it.

use fastrand::Rng;

pub(super) const ACCOUNTS: usize = 1_000;
/// Receivers' hosts, each with its own address.
pub(super) const HOSTS: usize = 200;
const ENDPOINTS_MAX: usize = 5;
const TYPES: usize = 20;
/// Bytes of data: the median, how far they spread (of the logarithm), and the bounds.
const SIZE_MEDIAN: f64 = 2_048.0;
const SIZE_SPREAD: f64 = 0.9;
const SIZES: (usize, usize) = (500, 20_480);

/// One of an account's endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Among all.
    pub(super) number: usize,
    /// Where it is.
    pub(super) host: usize,
    /// What it wants; `None`: everything.
    pub(super) types: Option<Vec<usize>>,
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) account: usize,
    pub(super) event_type: usize,
    /// Bytes of its data.
    pub(super) size: usize,
}

/// The tenants: the endpoints of each account.
pub(super) struct Platform {
    pub(super) accounts: Vec<Vec<Endpoint>>,
}

impl Platform {
    /// The same in every run. Half of the endpoints want everything, the others half of the types.
    pub(super) fn draw() -> Self {
        let mut rng = Rng::with_seed(1);
        let mut number = 0;
        let mut endpoint = |rng: &mut Rng| {
            let types = rng.bool().then(|| (0..TYPES).filter(|kind| *kind == 0 || rng.bool()).collect());
            number += 1;
            Endpoint { number: number - 1, host: rng.usize(..HOSTS), types }
        };
        let mut account = || (0..=rng.usize(..ENDPOINTS_MAX)).map(|_| endpoint(&mut rng)).collect();
        Self { accounts: (0..ACCOUNTS).map(|_| account()).collect() }
    }

    /// What happens until this many deliveries are due, and how many that are.
    pub(super) fn day(&self, deliveries: usize) -> (Vec<Happened>, usize) {
        let mut rng = Rng::with_seed(2);
        let (accounts, types) = (Zipf::of(ACCOUNTS), Zipf::of(TYPES));
        let (mut events, mut due) = (Vec::new(), 0);
        while due < deliveries {
            let event = Happened { account: accounts.draw(&mut rng), event_type: types.draw(&mut rng), size: size(&mut rng) };
            due += self.takers(event).count();
            events.push(event);
        }
        (events, due)
    }

    /// The endpoints that get an event.
    pub(super) fn takers(&self, event: Happened) -> impl Iterator<Item = &Endpoint> {
        let wants = move |endpoint: &&Endpoint| endpoint.types.as_ref().is_none_or(|types| types.contains(&event.event_type));
        self.accounts.get(event.account).into_iter().flatten().filter(wants)
    }
}

/// The name of a type.
pub(super) fn event_type(number: usize) -> String {
    format!("bench.type.{number}")
}

fn size(rng: &mut Rng) -> usize {
    let drawn = SIZE_MEDIAN * (SIZE_SPREAD * normal(rng)).exp();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded right away")]
    let bytes = drawn as usize;
    bytes.clamp(SIZES.0, SIZES.1)
}

/// From the normal distribution (Box and Muller).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Numbers of which the first is twice as frequent as the second, three times as the third, and so on.
struct Zipf {
    /// The sum of the weights up to each.
    sums: Vec<f64>,
}

impl Zipf {
    fn of(count: usize) -> Self {
        let sum = |sum: &mut f64, number: usize| {
            *sum += 1.0 / crate::figures::precise(number);
            Some(*sum)
        };
        Self { sums: (1..=count).scan(0.0, sum).collect() }
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let drawn = rng.f64() * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|sum| *sum <= drawn).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_have_most_of_it_and_every_run_is_the_same() {
        let platform = Platform::draw();
        let (events, due) = platform.day(20_000);
        assert_eq!((&events, due), (&platform.day(20_000).0, platform.day(20_000).1));
        assert!((20_000..20_005).contains(&due), "{due}");
        let of_first = events.iter().filter(|event| event.account < 10).count();
        assert!(of_first * 3 > events.len() && of_first * 2 < events.len(), "{of_first} of {}", events.len());
        let mut sizes: Vec<usize> = events.iter().map(|event| event.size).collect();
        sizes.sort_unstable();
        let median = sizes[sizes.len() / 2];
        assert!((1_900..2_200).contains(&median), "{median}");
        assert_eq!((sizes[0], sizes[sizes.len() - 1]), SIZES);
    }

    #[test]
    fn each_account_has_one_to_five_endpoints_that_want_something() {
        let platform = Platform::draw();
        for endpoints in &platform.accounts {
            assert!((1..=ENDPOINTS_MAX).contains(&endpoints.len()));
            assert!(endpoints.iter().all(|endpoint| endpoint.types.as_ref().is_none_or(|types| !types.is_empty())));
        }
        let numbers: Vec<usize> = platform.accounts.iter().flatten().map(|endpoint| endpoint.number).collect();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
    }
}
