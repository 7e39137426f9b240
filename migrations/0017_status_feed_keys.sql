-- The Ed25519 key that signs an authorization server's status feed.
CREATE TABLE status_feed_keys (
  id TEXT NOT NULL PRIMARY KEY,
  authorization_server_id TEXT NOT NULL,
  sealed_private_key TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX status_feed_keys_authorization_server ON status_feed_keys (authorization_server_id);
