-- Three roles in a schema of their own. Run it once, as a user that may create roles and schemas in
-- the database; a second time does no harm. Then give the roles passwords: see docs/postgres.md.
--   pricing_sync_migrate  owns the tables:  pricing-sync migrate
--   pricing_sync_serve    reads and writes rows, and changes no table:  migrate = false
--   pricing_sync_read     reads: dashboards, and programs that only need prices
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['pricing_sync_migrate', 'pricing_sync_serve', 'pricing_sync_read']
    LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
        -- Of this database only: the roles may have other schemas elsewhere.
        EXECUTE format(
            'ALTER ROLE %I IN DATABASE %I SET search_path = pricing_sync',
            name, current_database()
        );
    END LOOP;
    -- A reading that changes prices has a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pricing_sync_serve', current_database());
    -- Only a member of a role may give something to it. PostgreSQL 16 asks for it.
    EXECUTE format('GRANT pricing_sync_migrate TO %I', current_user);
END $$;

CREATE SCHEMA IF NOT EXISTS pricing_sync AUTHORIZATION pricing_sync_migrate;
GRANT USAGE ON SCHEMA pricing_sync TO pricing_sync_serve, pricing_sync_read;

-- What is there already, and what later migrations add.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pricing_sync TO pricing_sync_serve;
GRANT SELECT ON ALL TABLES IN SCHEMA pricing_sync TO pricing_sync_read;
ALTER DEFAULT PRIVILEGES FOR ROLE pricing_sync_migrate IN SCHEMA pricing_sync
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pricing_sync_serve;
ALTER DEFAULT PRIVILEGES FOR ROLE pricing_sync_migrate IN SCHEMA pricing_sync
    GRANT SELECT ON TABLES TO pricing_sync_read;
-- The jobs of workers are numbered.
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pricing_sync TO pricing_sync_serve;
ALTER DEFAULT PRIVILEGES FOR ROLE pricing_sync_migrate IN SCHEMA pricing_sync
    GRANT USAGE ON SEQUENCES TO pricing_sync_serve;
