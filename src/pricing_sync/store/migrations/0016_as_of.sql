-- What was known of the future: the cards of a model that were recorded before they began.
CREATE INDEX pricing_ledger_scheduled ON pricing_ledger (provider, model, since)
    WHERE since > recorded_at;

-- The held changes of a state, of all providers or of one, and those of a model.
DROP INDEX pricing_held_provider;

CREATE INDEX pricing_held_state ON pricing_held (state, provider, since);

CREATE INDEX pricing_held_model ON pricing_held (provider, model, state, decided_at);

CREATE INDEX pricing_audit_provider ON pricing_audit (provider, at);
