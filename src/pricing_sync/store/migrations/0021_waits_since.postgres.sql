-- See 0021_waits_since.sql.
ALTER TABLE pricing_held ADD COLUMN waits_since timestamptz;
