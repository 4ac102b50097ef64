-- Clients of published APIs, which get access tokens for assertions that they sign.
CREATE TABLE clients (
    id          TEXT NOT NULL PRIMARY KEY,
    account_id  TEXT NOT NULL,
    name        TEXT,
    keys_sealed BLOB NOT NULL,            -- its public keys, or where they are: under the account's data key, so that nobody puts others there
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_by_account ON clients (account_id);

-- Assertions that were used. Of each there is a hash under the store's own key.
CREATE TABLE used_assertions (
    hash       BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_by_end ON used_assertions (expires_at);
