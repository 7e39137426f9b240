-- An API key of a client for one resource server, the secrets that prove it, and roles:
-- names for sets of permissions. Lists are JSON.

CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id),
  resource_server_id TEXT NOT NULL REFERENCES resource_servers (id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  external_id TEXT,
  metadata TEXT NOT NULL,
  permissions TEXT NOT NULL,
  roles TEXT NOT NULL,
  allowed_networks TEXT NOT NULL,
  expires_at BIGINT,
  disabled_at BIGINT,
  revoked_at BIGINT,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX api_keys_in_order ON api_keys (created_at, id);
CREATE INDEX api_keys_by_client ON api_keys (client_id, created_at, id);
CREATE INDEX api_keys_by_external_id ON api_keys (external_id, created_at, id);
CREATE INDEX api_keys_by_resource_server ON api_keys (resource_server_id);
CREATE INDEX api_keys_by_prefix ON api_keys (prefix);

CREATE TABLE api_key_secrets (
  id TEXT NOT NULL PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
  start TEXT NOT NULL,
  scheme TEXT NOT NULL,
  hash_key_id TEXT REFERENCES hash_keys (id),
  hash TEXT NOT NULL,
  lookup TEXT NOT NULL UNIQUE,
  expires_at BIGINT,
  rotated_at BIGINT,
  created_at BIGINT NOT NULL
);
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (key_id);

CREATE TABLE roles (
  name TEXT NOT NULL PRIMARY KEY,
  description TEXT NOT NULL,
  permissions TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE api_key_uses (
  secret_id TEXT NOT NULL PRIMARY KEY REFERENCES api_key_secrets (id) ON DELETE CASCADE,
  used_at BIGINT NOT NULL,
  source_address TEXT
);
