-- Attempts, counted by spans of time. What all accounts came to has `account` 0 and, as `lane`, a number of whichever node counted
-- it, so that nodes do not wait for each other. What an account came to has `lane` 0; its minutes have none before their hour is
-- counted.
CREATE TABLE rollups (
    span      BIGINT NOT NULL,   -- 0: minute, 1: hour, 2: day, 3: minute that its hour has counted
    number    BIGINT NOT NULL,   -- of the span since 1970
    account   BIGINT NOT NULL,   -- `accounts.ref`
    lane      BIGINT NOT NULL,   -- `lanes.ref`
    class     TEXT COLLATE "C" NOT NULL,      -- of the status where there was an answer, such as 2xx, or else the outcome
    bin       BIGINT NOT NULL,   -- of the latency; 0 where there was no answer
    attempts  BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    PRIMARY KEY (span, number, account, lane, class, bin)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Failures of an endpoint for one cause.
CREATE TABLE incidents (
    id              TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    account_id      TEXT COLLATE "C" NOT NULL,
    endpoint_id     TEXT COLLATE "C" NOT NULL,
    lane            BIGINT NOT NULL,     -- `lanes.ref`
    outcome         TEXT COLLATE "C" NOT NULL,
    status          BIGINT,
    failures        BIGINT NOT NULL,
    first_at        BIGINT NOT NULL,
    last_at         BIGINT NOT NULL,
    last_delivery   BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT COLLATE "C",
    resolved_at     BIGINT,
    resolved_by     TEXT COLLATE "C"                  -- NULL: the endpoint's next success
);
CREATE INDEX incidents_by_lane ON incidents (lane, resolved_at);
-- For statements that say `failures > 0`, as all incidents have some: one that looks up an id would take this index otherwise.
CREATE INDEX incidents_by_account ON incidents (account_id, id) WHERE failures > 0;
CREATE INDEX incidents_unresolved ON incidents (id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_by_end ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- How many of its incidents are unresolved.
ALTER TABLE endpoints ADD COLUMN incidents BIGINT NOT NULL DEFAULT 0;

-- What the operator is still to be told, in the order of time.
CREATE TABLE operator_notices (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,   -- of the event that tells it
    at         BIGINT NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    data       TEXT COLLATE "C" NOT NULL                -- JSON
);
CREATE INDEX operator_notices_by_time ON operator_notices (at);
