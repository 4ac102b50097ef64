-- Who is signed in to the pages, and links that sign somebody in once. Both are 32 random bytes of which only the SHA-256 is kept.
CREATE TABLE sessions (
    hash       BYTEA PRIMARY KEY NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C",                 -- the one account it shows; NULL: all
    key_id     TEXT COLLATE "C",                 -- the key that signed in; the session goes with it
    person     TEXT COLLATE "C",                 -- who the identity provider says it is
    read_only  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_account ON sessions (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE portal_links (
    hash       BYTEA PRIMARY KEY NOT NULL,
    account_id TEXT COLLATE "C",                 -- the one account it shows; NULL: all
    read_only  BIGINT NOT NULL,
    path       TEXT COLLATE "C",                 -- the page that it opens; NULL: the account's
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX portal_links_by_expiry ON portal_links (expires_at);
CREATE INDEX portal_links_by_account ON portal_links (account_id) WHERE account_id IS NOT NULL;
