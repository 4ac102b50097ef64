-- How many values the newest of an account's data keys has sealed, about: noted in large steps.
ALTER TABLE accounts ADD COLUMN sealed_values INTEGER NOT NULL DEFAULT 0;
-- For how many days what is an account's is kept; NULL: as long as everybody's.
ALTER TABLE accounts ADD COLUMN retain_history INTEGER;
ALTER TABLE accounts ADD COLUMN retain_payloads INTEGER;
ALTER TABLE accounts ADD COLUMN retain_answers INTEGER;
ALTER TABLE accounts ADD COLUMN retain_disclosures INTEGER;
-- From where on an account's own history is kept, where that is later than `retention` says.
ALTER TABLE accounts ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN kept_since INTEGER NOT NULL DEFAULT 0;
-- Why deliveries were retried, sealed under the store's key; `reason` is empty from then on.
ALTER TABLE bulk_retries ADD COLUMN reason_sealed BLOB;
