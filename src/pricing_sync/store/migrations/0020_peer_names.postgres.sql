-- See 0020_peer_names.sql.
CREATE INDEX pricing_models_name ON pricing_models (lower(split_part(model, '/', -1)));

CREATE INDEX pricing_references_key ON pricing_references (peer_key);
