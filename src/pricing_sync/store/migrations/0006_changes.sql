-- To list what moved lately, in a ledger of any length.
CREATE INDEX pricing_ledger_since ON pricing_ledger (since, provider, model)
    WHERE superseded_at IS NULL;

CREATE INDEX pricing_ledger_until ON pricing_ledger (until, provider, model)
    WHERE superseded_at IS NULL AND until IS NOT NULL;
