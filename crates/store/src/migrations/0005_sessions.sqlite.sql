-- Who is signed in to the pages, and links that sign somebody in once. Both are 32 random bytes of which only the SHA-256 is kept.
CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY NOT NULL,
    role       TEXT NOT NULL,
    account_id TEXT,                 -- the one account it shows; NULL: all
    key_id     TEXT,                 -- the key that signed in; the session goes with it
    person     TEXT,                 -- who the identity provider says it is
    read_only  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_account ON sessions (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE portal_links (
    hash       BLOB PRIMARY KEY NOT NULL,
    account_id TEXT,                 -- the one account it shows; NULL: all
    read_only  INTEGER NOT NULL,
    path       TEXT,                 -- the page that it opens; NULL: the account's
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX portal_links_by_expiry ON portal_links (expires_at);
CREATE INDEX portal_links_by_account ON portal_links (account_id) WHERE account_id IS NOT NULL;
