-- To find the same models at other sellers by their names, among those of any number of sellers. The
-- name is the last part of an id, in lower case.
CREATE INDEX pricing_models_name ON pricing_models (
    lower(replace(model, rtrim(model, replace(model, '/', '')), ''))
);

CREATE INDEX pricing_references_key ON pricing_references (peer_key);
