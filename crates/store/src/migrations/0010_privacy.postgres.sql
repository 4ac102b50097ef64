-- Whom events are about: keyed hashes under the account's key. They take the place of `event_subjects`, which is moved here when the
-- store is opened, and stays empty from then on.
CREATE TABLE subjects (
    subject BYTEA NOT NULL,
    event   BIGINT NOT NULL,             -- `events.place`
    PRIMARY KEY (subject, event)
);
CREATE INDEX subjects_by_event ON subjects (event, subject);
-- 1: its event has subjects; NULL: it has none.
ALTER TABLE queue ADD COLUMN about BIGINT;
CREATE INDEX queue_about ON queue (event) WHERE about IS NOT NULL;
-- Whom a stored document is about, likewise.
CREATE TABLE resource_subjects (
    account_id TEXT COLLATE "C" NOT NULL,
    subject    BYTEA NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, subject, kind, id)
);
CREATE INDEX resource_subjects_by_id ON resource_subjects (account_id, kind, id);
-- What receivers were told about somebody: a row for each attempt that may have reached one, and for each subject of its event.
CREATE TABLE disclosures (
    subject    BYTEA NOT NULL,
    at         BIGINT NOT NULL,          -- when the attempt started
    delivery   BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    account    BIGINT NOT NULL,          -- `accounts.ref`
    endpoint   TEXT COLLATE "C" NOT NULL,
    url_sealed BYTEA NOT NULL,             -- as it was then
    event      TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    contract   TEXT COLLATE "C" NOT NULL,
    fields     TEXT COLLATE "C",                      -- JSON list of pointers into `data`; NULL: all of it
    digest     BYTEA NOT NULL,             -- SHA-256 of the body
    outcome    TEXT COLLATE "C" NOT NULL,
    status     BIGINT,
    PRIMARY KEY (subject, at, delivery, attempt)
);
CREATE INDEX disclosures_by_account ON disclosures (account, at);
-- Erasures of what is about somebody, looked at in the order of the account's log.
CREATE TABLE erasures (
    id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    account_id    TEXT COLLATE "C" NOT NULL,
    subject       BYTEA NOT NULL,
    reason_sealed BYTEA NOT NULL,
    asked_by      TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,          -- running or done
    cursor_event  BIGINT NOT NULL,       -- every event up to this place has been looked at
    last_event    BIGINT NOT NULL,       -- what was published later is not part of it
    payloads      BIGINT NOT NULL,
    answers       BIGINT NOT NULL,
    documents     BIGINT NOT NULL,
    deliveries    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    ended_at      BIGINT
);
CREATE INDEX erasures_running ON erasures (id) WHERE state = 'running';
CREATE INDEX erasures_by_account ON erasures (account_id, id) WHERE payloads >= 0;
-- Subjects that nothing is removed of.
CREATE TABLE holds (
    account_id     TEXT COLLATE "C" NOT NULL,
    subject        BYTEA NOT NULL,
    subject_sealed BYTEA NOT NULL,
    reason_sealed  BYTEA NOT NULL,
    placed_by      TEXT COLLATE "C" NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, subject)
);
CREATE INDEX holds_by_subject ON holds (subject);
-- Up to which of its events payloads have gone by their age.
ALTER TABLE accounts ADD COLUMN expired_seq BIGINT NOT NULL DEFAULT 0;
-- What decides where and how an endpoint is sent to, sealed. NULL until the store is next opened: `url` is whole until then, and masked
-- from then on.
ALTER TABLE endpoints ADD COLUMN config_sealed BYTEA;
-- How much an endpoint is sent: `full`, `ids`, or fields as a JSON list of pointers; NULL: what its contract gives.
ALTER TABLE endpoints ADD COLUMN payload TEXT COLLATE "C";
-- Whether what an endpoint answers is kept.
ALTER TABLE endpoints ADD COLUMN keep_answers BIGINT NOT NULL DEFAULT 1;
