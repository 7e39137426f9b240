-- Limits of API keys, and what all keys of a client are given and bound by. Lists are JSON.

ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN key_permissions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN key_roles TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN key_networks TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN key_limits TEXT NOT NULL DEFAULT '[]';
