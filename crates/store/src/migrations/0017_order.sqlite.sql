-- Deliveries of an endpoint that have the same key wait for the one before. NULL: in no order.
ALTER TABLE queue ADD COLUMN order_key INTEGER;
CREATE INDEX queue_in_order ON queue (lane, order_key, wake_at, number) WHERE order_key IS NOT NULL;

-- The key of an event's deliveries, for those that are made later.
ALTER TABLE events ADD COLUMN order_key INTEGER;
CREATE INDEX events_in_order ON events (place, order_key) WHERE order_key IS NOT NULL;
