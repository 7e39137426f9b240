-- Why requests were refused, by their ids: what the answer did not say. Bounded by
-- number and by age. Clients are not referred to: who deletes one may ask later.
CREATE TABLE refusals (
  request_id TEXT NOT NULL PRIMARY KEY,
  occurred_at BIGINT NOT NULL,
  method TEXT NOT NULL,
  route TEXT NOT NULL,
  status BIGINT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT,
  client_id TEXT,
  credential_id TEXT,
  source_address TEXT
);
CREATE INDEX refusals_by_time ON refusals (occurred_at, request_id);
CREATE INDEX refusals_by_client ON refusals (client_id, occurred_at, request_id);
-- Those whose client was not authenticated: they have a bound of their own.
CREATE INDEX refusals_of_nobody ON refusals (occurred_at, request_id) WHERE credential_id IS NULL;
