-- When an endpoint's lease ends; NULL: never.
ALTER TABLE endpoints ADD COLUMN expires_at BIGINT;
-- When something has to be done about that lease next: the operator is told of its end, or it ends.
ALTER TABLE endpoints ADD COLUMN lease_due BIGINT;
CREATE INDEX endpoints_lease_due ON endpoints (lease_due) WHERE lease_due IS NOT NULL;
-- Where it has failed and is only muted: when it is resumed by itself.
ALTER TABLE endpoints ADD COLUMN resumes_at BIGINT;
CREATE INDEX endpoints_resumes_at ON endpoints (resumes_at) WHERE resumes_at IS NOT NULL;
-- Secret values that requests to an endpoint need: a JSON object of texts, sealed; NULL: it has none.
ALTER TABLE endpoints ADD COLUMN credentials_sealed BYTEA;
