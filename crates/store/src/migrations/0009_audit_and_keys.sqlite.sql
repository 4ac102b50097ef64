-- The audit log: a Merkle tree (RFC 6962) over records that are only ever added.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY NOT NULL,  -- from 1, without gaps
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    account TEXT,
    object  TEXT,
    origin  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    leaf    BLOB NOT NULL
) STRICT;
-- For statements that say `seq > 0`: one that looks up a record takes the primary key.
CREATE INDEX audit_by_account ON audit (account, seq) WHERE seq > 0;
CREATE INDEX audit_by_object ON audit (object, seq) WHERE seq > 0;
CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE seq > 0;
CREATE INDEX audit_by_action ON audit (action, seq) WHERE seq > 0;
-- The tree's nodes above its leaves, by their place in the order in which they are made.
CREATE TABLE audit_nodes (
    place INTEGER PRIMARY KEY NOT NULL,
    hash  BLOB NOT NULL
) STRICT;
-- What is personal in a record, which holds a commitment to it: rows that can be erased.
CREATE TABLE audit_personal (
    seq          INTEGER NOT NULL,
    field        TEXT NOT NULL,
    salt         BLOB NOT NULL,
    value_sealed BLOB NOT NULL,
    lookup       BLOB NOT NULL,            -- a keyed hash of field and value
    PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_personal_by_lookup ON audit_personal (lookup);
-- Signed tree heads.
CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY NOT NULL,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
-- Keys: names for people, what a publisher's key is narrowed to, and a seal over what a key may do.
ALTER TABLE api_keys ADD COLUMN name TEXT;
ALTER TABLE api_keys ADD COLUMN prefix TEXT;
ALTER TABLE api_keys ADD COLUMN accounts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE api_keys ADD COLUMN contract TEXT;
ALTER TABLE api_keys ADD COLUMN write_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
ALTER TABLE api_keys ADD COLUMN seal BLOB;
