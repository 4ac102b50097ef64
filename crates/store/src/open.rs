//! Opening a store, wherever it is kept.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, Clock, Entropy, RateLimit, RoomLimits};

use crate::queue::access::{AccessOptions, Execution};
use crate::{Location, MasterKey, OpenError, Queue, Records, postgres, sqlite};

/// How to open a store.
pub struct StoreOptions {
    /// Where it is kept.
    pub location: Location,
    /// The key that wraps the accounts' data keys.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// How many deliveries may be held in memory.
    pub room: RoomLimits,
    /// Writes that may wait; more are refused as [`StoreError::Busy`](crate::StoreError::Busy).
    pub jobs_max: usize,
    /// Reading connections.
    pub readers_max: u32,
    /// Live deliveries that one account may have; publishing more is refused as
    /// [`PublishError::BacklogFull`](crate::PublishError::BacklogFull).
    pub account_backlog_max: i64,
    /// Deliveries per second that the replays of one account may add, together, on this node.
    pub replay_rate: RateLimit,
    /// The account whose events tell the operator what happens here; `None`: nobody is told.
    pub operator_account: Option<AccountId>,
    /// Values that an account's data key seals before it is renewed by itself.
    pub key_uses_max: u64,
    /// Where statements run.
    pub execution: Execution,
    /// On PostgreSQL, how long a node may be silent before others take over what it holds. It should exceed the longest time that
    /// a request to a customer may take; it is renewed while the node lives.
    pub node_lease: Duration,
}

impl StoreOptions {
    /// The default of [`account_backlog_max`](Self::account_backlog_max).
    pub const ACCOUNT_BACKLOG_MAX: u32 = 1_000_000;
    /// The default of [`replay_rate`](Self::replay_rate), per second.
    pub const REPLAY_RATE_MAX: u32 = 500;
    /// The default of [`key_uses_max`](Self::key_uses_max): half of what a key is good for.
    pub const KEY_USES_MAX: u64 = 1 << 31;
    /// The default of [`node_lease`](Self::node_lease), in seconds.
    pub const NODE_LEASE_S: u16 = 15;

    /// A store as `bellwire serve` opens it without further flags. Whoever wants another says so in the fields that differ.
    #[must_use]
    pub fn new(location: Location, master_key: MasterKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            location,
            master_key,
            clock,
            entropy,
            room: RoomLimits::default(),
            jobs_max: 8_192,
            readers_max: 4,
            account_backlog_max: Self::ACCOUNT_BACKLOG_MAX.into(),
            replay_rate: RateLimit::per_second(Self::REPLAY_RATE_MAX),
            operator_account: None,
            key_uses_max: Self::KEY_USES_MAX,
            execution: Execution::Threads,
            node_lease: Duration::from_secs(Self::NODE_LEASE_S.into()),
        }
    }
}

/// Opens or makes the database, migrates it, and takes over what a stopped process held.
pub fn open(options: StoreOptions) -> Result<(Records, Queue), OpenError> {
    let StoreOptions { location, master_key, clock, entropy, room, jobs_max, readers_max, .. } = options;
    let StoreOptions { account_backlog_max, replay_rate, operator_account, key_uses_max, execution, node_lease, .. } = options;
    let options = AccessOptions {
        master_key,
        clock,
        entropy,
        room,
        jobs_max,
        readers_max,
        account_backlog_max,
        replay_rate,
        operator_account,
        key_uses_max,
        execution,
        node_lease,
    };
    let access = match &location {
        Location::Sqlite(path) => Arc::new(sqlite::open::open(&options, path)?),
        Location::Postgres(url) => postgres::open::open(&options, url)?,
    };
    Ok((Records::new(Arc::clone(&access)), Queue::new(access)))
}
