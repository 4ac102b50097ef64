-- The private keys with which a contract signs for all of its accounts. The highest ordinal is the newest.
CREATE TABLE contract_keys (
    contract   TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    ordinal    BIGINT NOT NULL,
    key_sealed BYTEA NOT NULL,            -- under the store's own key
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (contract, kind, ordinal)
);
