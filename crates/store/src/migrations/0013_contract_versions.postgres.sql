-- The version of its contract that an account is pinned to; NULL: the contract's default.
ALTER TABLE accounts ADD COLUMN contract_version TEXT;
