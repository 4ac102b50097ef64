-- What is held against a delivery that a process died with, by the number that `queued.rs` gives it. NULL: nothing.
ALTER TABLE queue ADD COLUMN suspicion BIGINT;
