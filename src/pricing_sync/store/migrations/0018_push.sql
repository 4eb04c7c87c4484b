-- What the nodes of other tools hold that prices are pushed to: a row for each, by its name in the
-- settings.
CREATE TABLE pricing_pushes (
    target TEXT PRIMARY KEY,
    -- The digest of the document that it is known to hold, and the ledger's revision of that.
    digest TEXT,
    revision TEXT,
    checked_at TEXT,
    -- Since when it is known not to hold the current document; NULL while it does.
    behind_since TEXT,
    -- Failed pushes in a row, the last error, and when the next push or check is due.
    failures INTEGER NOT NULL,
    error TEXT,
    next_at TEXT NOT NULL
);
