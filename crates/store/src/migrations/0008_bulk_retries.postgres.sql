-- Deliveries that are retried together: those that a filter names, as they were when it was asked for.
CREATE TABLE bulk_retries (
    id           TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    account_id   TEXT COLLATE "C",                -- NULL: of all accounts
    endpoint_id  TEXT COLLATE "C",
    event_id     TEXT COLLATE "C",
    event_type   TEXT COLLATE "C",
    wanted_state TEXT COLLATE "C" NOT NULL,       -- failed, cancelled or pending
    outcome      TEXT COLLATE "C",
    status       BIGINT,
    attempts_min BIGINT,
    since        BIGINT,
    until        BIGINT,
    subject      TEXT COLLATE "C",
    reason       TEXT COLLATE "C" NOT NULL,
    asked_by     TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    matched      BIGINT NOT NULL,
    is_exact     BIGINT NOT NULL,    -- 0: more than `matched`
    cursor_id    BIGINT NOT NULL,    -- every delivery with this id or a later one has been looked at
    retried      BIGINT NOT NULL,
    skipped      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT
);
CREATE INDEX bulk_retries_running ON bulk_retries (id) WHERE state = 'running';
-- For statements that say `matched >= 0`, as all do: one that looks up an id would take this index otherwise.
CREATE INDEX bulk_retries_by_account ON bulk_retries (account_id, id) WHERE matched >= 0;
