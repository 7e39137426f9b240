-- Portable rules: TEXT and BIGINT only, bytes as base64url TEXT, times as
-- milliseconds, flags as nullable *_at, JSON as TEXT. No statement may contain
-- a semicolon other than its end.

CREATE TABLE instance_facts (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE feed_head (
  id BIGINT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL
);
INSERT INTO feed_head (id, seq) VALUES (1, 0);

CREATE TABLE changes (
  seq BIGINT NOT NULL PRIMARY KEY,
  changed_at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  object_id TEXT NOT NULL
);

CREATE TABLE hash_keys (
  id TEXT NOT NULL PRIMARY KEY,
  sealed_key TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE authorization_servers (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  signing_alg TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE mounts (
  base_url TEXT NOT NULL,
  path TEXT NOT NULL,
  authorization_server_id TEXT NOT NULL REFERENCES authorization_servers (id),
  default_audience TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (base_url, path)
);

CREATE TABLE signing_keys (
  id TEXT NOT NULL PRIMARY KEY,
  authorization_server_id TEXT NOT NULL REFERENCES authorization_servers (id),
  alg TEXT NOT NULL,
  state TEXT NOT NULL,
  sealed_private_key TEXT NOT NULL,
  published_at BIGINT NOT NULL,
  activated_at BIGINT,
  retiring_at BIGINT
);
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (authorization_server_id, alg) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_one_published ON signing_keys (authorization_server_id, alg) WHERE state = 'published';

CREATE TABLE resource_servers (
  id TEXT NOT NULL PRIMARY KEY,
  authorization_server_id TEXT NOT NULL REFERENCES authorization_servers (id),
  audience TEXT NOT NULL,
  name TEXT NOT NULL,
  profile TEXT NOT NULL,
  signing_alg TEXT,
  token_lifetime_seconds BIGINT NOT NULL,
  scopes TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE (authorization_server_id, audience)
);

CREATE TABLE clients (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  token_endpoint_auth_method TEXT NOT NULL,
  auth_method_enforced_at BIGINT,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE credentials (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id),
  label TEXT NOT NULL,
  hash_key_id TEXT NOT NULL REFERENCES hash_keys (id),
  secret_hash TEXT NOT NULL,
  not_before BIGINT,
  expires_at BIGINT,
  revoked_at BIGINT,
  created_at BIGINT NOT NULL
);
CREATE INDEX credentials_by_client ON credentials (client_id);

CREATE TABLE client_grants (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id),
  resource_server_id TEXT NOT NULL REFERENCES resource_servers (id),
  scope TEXT NOT NULL,
  token_lifetime_seconds BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (client_id, resource_server_id)
);
