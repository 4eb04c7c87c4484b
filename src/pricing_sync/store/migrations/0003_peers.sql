-- What the reference catalogs say of models that have the same name elsewhere: base rates of text,
-- as judged against and never billed by. Each catalog's rows are replaced together.
CREATE TABLE pricing_references (
    catalog TEXT NOT NULL,
    -- Who sells and what, as the catalog spells it.
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    -- What the model is called everywhere, and whose word the price is in the end.
    peer_key TEXT NOT NULL,
    lineage TEXT NOT NULL,
    currency TEXT NOT NULL,
    input BIGINT CHECK (input > 0),
    output BIGINT CHECK (output > 0),
    cache_read BIGINT CHECK (cache_read > 0),
    cache_write BIGINT CHECK (cache_write > 0),
    cache_write_1h BIGINT CHECK (cache_write_1h > 0),
    reasoning BIGINT CHECK (reasoning > 0),
    read_at TEXT NOT NULL,
    PRIMARY KEY (catalog, provider, model)
);

-- Every time a catalog was asked, and what became of it.
CREATE TABLE pricing_reference_reads (
    catalog TEXT NOT NULL,
    at TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('read', 'unchanged', 'failed')),
    etag TEXT,
    digest TEXT,
    decoder TEXT NOT NULL,
    -- Rows that can be peers, and listings that could not be read. Of a failed read, none.
    models INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (catalog, at)
);
