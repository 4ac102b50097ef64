-- The audit log: a Merkle tree (RFC 6962) over records that are only ever added.
CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY NOT NULL,  -- from 1, without gaps
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    action  TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C",
    object  TEXT COLLATE "C",
    origin  TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    leaf    BYTEA NOT NULL
);
-- For statements that say `seq > 0`: one that looks up a record takes the primary key.
CREATE INDEX audit_by_account ON audit (account, seq) WHERE seq > 0;
CREATE INDEX audit_by_object ON audit (object, seq) WHERE seq > 0;
CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE seq > 0;
CREATE INDEX audit_by_action ON audit (action, seq) WHERE seq > 0;
-- The tree's nodes above its leaves, by their place in the order in which they are made.
CREATE TABLE audit_nodes (
    place BIGINT PRIMARY KEY NOT NULL,
    hash  BYTEA NOT NULL
);
-- What is personal in a record, which holds a commitment to it: rows that can be erased.
CREATE TABLE audit_personal (
    seq          BIGINT NOT NULL,
    field        TEXT COLLATE "C" NOT NULL,
    salt         BYTEA NOT NULL,
    value_sealed BYTEA NOT NULL,
    lookup       BYTEA NOT NULL,            -- a keyed hash of field and value
    PRIMARY KEY (seq, field)
);
CREATE INDEX audit_personal_by_lookup ON audit_personal (lookup);
-- Signed tree heads.
CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY NOT NULL,
    at   BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL
);
-- Keys: names for people, what a publisher's key is narrowed to, and a seal over what a key may do.
ALTER TABLE api_keys ADD COLUMN name TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN prefix TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN accounts TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE api_keys ADD COLUMN contract TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN write_only BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE api_keys ADD COLUMN seal BYTEA;
