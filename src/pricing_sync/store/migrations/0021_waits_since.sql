-- Since when a change of the model waits without a break, whatever its value was. NULL in rows from
-- before: since the change was first read.
ALTER TABLE pricing_held ADD COLUMN waits_since TEXT;
