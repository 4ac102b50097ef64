//! Looking names up: how many at once, for whom, and for how long an answer is kept.
//!
//! Some names are never answered, and each such look-up takes up room until the system gives up. So a name that is being looked up
//! already is joined, answers are kept for a while, and of the room each account has a share. What waits for its account's share
//! holds nobody else up. A look-up goes on when those who asked give up: the system cannot be told to stop.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, Shares, Turns};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use quick_cache::unsync::Cache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Resolve;

/// Look-ups at once.
pub(crate) const AT_ONCE_MAX: usize = 128;
/// Names whose answers are kept.
const KEPT_MAX: usize = 4_096;
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 64;
/// That a name has no address is kept for so many times less long than its addresses are: it may just have been registered.
const FAILURE_TIMES_LESS: u32 = 10;

/// A name's addresses, or why it has none.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

/// All look-ups of one sender.
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolve>,
    /// How long addresses are kept.
    kept_for: Duration,
    table: Mutex<Table>,
}

/// How far a name has got.
enum Stage {
    /// There is no room to look it up.
    Waiting,
    Running,
    Answered(Answer),
}

struct Table {
    kept: Cache<Arc<str>, (Answer, Instant)>,
    /// The names that run or wait.
    asked: HashMap<Arc<str>, watch::Sender<Stage>>,
    shares: Shares<AccountId>,
    turns: Turns<AccountId, Place>,
    /// Places in line so far.
    places: u64,
}

/// A place in the line for room.
#[derive(Clone)]
struct Place {
    number: u64,
    account: AccountId,
    name: Arc<str>,
}

impl Lookups {
    /// Through `resolver`, at most `at_once_max` at once. Addresses are kept for `kept_for`.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, at_once_max: usize, kept_for: Duration) -> Arc<Self> {
        let table = Table {
            kept: Cache::new(KEPT_MAX),
            asked: HashMap::new(),
            shares: Shares::new(at_once_max),
            turns: Turns::default(),
            places: 0,
        };
        Arc::new(Self { resolver, kept_for, table: Mutex::new(table) })
    }

    /// Asks for a name's addresses on behalf of an account. The name is looked up once there is room.
    pub(crate) fn ask(self: &Arc<Self>, account: &AccountId, host: &str) -> Question {
        let mut table = self.table.lock();
        if let Some(answer) = table.kept(host, Instant::now()) {
            return Question::answered(answer);
        }
        let name = table.asked.get_key_value(host).map_or_else(|| Arc::from(host), |(name, _)| Arc::clone(name));
        let stage = table.asked.entry(Arc::clone(&name)).or_insert_with(|| watch::Sender::new(Stage::Waiting));
        let question = stage.subscribe();
        if !is_waiting(stage) {
            return Question { stage: question, in_line: None, is_looked_up: true };
        }
        let place = Place { number: table.places, account: account.clone(), name };
        table.places += 1;
        table.turns.push_back(account, place.clone());
        let begun = table.begin();
        drop(table);
        self.run(begun);
        let in_line = Some(InLine { lookups: Arc::clone(self), place });
        Question { stage: question, in_line, is_looked_up: true }
    }

    /// Runs what has begun.
    fn run(self: &Arc<Self>, begun: Vec<Place>) {
        for place in begun {
            let resolution = self.resolver.resolve(&place.name);
            let running = Running { lookups: Arc::clone(self), place, answer: None };
            TokioExecutor::new().execute(async move { running.end(resolution.await) });
        }
    }
}

fn is_waiting(stage: &watch::Sender<Stage>) -> bool {
    matches!(*stage.borrow(), Stage::Waiting)
}

impl Table {
    /// The answer that is kept for a name.
    fn kept(&self, name: &str, now: Instant) -> Option<Answer> {
        self.kept.get(name).filter(|(_, until)| *until > now).map(|(answer, _)| answer.clone())
    }

    /// Begins the look-ups for which there is room now, account by account.
    fn begin(&mut self) -> Vec<Place> {
        let mut begun = Vec::new();
        while let Some(place) = self.turns.pop(|account, _| self.shares.has_room(account, 1)) {
            let stage = self.asked.get(&place.name).filter(|stage| is_waiting(stage)); // another account's turn may have come first
            if let Some(stage) = stage.filter(|_| self.shares.take(&place.account, 1)) {
                stage.send_replace(Stage::Running);
                begun.push(place);
            }
        }
        begun
    }

    /// Ends a look-up.
    fn end(&mut self, place: &Place, answer: Answer) {
        self.shares.give_back(&place.account, 1);
        if let Some(stage) = self.asked.remove(&place.name) {
            stage.send_replace(Stage::Answered(answer));
        }
    }

    /// Somebody waits no longer. A name for which nobody waits is forgotten, unless it is being looked up.
    fn leave(&mut self, place: &Place) {
        self.turns.remove(&place.account, |waiting| waiting.number == place.number);
        if self.asked.get(&place.name).is_some_and(|stage| is_waiting(stage) && stage.receiver_count() == 0) {
            self.asked.remove(&place.name);
        }
    }
}

/// A look-up that runs. Its room is given back however it ends.
struct Running {
    lookups: Arc<Lookups>,
    place: Place,
    answer: Option<Answer>,
}

impl Running {
    fn end(mut self, found: io::Result<Vec<IpAddr>>) {
        let addresses = |found: Vec<IpAddr>| found.into_iter().take(ADDRESSES_MAX).collect();
        self.answer = Some(found.map(addresses).map_err(|error| error.to_string().into()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut table = self.lookups.table.lock();
        let Some(answer) = self.answer.take() else {
            return table.end(&self.place, Err("the look-up was broken off".into())); // the process stops: nothing more begins
        };
        let kept_for = if answer.is_ok() { self.lookups.kept_for } else { self.lookups.kept_for / FAILURE_TIMES_LESS };
        if !kept_for.is_zero() {
            table.kept.insert(Arc::clone(&self.place.name), (answer.clone(), Instant::now() + kept_for));
        }
        table.end(&self.place, answer);
        let begun = table.begin();
        drop(table);
        self.lookups.run(begun);
    }
}

/// What somebody wants to know of a name.
pub(crate) struct Question {
    stage: watch::Receiver<Stage>, // goes before the place does, which asks whether somebody else waits
    in_line: Option<InLine>,
    is_looked_up: bool,
}

/// A place that is left with its question.
struct InLine {
    lookups: Arc<Lookups>,
    place: Place,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.lookups.table.lock().leave(&self.place);
    }
}

impl Question {
    /// One that is answered already.
    pub(crate) fn answered(answer: Answer) -> Self {
        Self { stage: watch::channel(Stage::Answered(answer)).1, in_line: None, is_looked_up: false }
    }

    /// Whether the name had to be looked up, when it was asked for.
    pub(crate) const fn is_looked_up(&self) -> bool {
        self.is_looked_up
    }

    /// Waits until the name is being looked up.
    pub(crate) async fn has_room(&mut self) {
        let _ = self.stage.wait_for(|stage| !matches!(stage, Stage::Waiting)).await; // nobody drops what has not been answered
        self.in_line = None;
    }

    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Answer {
        match self.stage.wait_for(|stage| matches!(stage, Stage::Answered(_))).await.as_deref() {
            Ok(Stage::Answered(answer)) => answer.clone(),
            _ => Err("the look-up was broken off".into()),
        }
    }
}

#[cfg(test)]
mod tests;
