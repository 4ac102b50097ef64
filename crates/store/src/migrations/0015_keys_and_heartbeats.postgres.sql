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

-- Which attempt somebody asked for by hand; NULL: none. Once it was made, the number says nothing any more.
ALTER TABLE queue ADD COLUMN manual_attempt BIGINT;
-- 1: somebody asked for this attempt; NULL: it was due by itself, or made before this migration.
ALTER TABLE deliveries ADD COLUMN is_manual BIGINT;
ALTER TABLE earlier_attempts ADD COLUMN is_manual BIGINT;

CREATE OR REPLACE VIEW attempts AS
SELECT delivery_id, number, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at, phases, is_manual
FROM earlier_attempts
UNION ALL
SELECT id, attempts, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at, phases, is_manual
FROM deliveries WHERE outcome IS NOT NULL;

-- When an endpoint's next heartbeat is looked at; NULL: it has none.
ALTER TABLE endpoints ADD COLUMN heartbeat_at BIGINT;
CREATE INDEX endpoints_heartbeat_at ON endpoints (heartbeat_at) WHERE heartbeat_at IS NOT NULL;
