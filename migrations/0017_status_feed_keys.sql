-- Ed25519 keys that sign the status feeds. A server has one that signs at most.
CREATE TABLE status_feed_keys (
  id TEXT NOT NULL PRIMARY KEY,
  authorization_server_id TEXT NOT NULL,
  sealed_private_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT
);
CREATE UNIQUE INDEX status_feed_keys_signing ON status_feed_keys (authorization_server_id) WHERE retired_at IS NULL;
