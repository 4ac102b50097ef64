-- When an endpoint's handshake is tried next; NULL: it is not.
ALTER TABLE endpoints ADD COLUMN activation_due BIGINT;
-- Tries in a row that failed.
ALTER TABLE endpoints ADD COLUMN activation_failures BIGINT NOT NULL DEFAULT 0;
-- The SHA-256 of the token, by which a receiver that calls back is found.
ALTER TABLE endpoints ADD COLUMN activation_hash BYTEA;
-- The token, and what came of the last try: JSON, sealed.
ALTER TABLE endpoints ADD COLUMN activation_sealed BYTEA;
-- Whether it has never been active: nothing is kept for it.
ALTER TABLE endpoints ADD COLUMN unproven BIGINT NOT NULL DEFAULT 0;
-- What it has chosen of its contract's options: a JSON object; NULL: nothing.
ALTER TABLE endpoints ADD COLUMN options TEXT;
CREATE INDEX endpoints_activation_due ON endpoints (activation_due) WHERE activation_due IS NOT NULL;
CREATE INDEX endpoints_activation_hash ON endpoints (activation_hash) WHERE activation_hash IS NOT NULL;
