-- How many values the newest of an account's data keys has sealed, about: noted in large steps.
ALTER TABLE accounts ADD COLUMN sealed_values BIGINT NOT NULL DEFAULT 0;
-- For how many days what is an account's is kept; NULL: as long as everybody's.
ALTER TABLE accounts ADD COLUMN retain_history BIGINT;
ALTER TABLE accounts ADD COLUMN retain_payloads BIGINT;
ALTER TABLE accounts ADD COLUMN retain_answers BIGINT;
ALTER TABLE accounts ADD COLUMN retain_disclosures BIGINT;
-- From where on an account's own history is kept, where that is later than `retention` says.
ALTER TABLE accounts ADD COLUMN kept_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN kept_since BIGINT NOT NULL DEFAULT 0;
-- Why deliveries were retried, sealed under the store's key; `reason` is empty from then on.
ALTER TABLE bulk_retries ADD COLUMN reason_sealed BYTEA;
