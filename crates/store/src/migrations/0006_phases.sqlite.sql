-- Where the time of an attempt went, packed as `attempt.rs` says. NULL before this migration.
ALTER TABLE deliveries ADD COLUMN phases BLOB;
ALTER TABLE earlier_attempts ADD COLUMN phases BLOB;

DROP VIEW attempts;
CREATE VIEW attempts AS
SELECT delivery_id, number, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at, phases
FROM earlier_attempts
UNION ALL
SELECT id, attempts, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at, phases
FROM deliveries WHERE outcome IS NOT NULL;

-- For lists by filter: what did not arrive, of all accounts (few rows, where most are delivered), and lanes by their endpoint alone.
CREATE INDEX deliveries_not_delivered ON deliveries (state, id) WHERE state <> 'delivered';
CREATE INDEX lanes_by_endpoint ON lanes (endpoint_id);
