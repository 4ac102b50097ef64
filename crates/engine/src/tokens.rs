//! Access tokens: each is got once for an endpoint, and used until it ends or the receiver refuses it.
//!
//! Whoever needs one first asks the token server; the others wait for what comes of that, and share it, a failure too. Tokens are kept in
//! memory only, up to so many bytes, of which an account has a share; one that finds no room is used once.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::Contract;
use bellwire_domain::{AccountId, Secret, Shares, Timestamp};
use bellwire_store::{EndpointConfig, LaneKey};
use foldhash::{HashMap, HashMapExt as _};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Bytes of tokens that are kept.
const BYTES_MAX: usize = 32 << 20;
/// What keeping one takes besides its text.
const ENTRY_BYTES: usize = 256;

/// A token, as attempts share it.
pub(crate) type Token = Arc<Secret<String>>;

/// What came of asking for a token.
#[derive(Debug, Clone)]
pub(crate) enum Fetched {
    Token(Token),
    /// Why there is none; it names the token server, and no secret.
    Failed(String),
    /// There was no room to ask.
    NoRoom,
}

/// For whom a token is.
pub(crate) struct Wanted<'a> {
    pub(crate) contract: &'a Arc<Contract>,
    pub(crate) config: &'a EndpointConfig,
    pub(crate) lane: &'a LaneKey,
    /// How long an attempt may take.
    pub(crate) timeout: Duration,
}

/// The tokens that are known or being got.
pub(crate) struct Tokens(Mutex<Known>);

struct Known {
    kept: HashMap<LaneKey, Entry>,
    shares: Shares<AccountId>,
}

struct Entry {
    /// A change of the endpoint or of its contract makes what is here worth nothing.
    version: i64,
    contract: Arc<Contract>,
    state: State,
}

enum State {
    /// Somebody asks for it.
    Asking(watch::Receiver<Option<Fetched>>),
    Held {
        token: Token,
        until: Timestamp,
        bytes: usize,
    },
}

/// What somebody who needs a token does.
pub(crate) enum Turn {
    Use(Token),
    Wait(watch::Receiver<Option<Fetched>>),
    Ask(watch::Sender<Option<Fetched>>),
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(Known { kept: HashMap::new(), shares: Shares::new(BYTES_MAX) }))
    }
}

impl Tokens {
    /// `refused` is one that the receiver does not take any more.
    pub(crate) fn turn(&self, wanted: &Wanted<'_>, refused: Option<&Token>, now: Timestamp) -> Turn {
        let mut known = self.0.lock();
        if let Some(entry) = known.kept.get(wanted.lane)
            && entry.version == wanted.config.endpoint.version
            && Arc::ptr_eq(&entry.contract, wanted.contract)
        {
            match &entry.state {
                // Whoever asks gives up its end if it ends without an answer.
                State::Asking(answer) if answer.has_changed().is_ok() => return Turn::Wait(answer.clone()),
                State::Held { token, until, .. }
                    if *until > now && !refused.is_some_and(|refused| Arc::ptr_eq(refused, token)) =>
                {
                    return Turn::Use(Arc::clone(token));
                }
                State::Asking(_) | State::Held { .. } => {}
            }
        }
        let (sender, receiver) = watch::channel(None);
        known.forget(wanted.lane);
        let entry = Entry {
            version: wanted.config.endpoint.version,
            contract: Arc::clone(wanted.contract),
            state: State::Asking(receiver),
        };
        known.kept.insert(wanted.lane.clone(), entry);
        Turn::Ask(sender)
    }

    /// Keeps what was issued, if there is room and nothing has changed meanwhile.
    pub(crate) fn settle(
        &self,
        wanted: &Wanted<'_>,
        sender: &watch::Sender<Option<Fetched>>,
        issued: Option<(&Token, Timestamp)>,
        now: Timestamp,
    ) {
        let mut known = self.0.lock();
        let is_own = known.kept.get(wanted.lane).is_some_and(|entry| match &entry.state {
            State::Asking(answer) => answer.same_channel(&sender.subscribe()),
            State::Held { .. } => false,
        });
        if !is_own {
            return;
        }
        let Some((token, until)) = issued.filter(|(_, until)| *until > now) else { return known.forget(wanted.lane) };
        let bytes = token.expose().len() + ENTRY_BYTES;
        if !known.make_room(&wanted.lane.account_id, bytes, now) {
            return known.forget(wanted.lane);
        }
        if let Some(entry) = known.kept.get_mut(wanted.lane) {
            entry.state = State::Held { token: Arc::clone(token), until, bytes };
        }
    }

    /// Forgets a token that a receiver does not take any more.
    pub(crate) fn refuse(&self, lane: &LaneKey, refused: &Token) {
        let mut known = self.0.lock();
        let is_it = |entry: &Entry| matches!(&entry.state, State::Held { token, .. } if Arc::ptr_eq(token, refused));
        if known.kept.get(lane).is_some_and(is_it) {
            known.forget(lane);
        }
    }
}

impl Known {
    fn forget(&mut self, lane: &LaneKey) {
        if let Some(Entry { state: State::Held { bytes, .. }, .. }) = self.kept.remove(lane) {
            self.shares.give_back(&lane.account_id, bytes);
        }
    }

    /// Takes `bytes` for an account. What has ended goes first, then those of the account that end soonest.
    fn make_room(&mut self, account: &AccountId, bytes: usize, now: Timestamp) -> bool {
        if self.shares.take(account, bytes) {
            return true;
        }
        let mut held: Vec<(Timestamp, LaneKey)> = Vec::new();
        for (lane, entry) in &self.kept {
            if let State::Held { until, .. } = entry.state
                && (until <= now || lane.account_id == *account)
            {
                held.push((until, lane.clone()));
            }
        }
        held.sort_by(|one, other| (one.0, one.1.endpoint_id.as_str()).cmp(&(other.0, other.1.endpoint_id.as_str())));
        held.into_iter().any(|(_, lane)| {
            self.forget(&lane);
            self.shares.take(account, bytes)
        })
    }
}
