-- How often an API key may be used yet. A key without a row has no bound. `refill_day` is
-- 0 for every day, else a day of the month.

CREATE TABLE api_key_credits (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
  remaining BIGINT NOT NULL,
  refill_amount BIGINT,
  refill_day BIGINT,
  refilled_at BIGINT NOT NULL
);
