-- What decides where and how an endpoint is sent to, sealed. NULL until the store is next opened: `url` is whole until then, and masked
-- from then on.
ALTER TABLE endpoints ADD COLUMN config_sealed BYTEA;
