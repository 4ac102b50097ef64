-- The private keys with which a contract signs for all of its accounts. The highest ordinal is the newest.
CREATE TABLE contract_keys (
    contract   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    ordinal    INTEGER NOT NULL,
    key_sealed BLOB NOT NULL,             -- under the store's own key
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (contract, kind, ordinal)
) STRICT, WITHOUT ROWID;
