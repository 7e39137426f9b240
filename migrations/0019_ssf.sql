-- Streams of security events (OpenID Shared Signals) to receivers: one for each client.
CREATE TABLE ssf_streams (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL UNIQUE,
  delivery_method TEXT NOT NULL,
  endpoint_url TEXT,
  sealed_authorization TEXT,
  events_requested TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT,
  created_at BIGINT NOT NULL,
  leased_until BIGINT NOT NULL
);

-- Events that their receiver has not acknowledged. number is their order.
CREATE TABLE ssf_events (
  stream_id TEXT NOT NULL,
  jti TEXT NOT NULL,
  number BIGINT NOT NULL,
  event_type TEXT NOT NULL,
  claims TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (stream_id, jti)
);
CREATE INDEX ssf_events_in_order ON ssf_events (stream_id, number, jti);
