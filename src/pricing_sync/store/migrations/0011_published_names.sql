-- The other names of models, as their lists publish them. A name can move to another model.
CREATE TABLE pricing_aliases (
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    since TEXT NOT NULL,
    -- NULL while it is published.
    until TEXT,
    PRIMARY KEY (provider, alias, since)
);

-- What lists say about the end of a model: as of the last reading that listed it.
CREATE TABLE pricing_notices (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    -- A day, ISO 8601.
    ends_on TEXT,
    deprecated INTEGER NOT NULL CHECK (deprecated IN (0, 1)),
    replaced_by TEXT,
    PRIMARY KEY (provider, model)
);
