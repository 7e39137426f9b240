-- What clients did, a row for each day (since 1970, UTC) and kind: `issued`, `reused`,
-- `needless`, or the code of a refusal. An empty credential: the client was named and not
-- authenticated. An empty resource server: a refusal.
CREATE TABLE client_usage (
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  day BIGINT NOT NULL,
  kind TEXT NOT NULL,
  credential_id TEXT NOT NULL,
  resource_server_id TEXT NOT NULL,
  requests BIGINT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (client_id, day, kind, credential_id, resource_server_id)
);
CREATE INDEX client_usage_by_day ON client_usage (day);

-- 1: a client that asks for a token that it holds gets that one again.
ALTER TABLE resource_servers ADD COLUMN reuse_live_tokens BIGINT NOT NULL DEFAULT 0;
