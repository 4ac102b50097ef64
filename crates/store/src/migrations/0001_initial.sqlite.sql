-- The first schema. Times are microseconds since the Unix epoch; columns ending in `_sealed` are AES-256-GCM under the
-- account's data key (see `seal.rs`). Every table carries the account, and every query names it. What has many rows
-- carries numbers of accounts, lanes and events in place of their texts: `accounts.ref`, `lanes.ref`, `events.place`.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- From where on everything is kept; one row.
CREATE TABLE retention (
    kept_from  INTEGER NOT NULL,   -- deliveries with this id and later ones
    kept_since INTEGER NOT NULL    -- events accepted at this instant or later
) STRICT;
INSERT INTO retention (kept_from, kept_since) VALUES (0, 0);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY NOT NULL,
    role       TEXT NOT NULL,
    account_id TEXT,
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE accounts (
    ref             INTEGER PRIMARY KEY AUTOINCREMENT CHECK (ref < 8388608),
    id              TEXT NOT NULL UNIQUE,
    contract        TEXT NOT NULL,
    name            TEXT,
    sandbox         INTEGER NOT NULL,
    entitlements    TEXT NOT NULL,            -- JSON list of event types
    data_key_sealed BLOB NOT NULL,            -- under the master key
    first_seq       INTEGER NOT NULL DEFAULT 1,   -- of the events that are kept
    last_seq        INTEGER NOT NULL,
    pending         INTEGER NOT NULL,         -- its rows in `queue`
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

-- Every endpoint that an account has ever had: its history stays when the endpoint goes.
CREATE TABLE lanes (
    ref         INTEGER PRIMARY KEY AUTOINCREMENT,
    account     INTEGER NOT NULL,         -- `accounts.ref`
    account_id  TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    UNIQUE (account_id, endpoint_id)
) STRICT;

CREATE TABLE endpoints (
    account_id           TEXT NOT NULL,
    id                   TEXT NOT NULL,
    lane                 INTEGER NOT NULL UNIQUE,   -- `lanes.ref`
    url                  TEXT NOT NULL,
    name                 TEXT,
    events               TEXT,                -- JSON list of event types; NULL: all
    headers_sealed       BLOB,                -- JSON list of name and value
    enabled              INTEGER NOT NULL,
    in_flight_max        INTEGER,             -- requests at once; NULL: as the process says
    rate_limit           TEXT,                -- such as 10/s; NULL: none
    health               TEXT NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    failing_since        INTEGER,
    unhealthy_since      INTEGER,
    last_number          INTEGER NOT NULL,
    version              INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;

-- Secrets of an endpoint, and of the account itself where `endpoint_id` is empty. The highest ordinal is the newest.
CREATE TABLE secrets (
    account_id    TEXT NOT NULL,
    endpoint_id   TEXT NOT NULL,
    ordinal       INTEGER NOT NULL,
    secret_sealed BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER,
    PRIMARY KEY (account_id, endpoint_id, ordinal)
) STRICT, WITHOUT ROWID;

-- An event's place is its account's number, times 2^40, and its `seq`: the log of an account lies together, in its order.
CREATE TABLE events (
    place          INTEGER PRIMARY KEY,
    account        INTEGER NOT NULL,      -- `accounts.ref`
    id             TEXT NOT NULL,
    type           TEXT NOT NULL,
    occurred_at    INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    is_test        INTEGER NOT NULL,
    deliveries     INTEGER NOT NULL,
    fingerprint    BLOB NOT NULL,
    payload_length INTEGER NOT NULL,      -- bytes, opened; before the payload, so that it is found without reading that
    payload_sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (account, id);

CREATE TABLE event_subjects (
    account_id TEXT NOT NULL,
    subject    TEXT NOT NULL,
    event_seq  INTEGER NOT NULL,
    PRIMARY KEY (account_id, subject, event_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_subjects_by_seq ON event_subjects (account_id, event_seq);

-- Live deliveries: small and hot; a row leaves when its delivery ends.
--   claim   wake_at
--   token   NULL      held in memory by the process with this token
--   NULL    NULL      waits for room in its endpoint's lane
--   NULL    instant   waits for that instant (a retry)
CREATE TABLE queue (
    id          INTEGER PRIMARY KEY,      -- ascends; shown as `dlv_…`
    lane        INTEGER NOT NULL,         -- `lanes.ref`
    number      INTEGER NOT NULL,
    event       INTEGER NOT NULL,         -- `events.place`
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    wake_at     INTEGER,
    claim       TEXT,
    origin      TEXT                      -- NULL: the event's first publication; `test`, `redelivered`, or a replay's id
) STRICT;
CREATE INDEX queue_by_lane ON queue (lane, id);
CREATE INDEX queue_by_wake ON queue (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX queue_backlog ON queue (lane, number) WHERE wake_at IS NULL AND claim IS NULL;
CREATE INDEX queue_again ON queue (event) WHERE origin IS NOT NULL;
-- Test events go out to a disabled endpoint too: what else waits in its lane is passed over.
CREATE INDEX queue_tests ON queue (lane, number) WHERE origin = 'test';

-- Ended deliveries: history. The attempt that ended a delivery stands in its row, as most have no other; one that was cancelled
-- has none there.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY,
    account         INTEGER NOT NULL,
    lane            INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    event           INTEGER NOT NULL,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL,
    origin          TEXT,                 -- as in `queue`
    started_at      INTEGER,              -- from here on as in `earlier_attempts`
    duration_us     INTEGER,
    outcome         TEXT,
    status          INTEGER,
    detail          TEXT,
    response_sealed BLOB
) STRICT;
CREATE INDEX deliveries_by_account ON deliveries (account, id);
CREATE INDEX deliveries_by_lane ON deliveries (lane, id);
CREATE INDEX deliveries_by_event ON deliveries (event, lane);
CREATE INDEX deliveries_failed ON deliveries (account, id) WHERE state <> 'delivered';

-- The attempts that did not end their delivery.
CREATE TABLE earlier_attempts (
    delivery_id     INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    account         INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    outcome         TEXT NOT NULL,
    status          INTEGER,
    detail          TEXT,
    response_sealed BLOB,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

-- Every attempt.
CREATE VIEW attempts AS
SELECT delivery_id, number, account, started_at, duration_us, outcome, status, detail, response_sealed
FROM earlier_attempts
UNION ALL
SELECT id, attempts, account, started_at, duration_us, outcome, status, detail, response_sealed
FROM deliveries WHERE outcome IS NOT NULL;

-- Replays: events that are sent to one endpoint again, looked at in the order of the account's log.
CREATE TABLE replays (
    account_id  TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    id          TEXT NOT NULL,
    state       TEXT NOT NULL,             -- running, done or cancelled
    since       INTEGER NOT NULL,
    until       INTEGER,                   -- NULL: the instant it was asked for
    states      TEXT NOT NULL,             -- JSON list of what an event may have come to
    cursor_seq  INTEGER NOT NULL,          -- everything up to this `seq` has been looked at
    last_seq    INTEGER NOT NULL,          -- nothing after this `seq` will be
    examined    INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (account_id, endpoint_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_running ON replays (id) WHERE state = 'running';

-- Resources: domain objects whose stored changes cause events.
CREATE TABLE resources (
    row             INTEGER PRIMARY KEY,
    account_id      TEXT NOT NULL,
    kind            TEXT NOT NULL,
    id              TEXT NOT NULL,
    state           TEXT NOT NULL,
    states_ever     TEXT NOT NULL,         -- JSON list of the states it was ever in
    version         INTEGER NOT NULL,      -- one more with each change
    document_sealed BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX resources_by_id ON resources (account_id, kind, id);
