-- The reference rates of the European Central Bank: units of a currency per euro, exact decimals.
-- A day's rates count from the next day on. What is stored is never changed.
CREATE TABLE pricing_exchange_rates (
    currency TEXT NOT NULL,
    -- The day of publication, ISO 8601.
    day TEXT NOT NULL,
    per_euro TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (currency, day)
);
