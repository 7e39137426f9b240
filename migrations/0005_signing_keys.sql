-- The end of a signing key's life, and how long a key signs.

-- A retired key has no private key any more: sealed_private_key is empty.
ALTER TABLE signing_keys ADD COLUMN retired_at BIGINT;
ALTER TABLE authorization_servers ADD COLUMN rotation_interval_seconds BIGINT NOT NULL DEFAULT 7776000;
