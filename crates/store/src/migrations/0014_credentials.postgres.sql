-- Secret values that requests to an endpoint need: a JSON object of texts, sealed; NULL: it has none.
ALTER TABLE endpoints ADD COLUMN credentials_sealed BYTEA;
