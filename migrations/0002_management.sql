-- The management API: who may act, what was done, and what a repeated request
-- was answered.

CREATE TABLE organizations (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

ALTER TABLE clients ADD COLUMN organization_id TEXT REFERENCES organizations (id);
ALTER TABLE clients ADD COLUMN external_id TEXT;
ALTER TABLE clients ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clients ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE INDEX clients_by_organization ON clients (organization_id, id);
ALTER TABLE client_grants ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE client_grants ADD COLUMN updated_at BIGINT;
ALTER TABLE resource_servers ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE authorization_servers ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Each event's hash covers its fields and the hash before it.
CREATE TABLE audit_head (
  id BIGINT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');

CREATE TABLE audit_events (
  seq BIGINT NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  occurred_at BIGINT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT,
  request_id TEXT,
  source_address TEXT,
  action TEXT NOT NULL,
  object_kind TEXT NOT NULL,
  object_id TEXT NOT NULL,
  organization_id TEXT,
  details TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_events_by_organization ON audit_events (organization_id, seq);

-- A request that was carried out, by the key its caller gave it. The reply is
-- without secrets, and absent if the process ended before it was written.
CREATE TABLE idempotency_keys (
  caller_id TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  object_id TEXT NOT NULL,
  reply_status BIGINT,
  reply_body TEXT,
  reply_etag TEXT,
  reply_location TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (caller_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
