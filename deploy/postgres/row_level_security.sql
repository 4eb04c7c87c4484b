-- Row-level security, for a database whose tables others can reach too, such as Supabase's `anon` and
-- `authenticated`. Run it after roles.sql and after each migration, as the same user. Whoever has no
-- policy sees no row, in the tables and in the views. PostgreSQL 15 or later.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT tablename FROM pg_tables
        WHERE schemaname = 'pricing_sync' AND tablename LIKE 'pricing\_%'
    LOOP
        EXECUTE format('ALTER TABLE pricing_sync.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS pricing_sync_serve ON pricing_sync.%I', name);
        EXECUTE format(
            'CREATE POLICY pricing_sync_serve ON pricing_sync.%I'
            ' TO pricing_sync_serve USING (TRUE) WITH CHECK (TRUE)', name
        );
        EXECUTE format('DROP POLICY IF EXISTS pricing_sync_read ON pricing_sync.%I', name);
        EXECUTE format(
            'CREATE POLICY pricing_sync_read ON pricing_sync.%I'
            ' FOR SELECT TO pricing_sync_read USING (TRUE)', name
        );
    END LOOP;
    -- Without this a view shows what its owner sees, which is everything.
    FOR name IN
        SELECT viewname FROM pg_views
        WHERE schemaname = 'pricing_sync'
            AND viewname IN ('model_pricing', 'model_pricing_history', 'pricing_sync_log')
    LOOP
        EXECUTE format('ALTER VIEW pricing_sync.%I SET (security_invoker = on)', name);
    END LOOP;
END $$;
