-- Keys under which another system made HMACs of its API keys.
CREATE TABLE import_keys (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  sealed_key TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

-- The ways in which imported API keys are found by what is presented, those in use.
CREATE TABLE import_forms (
  form TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL
);

-- What was imported: a hash comes in once, even where its secret was hashed anew since.
-- The fingerprint is an HMAC of the hash under a hash key. hint finds a salted hash;
-- import_key_id and hint are null once the secret was hashed anew.
CREATE TABLE imported_hashes (
  fingerprint TEXT NOT NULL PRIMARY KEY,
  secret_id TEXT NOT NULL UNIQUE REFERENCES api_key_secrets (id) ON DELETE CASCADE,
  import_key_id TEXT REFERENCES import_keys (id),
  hint TEXT
);
CREATE INDEX imported_hashes_by_hint ON imported_hashes (hint) WHERE hint IS NOT NULL;
CREATE INDEX imported_hashes_by_import_key ON imported_hashes (import_key_id) WHERE import_key_id IS NOT NULL;

-- A client secret that was found in public is known by nothing but itself.
CREATE INDEX credentials_by_secret_hash ON credentials (secret_hash) WHERE secret_hash IS NOT NULL;
