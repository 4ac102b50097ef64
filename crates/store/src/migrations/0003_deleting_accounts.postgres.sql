-- Since when an account is being deleted: its rows go step by step, and the account's own goes last. NULL: it is not.
ALTER TABLE accounts ADD COLUMN deleting_since BIGINT;
CREATE INDEX accounts_deleting ON accounts (deleting_since) WHERE deleting_since IS NOT NULL;
