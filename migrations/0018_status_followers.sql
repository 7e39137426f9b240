-- What the verifiers that follow the status feed of a node have applied, as the node said
-- last. Each run of a node is one; those that say nothing any more are gone.
CREATE TABLE status_followers (
  node_id TEXT NOT NULL PRIMARY KEY,
  change_seq BIGINT NOT NULL,
  followers BIGINT NOT NULL,
  applied BIGINT NOT NULL,
  slowest_ms BIGINT NOT NULL,
  written_at BIGINT NOT NULL
);
