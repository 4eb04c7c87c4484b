-- What each revision of the price book is about, so that a process that has one of them reads only
-- what has changed since.
CREATE TABLE pricing_revisions (
    revision INTEGER NOT NULL,
    provider TEXT NOT NULL,
    -- Tells this revision from another one of the same number, as a database has that was restored.
    token TEXT NOT NULL,
    PRIMARY KEY (revision, provider)
);
