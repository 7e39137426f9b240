-- Status lists: each has room for 1,048,576 tokens of an authorization server that expire
-- by expires_at. Nodes lease places in blocks: leased only grows, so no place is given
-- twice, and neither is a number.
ALTER TABLE authorization_servers ADD COLUMN status_lists_at BIGINT;
ALTER TABLE authorization_servers ADD COLUMN status_list_count BIGINT NOT NULL DEFAULT 0;

CREATE TABLE status_lists (
  authorization_server_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  leased BIGINT NOT NULL,
  permutation_key TEXT NOT NULL,
  PRIMARY KEY (authorization_server_id, number)
);
CREATE INDEX status_lists_by_expiry ON status_lists (expires_at);

-- The list with a place for the token; NULL: none has one.
ALTER TABLE revoked_tokens ADD COLUMN list_id TEXT;
CREATE INDEX revoked_tokens_without_list ON revoked_tokens (authorization_server_id, jti) WHERE list_id IS NULL;
