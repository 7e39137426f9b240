-- Certificates from a certificate authority (RFC 8555). Keys and certificates of
-- the account are sealed by the master key.

CREATE TABLE acme_accounts (
  directory_url TEXT NOT NULL PRIMARY KEY,
  sealed_credentials TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE acme_certificates (
  directory_url TEXT NOT NULL,
  -- The domain names, sorted, with commas between them.
  names TEXT NOT NULL,
  -- Counts the certificates that were issued.
  version BIGINT NOT NULL,
  chain TEXT,
  sealed_private_key TEXT,
  -- Not before this time does a node try to get the next one.
  renew_at BIGINT NOT NULL,
  -- Tries that failed since the last success.
  failures BIGINT NOT NULL,
  -- The try that is under way, and when it counts as lost.
  lease_id TEXT,
  lease_until BIGINT,
  PRIMARY KEY (directory_url, names)
);

-- What the authority is told when it asks any node.
CREATE TABLE acme_challenges (
  token TEXT NOT NULL PRIMARY KEY,
  key_authorization TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
