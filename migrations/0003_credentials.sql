-- Credentials of several kinds: a secret, public keys, or the URL of public keys.
-- Their columns become nullable by a new table: SQLite cannot drop NOT NULL.

CREATE TABLE credentials_of_kinds (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id),
  kind TEXT NOT NULL,
  label TEXT NOT NULL,
  hash_key_id TEXT REFERENCES hash_keys (id),
  secret_hash TEXT,
  jwks TEXT,
  jwks_uri TEXT,
  not_before BIGINT,
  expires_at BIGINT,
  rotated_at BIGINT,
  revoked_at BIGINT,
  created_at BIGINT NOT NULL,
  created_by TEXT
);
INSERT INTO credentials_of_kinds
  (id, client_id, kind, label, hash_key_id, secret_hash, not_before, expires_at, revoked_at, created_at)
  SELECT id, client_id, 'secret', label, hash_key_id, secret_hash, not_before, expires_at, revoked_at, created_at FROM credentials;
DROP TABLE credentials;
ALTER TABLE credentials_of_kinds RENAME TO credentials;
CREATE INDEX credentials_by_client ON credentials (client_id);
CREATE INDEX credentials_by_end ON credentials (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;

-- Null: the assertion's aud is the issuer. Otherwise the token endpoint's URL too.
ALTER TABLE clients ADD COLUMN assertion_audience TEXT;

-- Last use, apart from what the token path reads and the management API locks.
CREATE TABLE credential_uses (
  credential_id TEXT NOT NULL PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
  used_at BIGINT NOT NULL,
  auth_method TEXT NOT NULL,
  source_address TEXT,
  user_agent TEXT
);

-- One row per warning that was given; a new end is warned of anew.
CREATE TABLE credential_expiry_warnings (
  credential_id TEXT NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
  expires_at BIGINT NOT NULL,
  threshold_seconds BIGINT NOT NULL,
  warned_at BIGINT NOT NULL,
  PRIMARY KEY (credential_id, expires_at, threshold_seconds)
);

-- Ids of JWTs that count once, by what they are for and whose they are. The id is
-- hashed: it may be any text.
CREATE TABLE used_jtis (
  purpose TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  jti_hash TEXT NOT NULL,
  useless_at BIGINT NOT NULL,
  PRIMARY KEY (purpose, owner_id, jti_hash)
);
CREATE INDEX used_jtis_by_end ON used_jtis (useless_at);
