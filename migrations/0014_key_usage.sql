-- Verdicts about API keys, summed up: a row for each minute, hour and day (`interval_seconds`
-- and when it began), key, outcome and tag. An empty tag: all requests, whatever their tags. An
-- empty key: nothing was found. A row outlives the key that it counts.
CREATE TABLE key_usage (
  key_id TEXT NOT NULL,
  interval_seconds BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  tag TEXT NOT NULL,
  client_id TEXT NOT NULL,
  resource_server_id TEXT NOT NULL,
  requests BIGINT NOT NULL,
  credits BIGINT NOT NULL,
  PRIMARY KEY (key_id, interval_seconds, started_at, outcome, tag)
);
CREATE INDEX key_usage_by_time ON key_usage (interval_seconds, started_at);
CREATE INDEX key_usage_by_client ON key_usage (client_id, interval_seconds, started_at);
