-- The first schema, the pair of the one for SQLite: the same tables, columns and meanings, all integers BIGINT and all texts in
-- the order of their bytes. What differs is how the tables are kept: `queue` is small and hot, and the history is partitioned
-- by time, `deliveries` and `earlier_attempts` by the delivery's id, which begins with the time it was made (see `history.rs`).

CREATE TABLE bellwire_schema (
    version BIGINT NOT NULL
);

CREATE TABLE meta (
    key   TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    value BYTEA NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C",
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE accounts (
    id              TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    contract        TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C",
    sandbox         BIGINT NOT NULL,
    entitlements    TEXT COLLATE "C" NOT NULL,            -- JSON list of event types
    data_key_sealed BYTEA NOT NULL,            -- under the master key
    last_seq        BIGINT NOT NULL,
    pending         BIGINT NOT NULL,         -- its rows in `queue`
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE endpoints (
    account_id           TEXT COLLATE "C" NOT NULL,
    id                   TEXT COLLATE "C" NOT NULL,
    url                  TEXT COLLATE "C" NOT NULL,
    name                 TEXT COLLATE "C",
    events               TEXT COLLATE "C",                -- JSON list of event types; NULL: all
    headers_sealed       BYTEA,                -- JSON list of name and value
    enabled              BIGINT NOT NULL,
    in_flight_max        BIGINT,             -- requests at once; NULL: as the process says
    rate_limit           TEXT COLLATE "C",                -- such as 10/s; NULL: none
    health               TEXT COLLATE "C" NOT NULL,
    consecutive_failures BIGINT NOT NULL,
    failing_since        BIGINT,
    unhealthy_since      BIGINT,
    last_number          BIGINT NOT NULL,
    version              BIGINT NOT NULL,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Secrets of an endpoint, and of the account itself where `endpoint_id` is empty. The highest ordinal is the newest.
CREATE TABLE secrets (
    account_id    TEXT COLLATE "C" NOT NULL,
    endpoint_id   TEXT COLLATE "C" NOT NULL,
    ordinal       BIGINT NOT NULL,
    secret_sealed BYTEA NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    PRIMARY KEY (account_id, endpoint_id, ordinal)
);

CREATE TABLE events (
    account_id     TEXT COLLATE "C" NOT NULL,
    seq            BIGINT NOT NULL,
    id             TEXT COLLATE "C" NOT NULL,
    type           TEXT COLLATE "C" NOT NULL,
    occurred_at    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    is_test        BIGINT NOT NULL,
    deliveries     BIGINT NOT NULL,
    fingerprint    BYTEA NOT NULL,
    payload_sealed BYTEA NOT NULL,
    PRIMARY KEY (account_id, seq)
);
-- Sealed bytes do not compress.
ALTER TABLE events ALTER COLUMN payload_sealed SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX events_by_id ON events (account_id, id);

CREATE TABLE event_subjects (
    account_id TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    event_seq  BIGINT NOT NULL,
    PRIMARY KEY (account_id, subject, event_seq)
);

-- Live deliveries: small and hot; a row leaves when its delivery ends.
--   claim   wake_at
--   token   NULL      held in memory by the process with this token
--   NULL    NULL      waits for room in its endpoint's lane
--   NULL    instant   waits for that instant (a retry)
CREATE TABLE queue (
    id          BIGINT PRIMARY KEY,      -- ascends; shown as `dlv_…`
    account_id  TEXT COLLATE "C" NOT NULL,
    endpoint_id TEXT COLLATE "C" NOT NULL,
    number      BIGINT NOT NULL,
    event_seq   BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    wake_at     BIGINT,
    claim       TEXT COLLATE "C",
    origin      TEXT COLLATE "C"                      -- NULL: the event's first publication; `redelivered`, or a replay's id
) WITH (
    -- Each row is written, changed once or twice, and deleted within seconds: the room is used again and again, as long as it is
    -- found soon. A node also vacuums it by itself (see `keeper.rs`), for as often as that the server does not look.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 100000,
    vacuum_truncate = off
);
CREATE INDEX queue_by_endpoint ON queue (account_id, endpoint_id, id);
CREATE INDEX queue_by_wake ON queue (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX queue_by_lane ON queue (account_id, endpoint_id, number) WHERE wake_at IS NULL AND claim IS NULL;

-- Ended deliveries: history. The attempt that ended a delivery stands in its row, as most have no other; one that was cancelled
-- has none there.
CREATE TABLE deliveries (
    id              BIGINT PRIMARY KEY,
    account_id      TEXT COLLATE "C" NOT NULL,
    endpoint_id     TEXT COLLATE "C" NOT NULL,
    number          BIGINT NOT NULL,
    event_seq       BIGINT NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    attempts        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    origin          TEXT COLLATE "C",                 -- as in `queue`
    started_at      BIGINT,              -- from here on as in `earlier_attempts`
    duration_us     BIGINT,
    outcome         TEXT COLLATE "C",
    status          BIGINT,
    detail          TEXT COLLATE "C",
    response_sealed BYTEA
) PARTITION BY RANGE (id);
CREATE INDEX deliveries_by_account ON deliveries (account_id, id);
CREATE INDEX deliveries_by_endpoint ON deliveries (account_id, endpoint_id, id);
CREATE INDEX deliveries_by_event ON deliveries (account_id, event_seq, endpoint_id);
CREATE INDEX deliveries_failed ON deliveries (account_id, id) WHERE state <> 'delivered';

-- The attempts that did not end their delivery.
CREATE TABLE earlier_attempts (
    delivery_id     BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    account_id      TEXT COLLATE "C" NOT NULL,
    started_at      BIGINT NOT NULL,
    duration_us     BIGINT NOT NULL,
    outcome         TEXT COLLATE "C" NOT NULL,
    status          BIGINT,
    detail          TEXT COLLATE "C",
    response_sealed BYTEA,
    PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);

-- Every attempt.
CREATE VIEW attempts AS
SELECT delivery_id, number, account_id, started_at, duration_us, outcome, status, detail, response_sealed
FROM earlier_attempts
UNION ALL
SELECT id, attempts, account_id, started_at, duration_us, outcome, status, detail, response_sealed
FROM deliveries WHERE outcome IS NOT NULL;

-- Replays: events that are sent to one endpoint again, looked at in the order of the account's log.
CREATE TABLE replays (
    account_id  TEXT COLLATE "C" NOT NULL,
    endpoint_id TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,             -- running, done or cancelled
    since       BIGINT NOT NULL,
    until       BIGINT,                   -- NULL: the instant it was asked for
    states      TEXT COLLATE "C" NOT NULL,             -- JSON list of what an event may have come to
    cursor_seq  BIGINT NOT NULL,          -- everything up to this `seq` has been looked at
    last_seq    BIGINT NOT NULL,          -- nothing after this `seq` will be
    examined    BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    PRIMARY KEY (account_id, endpoint_id, id)
);
CREATE INDEX replays_running ON replays (id) WHERE state = 'running';

-- Resources: domain objects whose stored changes cause events.
CREATE TABLE resources (
    account_id      TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    states_ever     TEXT COLLATE "C" NOT NULL,         -- JSON list of the states it was ever in
    version         BIGINT NOT NULL,      -- one more with each change
    document_sealed BYTEA NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (account_id, kind, id)
);
ALTER TABLE resources ALTER COLUMN document_sealed SET STORAGE EXTERNAL;

-- The nodes of the fleet. A node adds to its beat; another that sees it stand still for the length of a lease, by its own clock,
-- deletes the row and takes over what the token holds in `queue`.
CREATE TABLE nodes (
    token         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    slot          BIGINT NOT NULL UNIQUE,  -- tells its delivery ids from those of others
    beat          BIGINT NOT NULL,
    registered_at BIGINT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
