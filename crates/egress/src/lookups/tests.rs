//! Time stands still in these tests, and moves on when a test says so.

use bellwire_testkit::waiting::PATIENCE;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::Resolution;

const KEPT_FOR: Duration = Duration::from_secs(30);

/// Takes down which names it is asked for. Names of `silent` are never answered, those of `gated` once a test allows it, `nowhere`
/// has no address, and all others have one.
#[derive(Default)]
struct Names {
    asked: Mutex<Vec<String>>,
    gate: Arc<Gate>,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Names {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Resolution {
        self.asked.lock().push(host.to_owned());
        let (host, gate) = (host.to_owned(), Arc::clone(&self.gate));
        Box::pin(async move {
            match host.rsplit('.').next() {
                Some("silent") => std::future::pending().await,
                Some("gated") => gate.0.acquire().await.map_err(io::Error::other)?.forget(),
                Some("nowhere") => return Err(io::Error::other("no such name")),
                _ => {}
            }
            Ok(vec!["8.8.8.8".parse().unwrap()])
        })
    }
}

fn lookups(at_once_max: usize) -> (Arc<Lookups>, Arc<Names>) {
    let names = Arc::new(Names::default());
    (Lookups::new(Arc::clone(&names) as _, at_once_max, KEPT_FOR), names)
}

fn account(name: &str) -> AccountId {
    AccountId::try_new(name).unwrap()
}

async fn answer(question: Question) -> Answer {
    tokio::time::timeout(PATIENCE, question.answer()).await.expect("an answer")
}

/// How many of the questions have room.
async fn running(questions: &mut [Question]) -> usize {
    let mut running = 0;
    for question in questions {
        running += usize::from(tokio::time::timeout(Duration::ZERO, question.has_room()).await.is_ok());
    }
    running
}

#[tokio::test(start_paused = true)]
async fn names_that_never_answer_of_one_account_delay_no_other_account() {
    let (lookups, names) = lookups(AT_ONCE_MAX);
    let one = account("one");
    let mut silent: Vec<_> = (0..300).map(|number| lookups.ask(&one, &format!("{number}.silent"))).collect();
    assert_eq!(running(&mut silent).await, 96, "three quarters for one that is alone");
    assert_eq!(names.asked().len(), 96);
    let began = Instant::now();
    let mut quick = lookups.ask(&account("other"), "well.example");
    quick.has_room().await;
    assert_eq!(answer(quick).await.unwrap().len(), 1);
    assert_eq!(began.elapsed(), Duration::ZERO, "time did not have to move on");
    drop(silent);
    assert!(lookups.ask(&account("third"), "1000.silent").stage.borrow().is_running());
    let table = lookups.table.lock();
    assert_eq!((table.turns.len(), table.asked.len()), (0, 97), "who gives up leaves the line; what runs, runs on");
}

impl Stage {
    fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_in_progress_is_shared() {
    let (lookups, names) = lookups(AT_ONCE_MAX);
    let questions: Vec<_> = (0..50).map(|number| lookups.ask(&account(&format!("a{}", number % 5)), "one.gated")).collect();
    names.gate.0.add_permits(1);
    for question in questions {
        assert!(answer(question).await.is_ok());
    }
    assert_eq!(names.asked(), ["one.gated"]);
    assert_eq!(lookups.table.lock().shares.free(), AT_ONCE_MAX);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_share_gets_the_answer_that_another_account_asked_for() {
    let (lookups, names) = lookups(4);
    let greedy = account("greedy");
    let _silent: Vec<_> = (0..3).map(|number| lookups.ask(&greedy, &format!("{number}.silent"))).collect();
    let mut waits = lookups.ask(&greedy, "one.gated");
    assert_eq!(running(std::slice::from_mut(&mut waits)).await, 0);
    let other = lookups.ask(&account("other"), "one.gated");
    names.gate.0.add_permits(1);
    assert!(answer(other).await.is_ok() && answer(waits).await.is_ok());
    assert_eq!(names.asked().iter().filter(|name| *name == "one.gated").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_a_while_and_failures_briefly() {
    let (lookups, names) = lookups(AT_ONCE_MAX);
    for (host, kept_for) in [("well.example", KEPT_FOR), ("no.nowhere", KEPT_FOR / 10)] {
        for (account, moves_on, is_asked) in [
            ("a", Duration::ZERO, true),
            ("b", kept_for.saturating_sub(Duration::from_millis(1)), false),
            ("a", Duration::from_millis(1), true),
        ] {
            tokio::time::advance(moves_on).await;
            let answered = answer(lookups.ask(&self::account(account), host)).await;
            assert_eq!(answered.is_ok(), host == "well.example");
            assert_eq!(names.asked().len(), usize::from(is_asked), "{host}, {moves_on:?} later");
        }
    }
    for number in 0..KEPT_MAX * 2 {
        answer(lookups.ask(&account("a"), &format!("{number}.example"))).await.unwrap();
    }
    assert!(lookups.table.lock().kept.len() <= KEPT_MAX, "and a bounded number of them");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_looked_up_as_room_comes_free_account_by_account() {
    let (lookups, names) = lookups(2);
    let asking = |account: &str, host: &str| lookups.ask(&self::account(account), host);
    let _kept =
        [asking("a", "1.gated"), asking("b", "2.gated"), asking("a", "3.gated"), asking("a", "4.gated"), asking("c", "5.gated")];
    assert_eq!(names.asked(), ["1.gated", "2.gated"]);
    for next in ["3.gated", "5.gated", "4.gated"] {
        names.gate.0.add_permits(1);
        while names.asked.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(names.asked(), [next]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_very_many_addresses_some_are_kept() {
    struct Crowd;
    impl Resolve for Crowd {
        fn resolve(&self, _: &str) -> Resolution {
            Box::pin(async { Ok((0..10_000).map(|number| IpAddr::from(u128::to_be_bytes(number))).collect()) })
        }
    }
    let lookups = Lookups::new(Arc::new(Crowd), 1, KEPT_FOR);
    assert_eq!(answer(lookups.ask(&account("a"), "crowd.example")).await.unwrap().len(), ADDRESSES_MAX);
}

/// What happens to the look-ups.
#[derive(Debug, Clone)]
enum Step {
    Ask(u8, u8),
    GiveUp(usize),
    Answer,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u8..4, 0_u8..12).prop_map(|(account, name)| Step::Ask(account, name)),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => Just(Step::Answer),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn every_question_is_answered_or_given_up_and_all_room_comes_back(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (lookups, names) = lookups(4);
            let mut questions = Vec::new();
            for step in steps {
                match step {
                    Step::Ask(asker, name) => questions.push(lookups.ask(&account(&asker.to_string()), &format!("{name}.gated"))),
                    Step::GiveUp(which) if !questions.is_empty() => drop(questions.swap_remove(which % questions.len())),
                    Step::GiveUp(_) => {}
                    Step::Answer => names.gate.0.add_permits(1),
                }
                tokio::task::yield_now().await;
            }
            names.gate.0.add_permits(1_000);
            for question in questions {
                assert!(answer(question).await.is_ok());
            }
            let looking = async {
                while lookups.table.lock().shares.free() < 4 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, looking).await.expect("all room comes back");
            let table = lookups.table.lock();
            assert_eq!((table.asked.len(), table.turns.len()), (0, 0));
        });
    }
}
