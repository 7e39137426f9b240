-- What a mark names dies with every token issued before it. An authorization
-- server is named where the value means something only there, else it is empty.
CREATE TABLE revocation_marks (
  kind TEXT NOT NULL,
  authorization_server_id TEXT NOT NULL,
  value TEXT NOT NULL,
  not_before BIGINT NOT NULL,
  PRIMARY KEY (kind, authorization_server_id, value)
);
CREATE INDEX revocation_marks_by_time ON revocation_marks (not_before);

-- Single tokens, until nobody accepts them any more.
CREATE TABLE revoked_tokens (
  authorization_server_id TEXT NOT NULL,
  jti TEXT NOT NULL,
  client_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  PRIMARY KEY (authorization_server_id, jti)
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- Which clients may introspect tokens for which resource servers.
CREATE TABLE introspection_clients (
  client_id TEXT NOT NULL REFERENCES clients (id),
  resource_server_id TEXT NOT NULL REFERENCES resource_servers (id),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (client_id, resource_server_id)
);
