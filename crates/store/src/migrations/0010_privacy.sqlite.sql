-- Whom events are about: keyed hashes under the account's key. They take the place of `event_subjects`, which is moved here when the
-- store is opened, and stays empty from then on.
CREATE TABLE subjects (
    subject BLOB NOT NULL,
    event   INTEGER NOT NULL,             -- `events.place`
    PRIMARY KEY (subject, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX subjects_by_event ON subjects (event, subject);
-- 1: its event has subjects; NULL: it has none.
ALTER TABLE queue ADD COLUMN about INTEGER;
CREATE INDEX queue_about ON queue (event) WHERE about IS NOT NULL;
-- Whom a stored document is about, likewise.
CREATE TABLE resource_subjects (
    account_id TEXT NOT NULL,
    subject    BLOB NOT NULL,
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    PRIMARY KEY (account_id, subject, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_subjects_by_id ON resource_subjects (account_id, kind, id);
-- What receivers were told about somebody: a row for each attempt that may have reached one, and for each subject of its event.
CREATE TABLE disclosures (
    subject    BLOB NOT NULL,
    at         INTEGER NOT NULL,          -- when the attempt started
    delivery   INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    account    INTEGER NOT NULL,          -- `accounts.ref`
    endpoint   TEXT NOT NULL,
    url_sealed BLOB NOT NULL,             -- as it was then
    event      TEXT NOT NULL,
    type       TEXT NOT NULL,
    contract   TEXT NOT NULL,
    fields     TEXT,                      -- JSON list of pointers into `data`; NULL: all of it
    digest     BLOB NOT NULL,             -- SHA-256 of the body
    outcome    TEXT NOT NULL,
    status     INTEGER,
    PRIMARY KEY (subject, at, delivery, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX disclosures_by_account ON disclosures (account, at);
-- Erasures of what is about somebody, looked at in the order of the account's log.
CREATE TABLE erasures (
    id            TEXT PRIMARY KEY NOT NULL,
    account_id    TEXT NOT NULL,
    subject       BLOB NOT NULL,
    reason_sealed BLOB NOT NULL,
    asked_by      TEXT NOT NULL,
    state         TEXT NOT NULL,          -- running or done
    cursor_event  INTEGER NOT NULL,       -- every event up to this place has been looked at
    last_event    INTEGER NOT NULL,       -- what was published later is not part of it
    payloads      INTEGER NOT NULL,
    answers       INTEGER NOT NULL,
    documents     INTEGER NOT NULL,
    deliveries    INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_running ON erasures (id) WHERE state = 'running';
CREATE INDEX erasures_by_account ON erasures (account_id, id) WHERE payloads >= 0;
-- Subjects that nothing is removed of.
CREATE TABLE holds (
    account_id     TEXT NOT NULL,
    subject        BLOB NOT NULL,
    subject_sealed BLOB NOT NULL,
    reason_sealed  BLOB NOT NULL,
    placed_by      TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_subject ON holds (subject);
-- Up to which of its events payloads have gone by their age.
ALTER TABLE accounts ADD COLUMN expired_seq INTEGER NOT NULL DEFAULT 0;
-- What decides where and how an endpoint is sent to, sealed. NULL until the store is next opened: `url` is whole until then, and masked
-- from then on.
ALTER TABLE endpoints ADD COLUMN config_sealed BLOB;
-- How much an endpoint is sent: `full`, `ids`, or fields as a JSON list of pointers; NULL: what its contract gives.
ALTER TABLE endpoints ADD COLUMN payload TEXT;
-- Whether what an endpoint answers is kept.
ALTER TABLE endpoints ADD COLUMN keep_answers INTEGER NOT NULL DEFAULT 1;
