-- When an attempt was due: `started_at` less this is how long it waited, for room or for a process. NULL before this migration.
ALTER TABLE deliveries ADD COLUMN due_at INTEGER;
ALTER TABLE earlier_attempts ADD COLUMN due_at INTEGER;

DROP VIEW attempts;
CREATE VIEW attempts AS
SELECT delivery_id, number, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at
FROM earlier_attempts
UNION ALL
SELECT id, attempts, account, started_at, duration_us, outcome, status, detail, response_sealed, due_at
FROM deliveries WHERE outcome IS NOT NULL;
