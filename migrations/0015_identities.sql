-- Clients that are found by what their owner calls them, permissions that have a name and a
-- description, and clients' keys for one resource server. Whether a permission is had is
-- written in the keys and the roles; here is only what people know of it.

CREATE INDEX identities_by_external_id ON clients (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX identities_in_order ON clients (created_at, id) WHERE external_id IS NOT NULL;
CREATE INDEX api_keys_by_client_and_resource_server ON api_keys (client_id, resource_server_id);

CREATE TABLE described_permissions (
  slug TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX described_permissions_in_order ON described_permissions (created_at, slug);
