-- Deliveries that are retried together: those that a filter names, as they were when it was asked for.
CREATE TABLE bulk_retries (
    id           TEXT PRIMARY KEY NOT NULL,
    account_id   TEXT,                -- NULL: of all accounts
    endpoint_id  TEXT,
    event_id     TEXT,
    event_type   TEXT,
    wanted_state TEXT NOT NULL,       -- failed, cancelled or pending
    outcome      TEXT,
    status       INTEGER,
    attempts_min INTEGER,
    since        INTEGER,
    until        INTEGER,
    subject      TEXT,
    reason       TEXT NOT NULL,
    asked_by     TEXT NOT NULL,
    state        TEXT NOT NULL,
    matched      INTEGER NOT NULL,
    is_exact     INTEGER NOT NULL,    -- 0: more than `matched`
    cursor_id    INTEGER NOT NULL,    -- every delivery with this id or a later one has been looked at
    retried      INTEGER NOT NULL,
    skipped      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_retries_running ON bulk_retries (id) WHERE state = 'running';
-- For statements that say `matched >= 0`, as all do: one that looks up an id would take this index otherwise.
CREATE INDEX bulk_retries_by_account ON bulk_retries (account_id, id) WHERE matched >= 0;
