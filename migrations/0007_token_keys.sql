-- Keys under which the claims of opaque tokens are sealed. A key seals from
-- seals_from until its successor does; each has one at most, and the first follows ''.
-- A destroyed key is empty.
CREATE TABLE token_keys (
  id TEXT NOT NULL PRIMARY KEY,
  follows TEXT NOT NULL UNIQUE,
  sealed_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  seals_from BIGINT NOT NULL,
  destroyed_at BIGINT
);

-- `jwt` or `opaque`.
ALTER TABLE resource_servers ADD COLUMN token_format TEXT NOT NULL DEFAULT 'jwt';
