-- See 0022_revisions.sql.
CREATE TABLE pricing_revisions (
    revision bigint NOT NULL,
    provider text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL,
    PRIMARY KEY (revision, provider)
);
