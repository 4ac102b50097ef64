-- How much an endpoint is sent: `full`, `ids`, or fields as a JSON list of pointers; NULL: what its contract gives.
ALTER TABLE endpoints ADD COLUMN payload TEXT COLLATE "C";
-- Whether what an endpoint answers is kept.
ALTER TABLE endpoints ADD COLUMN keep_answers BIGINT NOT NULL DEFAULT 1;
