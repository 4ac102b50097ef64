-- Attempts, counted by spans of time. What all accounts came to has `account` 0 and, as `lane`, a number of whichever node counted
-- it, so that nodes do not wait for each other. What an account came to has `lane` 0; its minutes have none before their hour is
-- counted.
CREATE TABLE rollups (
    span      INTEGER NOT NULL,   -- 0: minute, 1: hour, 2: day, 3: minute that its hour has counted
    number    INTEGER NOT NULL,   -- of the span since 1970
    account   INTEGER NOT NULL,   -- `accounts.ref`
    lane      INTEGER NOT NULL,   -- `lanes.ref`
    class     TEXT NOT NULL,      -- of the status where there was an answer, such as 2xx, or else the outcome
    bin       INTEGER NOT NULL,   -- of the latency; 0 where there was no answer
    attempts  INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    PRIMARY KEY (span, number, account, lane, class, bin)
) STRICT, WITHOUT ROWID;

-- Failures of an endpoint for one cause.
CREATE TABLE incidents (
    id              TEXT PRIMARY KEY NOT NULL,
    account_id      TEXT NOT NULL,
    endpoint_id     TEXT NOT NULL,
    lane            INTEGER NOT NULL,     -- `lanes.ref`
    outcome         TEXT NOT NULL,
    status          INTEGER,
    failures        INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    last_delivery   INTEGER NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    resolved_at     INTEGER,
    resolved_by     TEXT                  -- NULL: the endpoint's next success
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_by_lane ON incidents (lane, resolved_at);
-- For statements that say `failures > 0`, as all incidents have some: one that looks up an id would take this index otherwise.
CREATE INDEX incidents_by_account ON incidents (account_id, id) WHERE failures > 0;
CREATE INDEX incidents_unresolved ON incidents (id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_by_end ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- How many of its incidents are unresolved.
ALTER TABLE endpoints ADD COLUMN incidents INTEGER NOT NULL DEFAULT 0;

-- What the operator is still to be told, in the order of time.
CREATE TABLE operator_notices (
    id         TEXT PRIMARY KEY NOT NULL,   -- of the event that tells it
    at         INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    data       TEXT NOT NULL                -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX operator_notices_by_time ON operator_notices (at);
